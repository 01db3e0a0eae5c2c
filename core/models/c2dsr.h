/* C2DSR (Cao et al., "Contrastive cross-domain sequential recommendation", CIKM 2022; the authors'
 * code). Encoders of the mixed sequence and of that of each domain over item rows that a graph has
 * smoothed; a contrast binds the sequence of a domain to the mixed one.
 *
 * With the domains s = a, b, c_ij the number of times that item j follows item i in the training
 * sequences, in those of all items for the mixed stream, of one domain for its own, and a table E of
 * the mixed stream and one that the two others share:
 *     G[i]      = ( E[i] + sum over j of c_ij Drop(E[j]) / sum over j of c_ij + g ) / 2
 *     h_s, h_m  = encoders of a domain's items, of all items, over rows E + G
 *     z_s       = W_s h + v_s, one score per item of domain s; z_none = <w, h> + v, of no item
 * At each of the last model.last_targets positions of the mixed stream:
 *     mixed     = -log softmax_{s + none}( z_s(h_m), z_none(h_m) )(next item), of domain s
 *     a, b      = -log softmax_{s + none}( z_s(h_m + h_s), z_none(h_s) )(next item of s), where the
 *                 position's own item is of s
 * and for a sequence, with means over its positions of domain s and mixed states h'_s of the sequence
 * in which the items of the other domain than s are random ones of that domain:
 *     infomax   = sum over s of softplus(-D_s(mean h_s, mean h_m)) + softplus(D_s(mean h_s, mean h'_o)),
 *                 o the other domain, whose positions the means of h_m and h'_o are over;
 *                 D_s(x, y) = y^T B_s x + b_s
 *     loss      = (1 - model.infomax_weight) (mixed + a + b) + model.infomax_weight infomax
 * The first three are sums over model.last_targets times the number of sequences, as if all had so many
 * positions. A sequence without a target in one of the domains counts nowhere. The score of item i of s
 * is z_s(h_m + h_s)_i of the last states, without h_s where there is none.
 *
 * These are the code's (files C2DSR.py, GNN.py, trainer.py, loader.py), and so are the defaults. The
 * code's graph layer declares a weight, which it does not use.
 *
 * Decided here: blocks as in core/models/encoder.h, which norm keys and values too, over sequences
 * without padding, where the code attends to padding; a domain's stream reaches as far back as
 * data.max_len of its own items, and positions before the mixed stream's are not trained on; random items
 * are drawn anew in every step, the code's once; embeddings start as small as those of all models. The
 * embeddings and the graph are on every rank, also where items are shared out. The batch is packed by
 * batch_both. */
#ifndef CORE_MODELS_C2DSR_H
#define CORE_MODELS_C2DSR_H
#include "core/models/model.h"

/* What only this model reads. */
struct c2dsr_options {
    double infomax;
    int64_t last;
};

const struct c2dsr_options *c2dsr_options(const struct config *config);

extern const struct model_ops c2dsr;

#endif
