#include "io/content_hash.h"
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the content hash is taken over memory and expects a little-endian machine"
#endif

void content_hash_begin(struct sha256 *hash, const int64_t domain_items[2]) {
    sha256_begin(hash);
    sha256_add(hash, domain_items, 2 * sizeof *domain_items);
}

void content_hash_count(struct sha256 *hash, int64_t count) {
    sha256_add(hash, &count, sizeof count);
}

void content_hash_offsets(struct sha256 *hash, const int64_t *offsets, int64_t n) {
    sha256_add(hash, offsets, (size_t)n * sizeof *offsets);
}

void content_hash_items(struct sha256 *hash, const int32_t *items, int64_t n) {
    sha256_add(hash, items, (size_t)n * sizeof *items);
}

void items_hash_begin(struct sha256 *hash, const int64_t domain_items[2]) {
    content_hash_begin(hash, domain_items);
}

void items_hash_key(struct sha256 *hash, const char *key) {
    sha256_add(hash, key, strlen(key) + 1);
}
