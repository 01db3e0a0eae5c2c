/* SHA-256 of a stream of bytes, by libcrypto. Not collective. */
#ifndef IO_SHA256_H
#define IO_SHA256_H
#include "core/status.h"
#include <stdbool.h>
#include <stddef.h>

struct sha256 {
    void *state;
};

enum { SHA256_TEXT = 65 }; /* lower-case hexadecimal digits and the NUL */

/* False where the configuration of OpenSSL switches SHA-256 off: then nothing else here may be called.
 */
bool sha256_works(void);

void sha256_begin(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t bytes);
void sha256_end(struct sha256 *hash, char text[SHA256_TEXT]); /* frees the state */
void sha256_drop(struct sha256 *hash);                        /* frees it unread; safe twice */

/* Add the bytes of a whole file; STATUS_IO where it cannot be read. */
CHECKED enum status sha256_add_file(struct sha256 *hash, const char *path);

/* Of a whole file; STATUS_IO where it cannot be read. */
CHECKED enum status sha256_file(const char *path, char text[SHA256_TEXT]);

#endif
