/* What a fit asks of other ranks (core/models/fit.h), where there are none. */
#ifndef TESTS_ONE_RANK_H
#define TESTS_ONE_RANK_H
#include "core/models/fit.h"

static inline void fit_gather(void *context, void *all, const int64_t *counts, int64_t bytes) {
    (void)context, (void)all, (void)counts, (void)bytes;
}

static inline void fit_sum(void *context, double *x, int64_t n) {
    (void)context, (void)x, (void)n;
}

static inline void fit_bring(void *context, const int32_t *owner, struct fit_sequences *out) {
    const struct fit *fit = context;
    (void)owner;
    *out = fit_sequences_of(fit->local.offsets, fit->local.items, fit->local.count, INT64_MAX);
}

#endif
