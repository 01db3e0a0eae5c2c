/* A text file line by line, with its SHA-256 on the way. Not collective. */
#ifndef IO_LINES_H
#define IO_LINES_H
#include "core/log.h"
#include "core/status.h"
#include "io/sha256.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { LINE_LIMIT = 1 << 24 }; /* bytes; a longer line is not one of these files */

struct lines {
    FILE *stream;
    char *path;
    char *text; /* the present line without its end; may be changed until the next call */
    size_t room;
    int64_t number; /* of the present line, from 1 */
    bool strict;    /* a last line without a line end is an error, not a warning */
    struct sha256 hash;
};

/* STATUS_IO when the file cannot be opened; then the object is zeroed. */
CHECKED enum status lines_open(struct lines *lines, const char *path, bool strict);
void lines_close(struct lines *lines); /* safe on a zeroed object; zeroes it */

/* The next line; *more is false at the end. Refuses NUL bytes and lines above LINE_LIMIT. */
CHECKED enum status lines_next(struct lines *lines, bool *more);

/* SHA-256 of the file, once lines_next has come to its end. */
void lines_sha256(struct lines *lines, char text[SHA256_TEXT]);

/* Report "PATH:NUMBER: ..." and give STATUS_INPUT. */
enum status lines_error(const struct lines *lines, const char *format, ...) LOG_FORMAT(2, 3);

/* Cut the next tab-separated field off *rest; NULL after the last. */
char *next_field(char **rest);

/* The whole of `text` as a number; false if it is none or does not fit. */
bool parse_int(const char *text, int64_t *value);
bool parse_double(const char *text, double *value); /* finite */

#endif
