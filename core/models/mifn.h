/* MIFN (Ma, Ren, Chen, Ren, Zhao, Liu, Ma, de Rijke, "Mixed information flow for cross-domain sequential
 * recommendations", TKDD 2022; the authors' code, MIFN.py). What one domain knows flows to the other along
 * the sequences, as in pi-Net, and over a graph of items; a switch mixes what either says of the next item.
 *
 * The sequence flow is that of core/models/transfer.h, h and t the states of each domain; its filter has no
 * members, and its gate weighs the candidate. What the sequences say of the items of a domain is
 *     s = softmax over the items i of < o_i, Drop([t_source, h_own]) > + b_i
 *
 * The graph flow is that of a session, up to an item l, over up to model.graph_nodes items n, which
 * core/models/node_sets.h chooses, with x_n = sqrt(d) E[n]; in: of l's domain, cross: of the other one:
 *     a_n  = softmax over the nodes in of < v, tanh(W_s h_l + W_e x_n) >, of those across of the same of t_l
 *     f_n  = sigma( W_c [h_l, t_l] + W_cx x_n + b_c )
 *     y_n  = a_n f_n . x_n in,   a_n (1 - f_n) . x_n across
 *     c_n  = [ relu( sum over n's edges to j of its own domain of w_nj (W y_j + b) ) | that of the other ]
 *     x'_n = GRU( c_n, x_n )                                                            once
 * with W, b by j's side (in, cross) and by whether n is on it. For a target in a domain, whose nodes are N:
 *     g    = softmax over n in N of < v', tanh(W'_s h_own + W'_e x'_n) >                zero elsewhere
 *     P_g  = sigma( w [h_own, t_source, sum over N of x'_n] + b )
 *     P(i) = P_g g(i) + (1 - P_g) s(i)
 *     L    = mean of -log P(y) - model.switch_weight [y is none of N] log( 1 - P_g + 1e-4 )
 *
 * Of the paper are the two flows, the switch and both losses; of the code (MIFN.py) are the forms above,
 * TensorFlow's units, one iteration, what each attention and the switch read, and the weight 1.
 *
 * Decided here. The graph: the authors' knowledge graph (Amazon's metadata, a crawl of Wikipedia) cannot be
 * had; items that occur together in training sequences are joined (core/models/item_graph.h), and of five
 * relations two are left, within a domain and across. Nodes are therefore items alone, and none are drawn at
 * random. The layers behind the gate and of the relations, between which nothing stands, are one; the mutual
 * attention of the nodes across to those in is left out. Where N is empty P = s. Targets with a graph are the
 * last model.graph_targets of either domain of a sequence, one each in the code; all others are predicted by
 * s alone, every one trained on as in pi-Net. With train.loss=sampled s is over the target and the items
 * drawn. The mean is over the targets of both domains together (there, one mean of each); embeddings,
 * dropout and output rows are as in pi-Net. The batch is packed by batch_mixed. */
#ifndef CORE_MODELS_MIFN_H
#define CORE_MODELS_MIFN_H
#include "core/models/model.h"

/* What only this model reads. */
struct mifn_options {
    int64_t nodes, neighbours, targets;
    double switch_weight;
};

const struct mifn_options *mifn_options(const struct config *config);

extern const struct model_ops mifn;

#endif
