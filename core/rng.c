#include "core/rng.h"
#include <math.h>

double rng_normal(uint64_t key, uint64_t counter) {
    double u = 1.0 - rng_uniform(key, 2 * counter), v = rng_uniform(key, 2 * counter + 1);
    return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}

uint64_t rng_hash(const char *name) {
    uint64_t h = 0xCBF29CE484222325u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001B3u;
    return h;
}

void rng_permutation(uint64_t key, int64_t n, int64_t *permutation) {
    for (int64_t i = 0; i < n; i++)
        permutation[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = rng_below(key, (uint64_t)i, i + 1), t = permutation[i];
        permutation[i] = permutation[j];
        permutation[j] = t;
    }
}
