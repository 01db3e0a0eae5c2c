/* Normalised temperature-scaled cross-entropy of two views of the samples of a batch (Chen et al., "A
 * simple framework for contrastive learning", 2020). The 2 n unit rows z of both views are points; the
 * partner p(i) of a point is the same sample in the other view, and its loss
 *     l_i = -<z_i, z_p(i)> / tau + log( sum over k != i of exp(<z_i, z_k> / tau) ).
 * A share of the batch has some of the samples, and all points as constants: dl_k / dz_i of the
 * points k of other shares is part of its gradients. Not collective. */
#ifndef CORE_OPS_NT_XENT_H
#define CORE_OPS_NT_XENT_H
#include "core/tape.h"

struct nt_xent {
    struct tensor *own[2]; /* [m, d] unit rows of the share's samples */
    const real *all[2];    /* those of the whole batch, rows `stride` apart */
    int64_t n, stride;     /* samples of the whole batch */
    int64_t first;         /* the share's are first .. first + m - 1 of them */
    real temperature;
    double weight;
};

/* The sum of l_i over the share's 2 m points. Where the tape records, the gradients of `weight`
 * times the sum over all 2 n points are added to `own`: the loss is the end of the tape. */
double nt_xent_loss(struct tape *tape, const struct nt_xent *loss);

#endif
