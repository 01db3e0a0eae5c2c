/* The terms of a text: its words and the pairs of words that follow each other. Not collective.
 *
 * The text is case-folded and brought to Unicode's normal form KC, so that "Ｃafé", "CAFÉ" and
 * "cafe" with a combining accent are one word. It is cut where Unicode (UAX #29) sees word
 * boundaries; a piece is a word if it has a letter or a digit. */
#ifndef IO_WORDS_H
#define IO_WORDS_H
#include <stdbool.h>

/* A word, or a pair "first second"; valid during the call only. */
typedef void words_fn(void *state, const char *term);

/* Calls `take` for every term, repeated ones repeatedly. False, with nothing taken, when the text
 * is not UTF-8. */
bool words_each(const char *text, words_fn *take, void *state);

#endif
