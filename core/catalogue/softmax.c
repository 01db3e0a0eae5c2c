#include "core/catalogue/softmax.h"
#include "core/vec.h"

const struct logsumexp logsumexp_empty = {.shift = -REAL_MAX};

HOT static real exp_sum(int64_t n, real shift, real *z) {
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) {
        z[i] = vec_exp(z[i] - shift);
        sum += z[i];
    }
    return sum;
}

HOT static real row_max(int64_t n, const real *z) {
    return vec_max(z, n);
}

/* Move to a shift that covers `max`; returns the factor for what was summed before. */
static real raise_shift(struct logsumexp *r, real max) {
    if (max <= r->shift)
        return 1;
    real factor = r->sum > 0 ? REAL_F(exp)(r->shift - max) : 0;
    r->shift = max;
    r->sum *= (double)factor;
    return factor;
}

real logsumexp_add(struct logsumexp *r, int64_t n, real *z) {
    real factor = raise_shift(r, row_max(n, z));
    r->sum += (double)exp_sum(n, r->shift, z);
    return factor;
}

void logsumexp_merge(struct logsumexp *r, const struct logsumexp *other) {
    if (other->sum <= 0)
        return;
    raise_shift(r, other->shift);
    r->sum += other->sum * logsumexp_factor(other, r->shift);
}

double logsumexp_factor(const struct logsumexp *r, real shift) {
    return r->sum > 0 ? exp((double)r->shift - (double)shift) : 0;
}

static void join_ranks(struct logsumexp *sum, int64_t n, const struct collectives *collectives,
                       real *peak, double *joined) {
    for (int64_t i = 0; i < n; i++)
        peak[i] = sum[i].shift;
    collectives->max(collectives->context, peak, n);
    for (int64_t i = 0; i < n; i++)
        joined[i] = sum[i].sum * logsumexp_factor(&sum[i], peak[i]);
    collectives->sum(collectives->context, joined, n);
    for (int64_t i = 0; i < n; i++)
        sum[i] = (struct logsumexp){peak[i], joined[i]};
}

void logsumexp_join(struct logsumexp *sum, int threads, int64_t n,
                    const struct collectives *collectives, real *peak, double *joined) {
    for (int64_t i = n; i < threads * n; i++)
        logsumexp_merge(&sum[i % n], &sum[i]);
    if (collectives)
        join_ranks(sum, n, collectives, peak, joined);
}

double logsumexp_log(const struct logsumexp *r) {
    return r->sum > 0 ? (double)r->shift + log(r->sum) : -INFINITY;
}

HOT void exp_shifted(int64_t n, real shift, real *z) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        z[i] = vec_exp(z[i] - shift);
}

/* Of e^-|z|, which does not overflow. */
static inline real sigmoid(real z, real small) {
    return (z >= 0 ? 1 : small) / (1 + small);
}

HOT void sigmoids(int64_t n, real *z) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        z[i] = sigmoid(z[i], vec_exp(-REAL_F(fabs)(z[i])));
}

/* log(1 + e^z) = max(z, 0) + log(1 + e^-|z|). One logarithm serves a block: of factors in [1, 2],
 * 512 have a finite product. */
HOT static double sigmoids_block(int64_t n, real *z) {
    double linear = 0, product = 1;
#pragma omp simd reduction(+ : linear) reduction(* : product)
    for (int64_t i = 0; i < n; i++) {
        real small = vec_exp(-REAL_F(fabs)(z[i]));
        linear += (double)(z[i] >= 0 ? z[i] : 0);
        product *= 1 + (double)small;
        z[i] = sigmoid(z[i], small);
    }
    return linear + log(product);
}

double sigmoids_sum(int64_t n, real *z) {
    enum { BLOCK = 512 };
    double sum = 0;
    for (int64_t i = 0; i < n; i += BLOCK)
        sum += sigmoids_block(n - i < BLOCK ? n - i : BLOCK, z + i);
    return sum;
}
