/* What operations require of their inputs. Only a mistake in a model breaks a requirement, never a
 * user's data: the program then says the line and what does not hold, and ends by SIGABRT.
 *
 * `assert` stands for what costs a few comparisons and is checked in every build. What costs a pass
 * over an array is a `debug_assert`, which only the presets for finding mistakes check (debug,
 * asan, fuzz, tsan). */
#ifndef CORE_CHECK_H
#define CORE_CHECK_H
#include "core/tensor.h"
#include <assert.h>

#ifdef CDSR_DEBUG
#define debug_assert(requirement) assert(requirement)
#else
#define debug_assert(requirement) ((void)sizeof(requirement))
#endif

/* Is x a [rows, cols] matrix? */
static inline bool has_shape(const struct tensor *x, int64_t rows, int64_t cols) {
    return x->rows == rows && x->cols == cols;
}

/* Do all of index[0..n) stand in [lo, hi)? */
static inline bool all_within(const int32_t *index, int64_t n, int64_t lo, int64_t hi) {
    for (int64_t i = 0; i < n; i++)
        if (index[i] < lo || index[i] >= hi)
            return false;
    return true;
}

/* Is none of at[0..n) above `last`, and none a NaN? */
static inline bool all_up_to(const real *at, int64_t n, int64_t last) {
    for (int64_t i = 0; i < n; i++)
        if (!(at[i] <= (real)last))
            return false;
    return true;
}

/* Do offsets[0..n] rise from 0, repetitions allowed? */
static inline bool are_offsets(const int64_t *offsets, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (offsets[i + 1] < offsets[i])
            return false;
    return offsets[0] == 0;
}

#endif
