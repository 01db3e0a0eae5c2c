/* The rows whose weighted Gram matrix has the components that also know which items occur together
 * (`cdsr features --graph MU`).
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
#ifndef JOBS_FEATURES_GRAPH_ROWS_H
#define JOBS_FEATURES_GRAPH_ROWS_H
#include "io/dataset.h"
#include "mpi/svd.h"

/* Collective. `x` has the rows of this rank's block of the items (range_of), 0 < mu <= 1. Every rank
 * holds all rows of X on the way, 8 bytes per term of an item, and those of its sequences. */
CHECKED enum status graph_rows_make(const struct comm *comm, const struct dataset *dataset,
                                    const struct sparse *x, double mu, struct svd_gram *out);
void graph_rows_free(struct svd_gram *gram); /* safe on a zeroed object; zeroes it */

#endif
