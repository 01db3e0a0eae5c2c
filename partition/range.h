/* Block ranges: `n` things over `size` owners, sizes differing by at most one. Not collective. */
#ifndef PARTITION_RANGE_H
#define PARTITION_RANGE_H
#include <stdint.h>

struct range {
    int64_t lo, hi; /* [lo, hi) */
};

/* The block of owner `rank`. */
struct range range_of(int64_t n, int size, int rank);

/* The owner of thing `i`, 0 <= i < n. */
int range_owner(int64_t n, int size, int64_t i);

#endif
