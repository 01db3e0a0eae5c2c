/* SR-GNN (Wu, Tang, Zhu, Wang, Xie, Tan, "Session-based recommendation with graph neural networks",
 * AAAI 2019), over the whole history, whatever its domains: each prefix of it is a session.
 *
 * The nodes of a session are its distinct items, with e_i = Drop(sqrt(d) E[i]); an edge joins items that
 * follow one another, once however often they do. With W, b the parameters:
 *
 *     a_i     = [ mean over predecessors p of W_in e_p + b_in | mean over successors p of W_out e_p + b_out ]
 *     h_i     = GRU( a_i, e_i )                                      one step; reset gate behind the product
 *     alpha_t = < q, sigma( W_1 h_last + b_1 + W_2 h_t + b_2 ) >     not normalised
 *     s       = W_3 [ sum over positions t of alpha_t h_t | h_last ] + b_3
 *     z_i     = < E[i], Drop(s) >
 *
 * as in the authors' code (pytorch_code), which cuts sequences into prefixes too. Its biases behind the
 * means are left out: they add nothing to those of the unit. Every prefix of a sequence is trained on at
 * once: from one to the next the graph changes at two nodes only (core/ops/session.h), and the products
 * of those are all that there are.
 *
 * Decided here: dropout (model.dropout) of the items' embeddings as they come in and of s, which the code
 * has not; candidates of the target's domain (model.mixed_softmax); initial values as everywhere (there,
 * uniform in +-1/sqrt(d)), for whose sake embeddings come in times sqrt(d), as in the encoder of the
 * other models. The code's L2 penalty of 1e-5 is not here; train.weight_decay is. */
#ifndef CORE_MODELS_SRGNN_H
#define CORE_MODELS_SRGNN_H
#include "core/models/model.h"

extern const struct model_ops srgnn;

#endif
