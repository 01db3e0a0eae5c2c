/* Causal multi-head self-attention over packed sequences. Not collective.
 * Source: Vaswani et al., "Attention is all you need", 2017; the causal mask of SASRec (Kang,
 * McAuley, 2018). */
#ifndef CORE_OPS_ATTENTION_H
#define CORE_OPS_ATTENTION_H
#include "core/ops/dropout.h"
#include "core/tape.h"

/* qkv [T, 3 d]: queries, keys, values side by side, each of `heads` blocks of d / heads columns.
 * Sequence s holds tokens offsets[s] .. offsets[s + 1] - 1 and attends only to itself, position i
 * to positions <= i. Dropout acts on the weights. Returns [T, d]. */
struct tensor *op_attention(struct tape *tape, struct tensor *qkv, const int64_t *offsets,
                            int64_t sequences, int heads, const struct dropout *dropout);

#endif
