/* Counter-based random numbers: the value is a pure function of (key, counter), so it depends on
 * neither the order of the calls nor the number of ranks or threads. Not collective.
 *
 * Random access into the SplitMix64 sequence: Steele, Lea, Flood, "Fast splittable pseudorandom
 * number generators", OOPSLA 2014. */
#ifndef CORE_RNG_H
#define CORE_RNG_H
#include <stdint.h>

/* What a stream of numbers is for; part of its key. Append only: the values are in every result. */
enum rng_purpose {
    RNG_INIT = 1, /* initial parameters */
    RNG_SHUFFLE,  /* order of the training sequences */
    RNG_DROPOUT,
    RNG_NEGATIVES,  /* training negatives */
    RNG_CANDIDATES, /* evaluation negatives */
    RNG_SYNTH,      /* synthetic data */
    RNG_TEST,
    RNG_CORRUPTION /* items put in the place of a sequence's own */
};

static inline uint64_t rng_mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* 64 random bits for (key, counter). */
static inline uint64_t rng_bits(uint64_t key, uint64_t counter) {
    return rng_mix(key + (counter + 1) * 0x9E3779B97F4A7C15u);
}

/* Key of the numbers for (seed, purpose, a, b); a and b name what is drawn (step, tensor, sample).
 */
static inline uint64_t rng_key(uint64_t seed, enum rng_purpose purpose, uint64_t a, uint64_t b) {
    return rng_bits(rng_bits(rng_bits(rng_mix(seed), (uint64_t)purpose), a), b);
}

/* Uniform in [0, 1), 53 bits. */
static inline double rng_uniform(uint64_t key, uint64_t counter) {
    return (double)(rng_bits(key, counter) >> 11) * 0x1p-53;
}

/* Uniform integer in [0, n), n > 0 (multiply-shift; bias below n / 2^64). */
static inline int64_t rng_below(uint64_t key, uint64_t counter, int64_t n) {
    return (int64_t)(((unsigned __int128)rng_bits(key, counter) * (uint64_t)n) >> 64);
}

/* Standard normal (Box-Muller on counters 2c and 2c + 1). */
double rng_normal(uint64_t key, uint64_t counter);

/* FNV-1a of a name, for use as a or b in rng_key. */
uint64_t rng_hash(const char *name);

/* A uniform random permutation of 0..n-1 (Fisher-Yates over counters). */
void rng_permutation(uint64_t key, int64_t n, int64_t *permutation);

#endif
