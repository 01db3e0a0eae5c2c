/* The bytes of a file in blocks, unpacked where the file is gzip's (its first bytes tell), with the
 * SHA-256 of the file as it stands on the way. Not collective. */
#ifndef IO_BYTES_H
#define IO_BYTES_H
#include "core/status.h"
#include "io/sha256.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct z_stream_s;

struct bytes {
    FILE *stream;
    char *path;
    unsigned char *read;         /* a block of the file ... */
    size_t count;                /* ... that holds so many bytes */
    bool held;                   /* the block was read ahead */
    struct z_stream_s *inflater; /* NULL: the file is plain */
    unsigned char *unpacked;
    bool within; /* a gzip member has begun and not ended */
    struct sha256 hash;
};

/* STATUS_IO when the file cannot be opened, STATUS_INPUT when it is no regular file; then the
 * object is zeroed. */
CHECKED enum status bytes_open(struct bytes *bytes, const char *path);
void bytes_close(struct bytes *bytes); /* safe on a zeroed object; zeroes it */

/* The next *n bytes stand at *at until the next call; *n is 0 at the end. */
CHECKED enum status bytes_next(struct bytes *bytes, const char **at, size_t *n);

/* SHA-256 of the file, once bytes_next has come to its end. */
void bytes_sha256(struct bytes *bytes, char text[SHA256_TEXT]);

#endif
