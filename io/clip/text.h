/* What CLIP's tokeniser does to a text before it looks for tokens: character references of HTML are
 * resolved twice ("&amp;lt;" is "<"), letters are made small, Unicode's normal form C. Not collective.
 *
 * Source: the authors' simple_tokenizer.py, which also mends broken encodings by the library ftfy. That
 * is left out here: ASCII texts are not touched by it, others it changes where it finds, for example,
 * curly quotes. Of the named references those of Latin-1 and of common punctuation are known. */
#ifndef IO_CLIP_TEXT_H
#define IO_CLIP_TEXT_H
#include <stdbool.h>
#include <stdint.h>

/* A part of a text that tokens are made of: a word, one number, a run of other characters, or one of
 * the two tokens that texts can name. Valid during the call only. */
enum clip_piece { CLIP_WORD, CLIP_START_TOKEN, CLIP_END_TOKEN };
typedef bool clip_piece_fn(void *state, enum clip_piece kind, const char *bytes, int64_t n);

/* Calls `take` for every piece in order, until it returns false. False, with nothing taken, when the
 * text is not UTF-8. */
bool clip_pieces(const char *text, clip_piece_fn *take, void *state);

#endif
