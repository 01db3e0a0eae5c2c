/* The times in a column of text: numbers of seconds, milliseconds, microseconds or nanoseconds
 * since 1970, or dates and date-times of ISO 8601. The form is that of the whole column. Not
 * collective.
 */
#ifndef IO_READERS_TIMES_H
#define IO_READERS_TIMES_H
#include "io/lines.h"
#include "io/readers/order.h"

enum { TIME_UNITS = 4 };

enum time_form { TIMES_NONE, TIMES_NUMBERS, TIMES_DATES };

/* What was seen of a column; begins as zero. */
struct times {
    enum time_form form;
    int64_t count, first_line;
    int64_t in_unit[TIME_UNITS]; /* numbers that are from 1990 to 2100 in that unit */
    int64_t line_of[TIME_UNITS]; /* the first line of them */
    int64_t elsewhere;           /* positive numbers that are that in no unit */
};

/* Take `text` on the present line. *value is of the unit that times_unit tells in the end; a date
 * without offset is UTC. */
CHECKED enum status times_add(struct times *times, const struct lines *lines, const char *text,
                              struct moment *value);

/* The unit of a column that is complete: that of its numbers from 1990 to 2100, if they are half of
 * the column or more; otherwise the numbers are seconds, or positions, as they stand. An error,
 * naming the line, where others are from 1990 to 2100 in another unit, or all numbers are so in one
 * unit or another. The recognised form is said in the log. */
CHECKED enum status times_unit(const struct times *times, const char *path, int *unit);

/* A value of that unit in seconds. */
struct moment times_seconds(struct moment value, int unit);

#endif
