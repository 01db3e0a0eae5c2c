/* Multi-head self-attention over packed sequences, causal or not. Not collective.
 * Source: Vaswani et al., "Attention is all you need", 2017; the causal mask of SASRec (Kang,
 * McAuley, 2018). */
#ifndef CORE_OPS_ATTENTION_H
#define CORE_OPS_ATTENTION_H
#include "core/ops/dropout.h"
#include "core/tape.h"

enum attention_mask { ATTEND_CAUSAL /* position i to positions <= i */, ATTEND_ALL };

/* qkv [T, 3 d]: queries, keys, values side by side, each of `heads` blocks of d / heads columns.
 * Sequence s holds tokens offsets[s] .. offsets[s + 1] - 1 and attends only to itself. Dropout acts
 * on the weights. Returns [T, d]. */
struct tensor *op_attention(struct tape *tape, struct tensor *qkv, const int64_t *offsets,
                            int64_t sequences, int heads, enum attention_mask mask,
                            const struct dropout *dropout);

#endif
