/* A text file line by line, plain or gzip's, with its SHA-256 on the way. Not collective.
 *
 * A byte order mark and the line ends, LF or CRLF, are no part of the lines. Empty lines may stand
 * at the end of a file, where they count for nothing; elsewhere they are errors. */
#ifndef IO_LINES_H
#define IO_LINES_H
#include "core/log.h"
#include "core/status.h"
#include "io/bytes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINE_LIMIT = 1 << 24 }; /* bytes; a longer line is not one of these files */

struct lines {
    struct bytes bytes;
    const char *path;
    char *text; /* the present line without its end; may be changed until the next call */
    size_t length, room;
    const char *block; /* what is read of the file and no line yet */
    size_t left;
    int64_t number; /* of the present line, from 1; at the end one more than the last one's */
    int64_t count;  /* lines read; above `number` after lines_continue */
    bool strict;    /* a last line without a line end is an error, not a warning */
};

/* STATUS_IO when the file cannot be opened; then the object is zeroed. */
CHECKED enum status lines_open(struct lines *lines, const char *path, bool strict);
void lines_close(struct lines *lines); /* safe on a zeroed object; zeroes it */

/* The next line; *more is false at the end. Refuses NUL bytes, UTF-16 and lines above LINE_LIMIT.
 */
CHECKED enum status lines_next(struct lines *lines, bool *more);

/* Append a newline and the next line, which may be empty, to the present one, whose text must not
 * have been shortened; *more is false, and nothing is appended, at the end of the file. */
CHECKED enum status lines_continue(struct lines *lines, bool *more);

/* SHA-256 of the file as it stands, once lines_next has come to its end. */
void lines_sha256(struct lines *lines, char text[SHA256_TEXT]);

/* Report "PATH:NUMBER: ..." and give STATUS_INPUT. */
enum status lines_error(const struct lines *lines, const char *format, ...) LOG_FORMAT(2, 3);

/* Cut the next tab-separated field off *rest; NULL after the last. */
char *next_field(char **rest);

/* The whole of `text` as a number; false if it is none or does not fit. */
bool parse_int(const char *text, int64_t *value);
bool parse_double(const char *text, double *value); /* finite */

#endif
