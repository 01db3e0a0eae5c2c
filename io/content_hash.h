/* The two hashes of a data set, taken while it streams by. Not collective. */
#ifndef IO_CONTENT_HASH_H
#define IO_CONTENT_HASH_H
#include "io/sha256.h"
#include <stdint.h>

/* The hash that identifies the domains and sequences of a data set: SHA-256 of |X|, |Y| and, per
 * split, count, offsets and items, all little-endian. Begin, add the three parts of each split in
 * the order of the splits, end. */
void content_hash_begin(struct sha256 *hash, const int64_t domain_items[2]);
void content_hash_count(struct sha256 *hash, int64_t count);
void content_hash_offsets(struct sha256 *hash, const int64_t *offsets, int64_t n);
void content_hash_items(struct sha256 *hash, const int32_t *items, int64_t n);

/* The hash that says which item has which number: SHA-256 of |X| and |Y|, little-endian, and the
 * keys in the order of the items, each with its NUL. Begin, add the keys, end. */
void items_hash_begin(struct sha256 *hash, const int64_t domain_items[2]);
void items_hash_key(struct sha256 *hash, const char *key);

#endif
