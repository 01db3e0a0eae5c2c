/* What a language model answered, and the line in which a cache keeps it. Not collective.
 *
 *     {"sha256":"...","key":"...","model":"...","truncated":false,"text":"..."}
 *
 * `sha256` is that of the bytes from `"key"` to the end of the line, without the line end; `key`
 * stands for the request (io/llm/chat.h). Both are 64 hexadecimal digits and stand where they
 * always do, so that a line is verified without being parsed. */
#ifndef IO_LLM_ANSWER_H
#define IO_LLM_ANSWER_H
#include "io/sha256.h"
#include <stdbool.h>
#include <stddef.h>

enum { ANSWER_TEXT = 1 << 20 }; /* bytes; a longer one is refused */

struct answer {
    char *text;     /* valid UTF-8, not empty; no control characters but tabs and line ends */
    bool truncated; /* the model had to stop at the limit of tokens */
};
void answer_free(struct answer *answer); /* safe on a zeroed object; zeroes it */

/* The line, with its end, the caller's to be given to mem_free. */
char *answer_line(const char *key, const char *model, const struct answer *answer);

/* Does the line (n bytes, without its end) have its checksum? Then `key` is that of its request. */
bool answer_verify(const char *line, size_t n, char key[SHA256_TEXT]);

/* The answer in a line that was verified; false where it is none all the same. */
bool answer_parse(const char *line, size_t n, struct answer *answer);

/* Lower-case hexadecimal digits, as many as in a key? */
bool answer_is_key(const char *text, size_t n);

/* How every line begins. */
#define ANSWER_LINE "{\"sha256\":\""

#endif
