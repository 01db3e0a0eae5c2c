/* Queries that read ranges of rows: query j those lo[j] .. hi[j] - 1 of a tensor, maybe none. Its pairs
 * (j, i), i in the range, are numbered query after query, from at[j]. Not collective. */
#ifndef CORE_OPS_RANGES_H
#define CORE_OPS_RANGES_H
#include "core/tape.h"

/* All memory is the tape's, or the caller's and valid until backward. */
struct row_ranges {
    int64_t n;
    const int32_t *lo, *hi; /* [n] */
    const int64_t *at;      /* [n + 1] */
};

/* lo[j] <= hi[j]. */
struct row_ranges ranges_make(struct tape *tape, const int32_t *lo, const int32_t *hi, int64_t n);

/* y[j] = mean of x[i] over the range of j; zero where it is empty. Returns [n, d]. */
struct tensor *op_range_mean(struct tape *tape, struct tensor *x, const struct row_ranges *ranges);

/* y[j] = sum over the range of j of p_ji x[i], p_j = softmax of score[at[j]] .. over the range; zero
 * where it is empty. x [*, d], score [pairs, 1]. Returns [n, d]. */
struct tensor *op_range_attention(struct tape *tape, struct tensor *x, struct tensor *score,
                                  const struct row_ranges *ranges);

/* y[j, i] = a[i] + b[j] + W (x[i] (.) z[j]) for every pair, (.) element by element: the first layer
 * of a network that compares a row with a query. x [*, d], z [n, d], a [*, h], b [n, h], W [h, d].
 * Returns [pairs, h]. The products of rows are made block by block, never all. */
struct tensor *op_range_compare(struct tape *tape, struct tensor *x, struct tensor *z,
                                struct tensor *a, struct tensor *b, struct tensor *w,
                                const struct row_ranges *ranges);

/* Scores [pairs, 1] of additive attention (Bahdanau, Cho, Bengio, ICLR 2015): <v, tanh(a[i] + b[j])> of
 * every pair. a [*, h], b [n, h], v [1, h]. The tangents, h for each pair, are not kept: backward
 * computes them again. */
struct tensor *op_range_additive(struct tape *tape, struct tensor *a, struct tensor *b,
                                 struct tensor *v, const struct row_ranges *ranges);

#endif
