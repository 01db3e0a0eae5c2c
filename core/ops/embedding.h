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

#endif
