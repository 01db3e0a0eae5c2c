/* Tri-CDR (Ma et al., "Triple sequence learning for cross-domain recommendation", TOIS 2024; the
 * authors' code). Encoders of the source, the target and the mixed sequence; the last target state
 * attends to all three, and their results are kept apart and in order by a contrast and a margin.
 *
 * With the target's domain t, the other one s, h the states of a sequence up to the position, q the
 * last target state (zero where there is none) and m the mean of the mixed states:
 *     u_r      = sum over j of softmax_j( MLP([h_rj, q, h_rj (.) q, q - h_rj, m]) ) h_rj,
 *                r = mixed, source, target; MLP 5 d - 80 - PReLU - 40 - PReLU - 1, one for the three
 *     z        = W2 LeakyReLU(W1 [u_mixed, u_source, u_target] + b1) + b2
 *     score(i) = 5 cos(z, e_i); model.scale is another factor
 *     loss     = -log sigma(score(y)) - log(1 - sigma(score(j))), one negative: train.loss=bce; the
 *                program's other losses can be chosen
 * and at the last position of a sequence, where all three have items,
 *     contrast = mean over the pairs of r of NT-Xent of p_r = M2 ReLU(M1 u_r), M of each r, over the
 *                whole batch, times model.triple_contrast
 *     triplet  = max(0, |u_source - u_mixed| - |u_source - u_target| + model.triple_margin), times
 *                model.triple_weight
 * These are the code's (file model.py, Tri_CDR.py), the defaults those of its Toy-Game runs.
 *
 * Decided here: blocks as in core/models/encoder.h, which norm keys and values too, and all trained
 * from the start, where the code begins with encoders trained by themselves; one run for targets of
 * both domains, the code's being train.target=a or b; of the tables per encoder, in which each item
 * has a row of its own domain's encoder and one of the mixed encoder, these two; the block q - h of
 * the MLP's first layer, which is a sum of two others, has no weights of its own. The batch is packed
 * by batch_mixed. */
#ifndef CORE_MODELS_TRICDR_H
#define CORE_MODELS_TRICDR_H
#include "core/models/model.h"

/* What only this model reads. */
struct tricdr_options {
    double contrast, temperature, weight, margin;
};

const struct tricdr_options *tricdr_options(const struct config *config);

extern const struct model_ops tricdr;

#endif
