/* ABXI (Bian et al., "ABXI: invariant interest adaptation for task-guided cross-domain sequential
 * recommendation", WWW 2025, arXiv 2501.15118): one encoder for the three streams, told apart by
 * low-rank maps; the mixed stream's state, projected to what both domains share, joins the state of
 * the target's own domain. P: the paper; C: the authors' code; D: decided here.
 *
 *     x_t = Drop( E[s_t] + Pos[n - t] )          the last item has position 1 (C)
 *     h   = LN( x + Drop( MHA(x) ) )             MHA and LN are shared by the streams (C)
 *     h_s = LN_s( h + Drop( FFN(h) ) + Drop( A_s B_s h ) )      FFN shared, A_s B_s: dLoRA (P)
 *     FFN(x) = W3 ( silu(W1 x) * W2 x ), without biases (C: SwiGLU of width 680)
 *     u   = LN_id( h_mixed + Drop( FFN_i(h_mixed) ) + Drop( A_d B_d h_mixed ) )
 *         + LN_od( h_d + Drop( FFN_d(h_d) ) )    d the target's domain, A_d B_d: iLoRA (P)
 *     logit(i) = <u, e_i> / 0.75       one table E for all (C); model.scale: another factor
 *
 * Task-guided alignment (P): for a target in domain d, h_d is the state of the last item of d
 * before it; without one h_d is zero (C). So stream d is its items that are followed by another of d
 * (batch_aligned).
 *
 * The loss is the mean over users of the sum over domains of the mean over the user's targets in
 * it (C). train.loss=infonce is the authors': a softmax over the target and items drawn for it, as
 * many from the target's domain (P) or from each domain (C, model.mixed_softmax=all), none of the
 * sequence. C draws without repetition; with it is D, as are the other losses.
 *
 * D: with model.blocks above one the middle two lines are repeated. Positions that are padding in C
 * are attended to there, as zero vectors; here there are none. A stream keeps its own latest
 * items, C those within the window of the mixed one. Layer norms have an epsilon of 1e-8, C 1e-5.
 * Users without targets in a domain add nothing to its sum but count in the mean. */
#ifndef CORE_MODELS_ABXI_H
#define CORE_MODELS_ABXI_H
#include "core/models/model.h"

/* What only this model reads. */
struct abxi_options {
    int64_t ffn_dim, dlora_rank, ilora_rank;
};

const struct abxi_options *abxi_options(const struct config *config);

extern const struct model_ops abxi;

#endif
