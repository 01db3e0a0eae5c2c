/* Binary cross-entropy of a target and of K items drawn for its position (SASRec: Kang, McAuley,
 * 2018, eq. 9). With z(i) = <q_t, e_i> the loss of position t with target y and negatives j is
 *     -log sigma(z(y)) - sum over j of log(1 - sigma(z(j))).
 * Not collective. */
#ifndef CORE_CATALOGUE_BCE_H
#define CORE_CATALOGUE_BCE_H
#include "core/tape.h"

struct bce_loss {
    struct tensor *q;        /* [*, d] states */
    struct tensor *items;    /* [*, d] item rows */
    int64_t positions, each; /* K = each */
    const int32_t *row;      /* [positions] of q, distinct */
    const int32_t *positive; /* [positions] rows of the targets in `items` */
    const int32_t *negative; /* [positions, each] and of the negatives */
    double weight;
};

/* The sum over the positions. Where the tape records, the gradients of `weight` times it are added
 * to q and to items. The memory that it takes is given back. */
double bce_loss(struct tape *tape, const struct bce_loss *loss);

#endif
