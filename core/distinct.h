/* The distinct values among integers. Not collective. */
#ifndef CORE_DISTINCT_H
#define CORE_DISTINCT_H
#include "core/arena.h"
#include <stdint.h>

/* values[0..count) become the distinct ones of x[0..n), all >= 0, ascending; place[i] the index of
 * x[i] among them. Returns count. `values` and `place` have room for n. Radix sort: n log max(x)
 * steps. Scratch comes from the arena and goes back to it. */
int64_t distinct(struct arena *arena, const int32_t *x, int64_t n, int32_t *values, int32_t *place);

#endif
