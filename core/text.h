/* Small questions about text. Not collective. */
#ifndef CORE_TEXT_H
#define CORE_TEXT_H
#include <stdbool.h>

/* Number of single-character insertions, deletions and substitutions between two short texts
 * (Levenshtein; only the first 63 bytes of each count). */
int text_distance(const char *a, const char *b);

/* "2:05" or "1:02:05" of so many seconds, "?" where they are no number; in `text`. */
enum { TEXT_DURATION = 24 };
const char *text_duration(double seconds, char text[TEXT_DURATION]);

/* Valid UTF-8 of one line: no control characters, line separators, byte order marks. */
bool text_is_printable(const char *text);

#endif
