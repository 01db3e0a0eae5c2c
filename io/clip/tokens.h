/* Texts to CLIP's tokens: byte-level byte-pair encoding. Not collective.
 *
 * Source: Sennrich, Haddow, Birch, "Neural machine translation of rare words with subword units", ACL
 * 2016; on bytes that stand for themselves as printable characters, as in GPT-2 and the authors'
 * simple_tokenizer.py. */
#ifndef IO_CLIP_TOKENS_H
#define IO_CLIP_TOKENS_H
#include "core/status.h"
#include <stdint.h>

struct clip_merge {
    int32_t left, right; /* tokens */
    int32_t rank, token; /* token < 0: no entry */
};

struct clip_tokens {
    int32_t start, end;
    int32_t byte[2][256];     /* tokens of single bytes; [1]: at the end of a word */
    struct clip_merge *merge; /* [slots], a power of two */
    int64_t slots;
};

/* DIRECTORY/vocab.json, whose numbers are below `vocabulary`, and DIRECTORY/merges.txt. STATUS_INPUT
 * for files that are not such a vocabulary: names the token, or the line. */
CHECKED enum status clip_tokens_read(const char *directory, int64_t vocabulary,
                                     struct clip_tokens *tokens);
void clip_tokens_free(struct clip_tokens *tokens); /* safe on a zeroed object; zeroes it */

/* The tokens of a text into out [most], most >= 2: the one of the start, at most most - 2 of the text,
 * the rest of which is left out, and the one of the end. Returns their number; 0: the text is not
 * UTF-8. Of a word of more than 4096 bytes the first so many count; decided here. */
int64_t clip_tokens_encode(const struct clip_tokens *tokens, const char *text, int64_t most,
                           int32_t *out);

/* How many of the tokens [n], n > 0, an encoder needs: up to the one whose state is the text's, which is
 * the first one of the greatest id, or of the id `end` where that is not CLIP_GREATEST (clip_config). */
int64_t clip_tokens_used(const int32_t *tokens, int64_t n, int64_t end);

#endif
