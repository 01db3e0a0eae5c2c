/* Where some elements of a random permutation stand, without the whole of it. Not collective. */
#ifndef CORE_PERMUTATION_H
#define CORE_PERMUTATION_H
#include <stdint.h>

/* place[i] = p where permutation[p] = first + i, 0 <= i < count, in the permutation that
 * rng_permutation makes of (key, n). Its exchanges are followed with the wanted elements alone:
 * scratch is 24 bytes at most for each of these, steps are n. */
void permutation_places(uint64_t key, int64_t n, int64_t first, int64_t count, int64_t *place);

#endif
