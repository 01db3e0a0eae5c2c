#include "core/hash.h"
#include "core/real.h"
#include "core/rng.h"
#include <string.h>

enum { BLOCK = 1 << 14 }; /* elements; fewer than two blocks are not worth a thread */

/* A size that is known makes the copy a load. */
static inline __attribute__((always_inline)) uint64_t hash_block(const char *x, const size_t size,
                                                                 int64_t n, int64_t first) {
    uint64_t hash = 0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t bits = 0;
        memcpy(&bits, x + (size_t)i * size, size);
        hash += rng_bits(bits, (uint64_t)(first + i));
    }
    return hash;
}

HOT static uint64_t hash_words(const char *x, int64_t n, int64_t first) {
    return hash_block(x, sizeof(uint32_t), n, first);
}

HOT static uint64_t hash_doubles(const char *x, int64_t n, int64_t first) {
    return hash_block(x, sizeof(uint64_t), n, first);
}

uint64_t hash_elements(const void *x, size_t size, int64_t n, int64_t first) {
    uint64_t hash = 0;
#pragma omp parallel for schedule(static) reduction(+ : hash) if (n > BLOCK)
    for (int64_t lo = 0; lo < n; lo += BLOCK) {
        const char *at = (const char *)x + (size_t)lo * size;
        int64_t length = n - lo < BLOCK ? n - lo : BLOCK;
        hash += size == sizeof(uint32_t) ? hash_words(at, length, first + lo)
                                         : hash_doubles(at, length, first + lo);
    }
    return hash;
}
