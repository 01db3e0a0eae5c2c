/* SemaCDR (arXiv 2604.09551), of which the abstract is public: domain-agnostic and domain-specific
 * semantics of items by a language model, items of several views, contrastive regularisation that
 * aligns the views, adaptive fusion of views and of source, target and mixed sequences.
 *
 * Decided here, with the key that changes it:
 *     views      v_a = W2 GELU(W1 t_a + b1) + b2 of the feature table model.agnostic, v_s alike of
 *                model.specific, v_id = the id embedding, all of width model.dim
 *     item       e = g_a v_a + g_s v_s + g_id v_id, g = softmax([w_a.v_a, w_s.v_s, w_id.v_id] + b);
 *                a view that the item has not got is left out
 *     sequences  three encoders on e; u = sum_s a_s h_s, a = softmax_s(p_r . tanh(W h_s + b) + c_r)
 *                where r is what stream s is to the target: the target's domain, the other one, or
 *                mixed; of every stream its last state before the target. A stream without items
 *                is left out. model.stream_fusion: mean makes a_s all the same. One p for the
 *                three gives one u for the targets of both domains, which cannot
 *                prefer the target's own sequence: it ranked worse by a fifth on validation
 *     score      cosine of u and e with the scale of model.scale
 *     loss       cross-entropy of the next item over the items of its domain (model.mixed_softmax:
 *                of both), for targets in the domain of train.target (both), at every position of
 *                the mixed stream; plus model.contrast_weight times the symmetric InfoNCE of v_a
 *                and v_s with temperature model.contrast_temperature over the distinct items of the
 *                whole batch that have both views
 * The batch is packed by batch_mixed. */
#ifndef CORE_MODELS_SEMA_CDR_H
#define CORE_MODELS_SEMA_CDR_H
#include "core/models/model.h"

enum stream_fusion { STREAM_FUSION_ADAPTIVE, STREAM_FUSION_MEAN };

/* What only this model reads. */
struct sema_options {
    char agnostic[OPTION_NAME], specific[OPTION_NAME];
    double contrast_weight, contrast_temperature;
    int stream_fusion; /* enum stream_fusion */
};

const struct sema_options *sema_options(const struct config *config);

extern const struct model_ops sema_cdr;

#endif
