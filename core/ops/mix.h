/* Weighted means of rows whose weights are a softmax of scores: gates over views of an item, over
 * the states of streams. Not collective. */
#ifndef CORE_OPS_MIX_H
#define CORE_OPS_MIX_H
#include "core/tape.h"

enum { GATE_INPUTS = 3 };

struct gate_input {
    struct tensor *value; /* [*, d] */
    struct tensor *score; /* [*, c]; NULL: zero */
    const int32_t
        *index; /* [n] row of value and score, negative: this input is absent; NULL: row t.
                           * The caller's, valid until backward, as is `column` */
    const int32_t *column; /* [n] of score; NULL: 0 */
};

/* y[t] = sum_k a_k value_k[i_k], a = softmax over the inputs k that are there of score_k[i_k, j_k],
 * i_k = index_k[t], j_k = column_k[t]; zero where none is there. Returns [n, d]. At most
 * GATE_INPUTS inputs. */
struct tensor *op_mix(struct tape *tape, const struct gate_input *inputs, int count, int64_t n,
                      int64_t d);

struct gate_view {
    struct tensor *value;         /* [n, d] */
    struct tensor *weight, *bias; /* [1, d], [1, 1] */
    const bool *present; /* [n] has row t this view? NULL: all have. The caller's, valid until
                                  * backward */
};

/* y[t] = sum_k a_k value_k[t], a = softmax over the views k that row t has of
 * <weight_k, value_k[t]> + bias_k; zero where it has none. Returns [n, d]. At most GATE_INPUTS
 * views. The scores are float32, also where the tape multiplies in bfloat16. */
struct tensor *op_gate(struct tape *tape, const struct gate_view *views, int count);

#endif
