#include "core/hash.h"
#include "core/rng.h"
#include <string.h>

enum { SERIAL = 10000 }; /* elements that are not worth a thread */

static inline uint64_t hash_of(const void *x, size_t size, int64_t n, int64_t first) {
    uint64_t hash = 0;
#pragma omp parallel for schedule(static) reduction(+ : hash) if (n > SERIAL)
    for (int64_t i = 0; i < n; i++) {
        uint64_t bits = 0;
        memcpy(&bits, (const char *)x + (size_t)i * size, size);
        hash += rng_bits(bits, (uint64_t)(first + i));
    }
    return hash;
}

/* A size that is known makes the copy a load. */
uint64_t hash_elements(const void *x, size_t size, int64_t n, int64_t first) {
    return size == sizeof(uint32_t) ? hash_of(x, sizeof(uint32_t), n, first)
                                    : hash_of(x, sizeof(uint64_t), n, first);
}
