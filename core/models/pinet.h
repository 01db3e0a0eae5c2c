/* pi-Net (Ma, Ren, Lin, Chen, Ma, de Rijke, "pi-Net: a parallel information-sharing network for
 * shared-account cross-domain sequential recommendations", SIGIR 2019; the authors' code). Each domain
 * has a recurrent unit over its own sequence; along each domain's time a filter takes in what the other
 * domain is to know, and a second unit carries that over.
 *
 * With s a stream, a or b, h_s its states and the prediction as in core/models/domain_units.h, and c_i the
 * latest state of the other stream at the time of item i (zero without):
 *     r_s     = filter_s( h_s, c )                      core/models/filter_layer.h
 *     t_s     = GRU'_s( r_s )
 *     source  = t of the other domain than the target's, of its last item before the target
 * The filter has model.members members, of which some user of a shared account may be each; its state
 * is the mean over them.
 *
 * Of the paper are the two parts, the filter and the prediction. Of the code (PiNet.py) are: the gate
 * weighs the old state; its projection of the members serves the candidate too (of the paper's own, V_s,
 * it declares the weights and leaves them out; model.member_projections=separate has it); biases of the
 * filter begin with 1; TensorFlow's unit; output weights of their own with a bias; members by domain, 4
 * of them; one width for all (100 there, model.dim here).
 *
 * Decided here: every position of the mixed sequence has its next item as a target, with h and t as of the
 * last items before it (there, one target per domain and sequence, the last); one run for targets of both
 * domains, whose losses are one mean (there, a sum of two means); embeddings come in times sqrt(d), as in
 * the encoder of the other models; dropout is of embeddings and of [t, h], not of states from step to
 * step nor between the units. */
#ifndef CORE_MODELS_PINET_H
#define CORE_MODELS_PINET_H
#include "core/models/model.h"

enum pinet_projections { PROJECTIONS_SHARED, PROJECTIONS_SEPARATE };

/* What only this model reads. */
struct pinet_options {
    int64_t members;
    int projections; /* enum pinet_projections */
};

const struct pinet_options *pinet_options(const struct config *config);

extern const struct model_ops pinet;

#endif
