/* BPRMF (Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009):
 * matrix factorisation with an item bias, learned from pairs. The score of item i for a user u is
 *     x(i) = <p_u, e_i> + b_i,
 * and the loss of a target i against an item j that the sequence has not got is
 *     -log sigma( x(i) - x(j) )                                      (train.loss=bpr, the default).
 *
 * The tables of cross-domain papers go back to the session-based form (C: hidasib, GRU4Rec,
 * baselines.py): a vector p_u is learned for every training sequence, and a history, whose user the
 * training has not seen, gets the mean of its items' vectors e_i (core/models/user_vectors.h).
 * Decided here: model.user=mean learns with that mean, which is FISM's factors without its second
 * item table; targets are those of the other models, all items of a sequence but its first; Adam,
 * train.weight_decay and train.sampler stand for the paper's SGD, L2 and uniform draws. */
#ifndef CORE_MODELS_BPRMF_H
#define CORE_MODELS_BPRMF_H
#include "core/models/model.h"

extern const struct model_ops bprmf;

#endif
