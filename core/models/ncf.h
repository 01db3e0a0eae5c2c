/* NCF, its multi-layer perceptron (He et al., "Neural collaborative filtering", WWW 2017, eq. 10):
 * the score of item i for a user u is what a tower of layers makes of their vectors,
 *     h_1 = relu( W_1 [p_u | e_i] + b_1 ),   h_k = relu( W_k h_(k-1) + b_k ),   x(i) = <w, h_K> + b,
 * with the widths model.tower, 32, 16 and 8, of h_1 to h_K (C: hexiangnan, MLP.py; with the vectors'
 * 2 x 32 in front, model.dim=32, that is the tower 64-32-16-8 of cross-domain papers). Learned by
 * binary cross-entropy with four items drawn for every target (C), train.loss=bce; bpr is decided
 * here. Scores of all items are made in rankings alone: train.loss has no other values.
 *
 * W_1 falls into a part of the user and one of the item, so that either product is taken once for
 * each of them and not for each pair.
 *
 * Decided here: the user of a history has the mean of its items' vectors for p_u
 * (core/models/user_vectors.h), as the users of a ranking are unknown to the training; every target
 * counts, not one for each user in an epoch; initial values as everywhere (core/params.h). */
#ifndef CORE_MODELS_NCF_H
#define CORE_MODELS_NCF_H
#include "core/models/model.h"

/* What only this model reads. */
struct ncf_options {
    struct numbers tower; /* widths of the hidden layers */
};

const struct ncf_options *ncf_options(const struct config *config);

extern const struct model_ops ncf;

#endif
