/* The cache of answers, as it is read: a file of lines (io/llm/answer.h), of which an index is held
 * in memory. Lines that lack their checksum are passed over and counted. Not collective. */
#ifndef IO_LLM_CACHE_H
#define IO_LLM_CACHE_H
#include "core/status.h"
#include "io/llm/answer.h"
#include "io/string_list.h"
#include <stdint.h>

struct cache {
    char *path;
    int file; /* negative: there is none */
    struct string_map keys;
    int64_t *at, *bytes; /* [keys.list.count] of the line of each key */
    int64_t room;        /* of at */
    int64_t damaged;     /* lines */
};

/* A file that is not there is an empty cache. STATUS_IO when it cannot be read; then the object is
 * zeroed. */
CHECKED enum status cache_open(struct cache *cache, const char *path);
void cache_close(struct cache *cache); /* safe on a zeroed object; zeroes it */

bool cache_has(const struct cache *cache, const char *key);

/* The answer of a key that is there; the caller's. It is verified again. */
CHECKED enum status cache_get(const struct cache *cache, const char *key, struct answer *answer);

#endif
