/* Items that occur together in training sequences, for tables of texts that know of it (`cdsr features
 * --graph MU`, --smooth).
 *
 * X [items, terms] is the TF-IDF of the items and B [sequences, items] says which items a training
 * sequence has, the two domains of a user apart. Items i and j that occur together in W_ij sequences are
 * joined in a graph of normalised weights A and Laplacian L:
 *     W = B^T B without its diagonal,   D = row sums of W,   A = D^(-1/2) W D^(-1/2),   L = I - A
 * The components are the leading eigenvectors of the covariance of the texts less mu times the Laplacian's,
 *     X^T (I - mu L) X = (1 - mu) X^T X + mu X^T A X
 * with mu = 0 those of latent semantic analysis. The graph is not made: with n_i sequences that have item i
 * beside others, and z_s = the sum of D_i^(-1/2) x_i over the items of a sequence s,
 *     X^T A X = sum_s z_s^T z_s - sum_i (n_i / D_i) x_i^T x_i
 * so that a sum over items and training sequences is all there is. Decided here; of what is held out
 * nothing takes part. */
#ifndef JOBS_FEATURES_ITEM_BASKETS_H
#define JOBS_FEATURES_ITEM_BASKETS_H
#include "io/dataset.h"
#include "mpi/svd.h"
#include <stdbool.h>

/* Items of one domain that occur together: the baskets are of the training sequences of this rank, the
 * counts of those of all ranks. */
struct item_baskets {
    int64_t count, all; /* baskets, and items */
    int64_t *offsets;   /* [count + 1] */
    int32_t *items;     /* of a basket, ascending */
    int64_t *times;     /* [all] n: baskets that have it */
    int64_t *beside;    /* [all] D: items beside it, in all baskets */
};

/* Collective. */
CHECKED enum status item_baskets_open(const struct comm *comm, const struct dataset *dataset,
                                      struct item_baskets *out);
bool item_baskets_empty(const struct item_baskets *baskets); /* no item is beside another */
void item_baskets_close(struct item_baskets *baskets);       /* safe on a zeroed object; zeroes it */

/* Collective. The rows whose weighted Gram matrix is that of the components. `x` has the rows of this
 * rank's block of the items (range_of), 0 < mu <= 1. Every rank holds all rows of X on the way, 8 bytes
 * per term of an item, and those of its sequences. */
void item_baskets_gram(const struct comm *comm, const struct item_baskets *baskets,
                       const struct sparse *x, double mu, struct svd_gram *out);
void item_baskets_free_gram(struct svd_gram *gram); /* safe on a zeroed object; zeroes it */

/* Collective. Rows p [this rank's items, k] become (p + A p) / 2, so that an item without text has what
 * those beside it have. Every rank holds 16 columns of all items on the way, in double precision. */
void item_baskets_smooth(const struct comm *comm, const struct item_baskets *baskets, int k,
                         double *p);

#endif
