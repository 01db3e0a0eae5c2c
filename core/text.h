/* Small questions about text. Not collective. */
#ifndef CORE_TEXT_H
#define CORE_TEXT_H
#include <stdbool.h>

/* Number of single-character insertions, deletions and substitutions between two short texts
 * (Levenshtein; only the first 63 bytes of each count). */
int text_distance(const char *a, const char *b);

/* Valid UTF-8 of one line: no control characters, line separators, byte order marks. */
bool text_is_printable(const char *text);

#endif
