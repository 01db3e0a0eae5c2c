/* Tile kernels of the catalogue's softmaxes, shared by loss and ranking. Not collective unless said. */
#ifndef CORE_CATALOGUE_SOFTMAX_H
#define CORE_CATALOGUE_SOFTMAX_H
#include "core/collectives.h"
#include "core/real.h"
#include <stdint.h>

/* A running log-sum-exp: sum of exp(z - shift), shift the largest z so far. */
struct logsumexp {
    real shift;
    double sum;
};

extern const struct logsumexp logsumexp_empty;

/* Replace z[0..n) by exp(z - shift) and add them to the sum. The shift becomes the largest z so
 * far; returns exp(old shift - new shift), the factor for what was accumulated under the old one.
 */
real logsumexp_add(struct logsumexp *r, int64_t n, real *z);

/* Add another running sum, such as another thread's. */
void logsumexp_merge(struct logsumexp *r, const struct logsumexp *other);

/* The first of the sums [threads][n] become those of all threads, with collectives (NULL: none) of all
 * ranks. `peak` and `joined` are room for n numbers. Collective with collectives. */
void logsumexp_join(struct logsumexp *sum, int threads, int64_t n,
                    const struct collectives *collectives, real *peak, double *joined);

/* What the sum, and all that was accumulated with it, is to be multiplied by under another shift:
 * exp(r->shift - shift), 0 when empty. */
double logsumexp_factor(const struct logsumexp *r, real shift);

/* log of the sum of exp(z); -inf when empty. */
double logsumexp_log(const struct logsumexp *r);

/* z[i] = exp(z[i] - shift). */
void exp_shifted(int64_t n, real shift, real *z);

/* z[i] = 1 / (1 + exp(-z[i])). */
void sigmoids(int64_t n, real *z);

/* The same; returns the sum of log(1 + exp(z[i])) = -log(1 - sigma(z[i])). */
double sigmoids_sum(int64_t n, real *z);

#endif
