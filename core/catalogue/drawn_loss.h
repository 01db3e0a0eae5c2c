/* Losses of a target against K items drawn for its position. With z(i) = <q_t, e_i> the loss of
 * position t with target y and negatives j is
 *     DRAWN_BCE    -log sigma(z(y)) - sum over j of log(1 - sigma(z(j)))
 *     DRAWN_BPR    -sum over j of log sigma(z(y) - z(j))
 *     DRAWN_SOFTMAX    -log(exp(z(y)) / (exp(z(y)) + sum over j of exp(z(j))))
 * Binary cross-entropy as in SASRec (Kang, McAuley, 2018, eq. 9); Bayesian personalised ranking
 * (Rendle et al., UAI 2009, BPR-Opt), whose pair becomes a sum where K > 1 (decided here);
 * softmax, also called InfoNCE, in which a negative that is the target counts like any other. Not
 * collective. */
#ifndef CORE_CATALOGUE_DRAWN_LOSS_H
#define CORE_CATALOGUE_DRAWN_LOSS_H
#include "core/options.h"
#include "core/tape.h"

enum drawn_kind { DRAWN_BCE, DRAWN_BPR, DRAWN_SOFTMAX };

/* That of a train.loss that draws items for each position. */
enum drawn_kind drawn_kind_of(int loss);

struct drawn_loss {
    enum drawn_kind kind;
    struct tensor *q;        /* [*, d] states */
    struct tensor *items;    /* [*, d] item rows */
    int64_t positions, each; /* K = each */
    const int32_t *row;      /* [positions] of q, distinct */
    const int32_t *positive; /* [positions] rows of the targets in `items` */
    const int32_t *negative; /* [positions, each] and of the negatives */
    const double *share;     /* [positions] what each position counts; NULL: 1 */
    double weight;
};

/* The sum over the positions, each times its share. Where the tape records, the gradients of
 * `weight` times it are added to q and to items. The memory that it takes is given back. */
double drawn_loss(struct tape *tape, const struct drawn_loss *loss);

/* The same of scores that a model makes itself: z [positions (each + 1), 1], of every position the
 * target's first. */
double drawn_loss_of_scores(struct tape *tape, enum drawn_kind kind, struct tensor *z, int64_t each,
                            double weight);

#endif
