/* Rows of tables. Not collective. */
#ifndef CORE_OPS_EMBEDDING_H
#define CORE_OPS_EMBEDDING_H
#include "core/ops/dropout.h"
#include "core/tape.h"

/* y[t] = table[index[t]], t < n. An index may occur any number of times: gradients are added in the
 * order of t. Indices are the caller's and stay valid until backward. */
struct tensor *op_gather(struct tape *tape, struct tensor *table, const int32_t *index, int64_t n);

/* y[t] = dropout(scale table[index[t]] + position[at[t]]): the input of an encoder.
 * `index` NULL takes row t itself. position [L, d]. */
struct tensor *op_embed(struct tape *tape, struct tensor *table, const int32_t *index,
                        struct tensor *position, const int32_t *at, int64_t n, real scale,
                        const struct dropout *dropout);

/* y[t] = (1 - f) table[k] + f table[k + 1] with at[t] = k + f, 0 <= f < 1: rows that change
 * continuously from one knot to the next. table [K, d], at[t] <= K - 1; a negative place is that of the
 * last knot. The places are the caller's and stay valid until backward. */
struct tensor *op_interpolate(struct tape *tape, struct tensor *table, const real *at, int64_t n);

#endif
