/* Cross-entropy over a set of items too large for a [positions, items] matrix.
 *
 * A head h compares states q_h [T, d_h] with item rows e_h [N, d_h]. Its logit of item i at
 * position t is
 *     z_h(i) = <q_h[t], e_h(i)>.
 * With candidates C and the target y, which counts once whether or not it is one of them, and with
 * weights w of sum 1,
 *     P(i) = sum over h of w_h softmax_{C + y}(z_h)(i)    probability fusion (LLM-EMF, eq. 8)
 *     P(i) = softmax_{C + y}(sum over h of z_h)(i)        logit fusion
 * and the loss is the sum over positions of -log P(y) (LLM-EMF, eqs 9-10), each times its share. With a
 * `mixture`, whose row of position t is m, P is a part of what is predicted, and of the other part the
 * target's probability is known (MIFN):
 *     -log( exp(m_0) P(y) + exp(m_1) )                    exp(m_0) is P's share; m_1 may be -inf
 *     d/dz_h(i) = r dP-loss/dz_h(i),  d/dm_0 = -r,  d/dm_1 = r - 1,   r = exp(m_0) P(y) / ( ... )
 * The same code serves the exact loss (candidates are a range of the item table) and the sampled one
 * (they are K gathered rows).
 *
 * With `other` there is one class more, which is no item and no target: exp(other[t]) is added to
 * what position t is normalised by. It stands for what is in no candidate set (C2DSR).
 *
 * With `gbce` = beta > 0 the loss is another, generalised binary cross-entropy (gSASRec: Petrov,
 * Macdonald, 2023, eq. 6, without its mean) over the logit z = sum over h of z_h:
 *     -beta log sigma(z(y)) - sum over candidates i of log(1 - sigma(z(i))).
 * Sigmoids take the place of the exponentials then, and nothing is normalised.
 *
 * Where the tape says bfloat16, operands of the products are rounded to it (core/gemm_bf16.h);
 * exponentials, their sums, the targets' logits and all gradients are `real`.
 *
 * The candidates may be shared out among ranks (`collectives`); the call is collective then.
 *
 * Memory is bounded whatever T and N are. Useful work is 6 T |C| d flops for a head whose item rows
 * are learned, 4 T |C| d for another. */
#ifndef CORE_CATALOGUE_LOSS_H
#define CORE_CATALOGUE_LOSS_H
#include "core/catalogue/loss_input.h"

/* Returns the unweighted sum of -log P(target), or of the gBCE. When the tape records, the
 * gradients of weight * that sum are added to q, items, positives, other, fusion_logits and mixture at
 * once: the loss is the end of the tape. */
double catalogue_loss(struct tape *tape, const struct catalogue_loss *loss);

#endif
