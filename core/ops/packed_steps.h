/* The order in which a recurrence goes over packed sequences: step after step, and within a step by
 * falling length of the sequences, so that those that run at step t are the first of those of step
 * t - 1 and a step is one product over the rows first[t] .. first[t + 1] - 1. Not collective. */
#ifndef CORE_OPS_PACKED_STEPS_H
#define CORE_OPS_PACKED_STEPS_H
#include "core/arena.h"
#include <stdint.h>

struct packed_steps {
    int64_t count;
    int64_t *first; /* [count + 1] rows */
    int32_t *token; /* [T] by row */
    int32_t *order; /* [sequences] by falling length: that of row first[t] + k is order[k] */
};

/* Of sequences with tokens offsets[s] .. offsets[s + 1] - 1. Memory is the arena's. */
struct packed_steps packed_steps_make(struct arena *arena, const int64_t *offsets,
                                      int64_t sequences);

/* Rows of step t. */
static inline int64_t packed_steps_rows(const struct packed_steps *steps, int64_t t) {
    return t < steps->count ? steps->first[t + 1] - steps->first[t] : 0;
}

#endif
