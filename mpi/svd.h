/* Truncated singular value decomposition of a matrix whose rows are spread over ranks, by the
 * eigenpairs of its Gram matrix: X^T X = V S^2 V^T.
 *
 * Exact but for rounding: a singular value is good to about eps * largest^2 / value, and values
 * below sqrt(n eps) * largest are taken as zero, with zero coordinates. The cost is that of an
 * eigenproblem of the columns, whatever the number of rows.
 *
 * Why not a randomised range finder: the spectrum of texts falls slowly. On the titles of 36
 * thousand products (4096 terms, 256 pairs, one core; this takes 13 s) subspace iteration with 64
 * vectors to spare took 8 s for 24 passes, and its last vectors were still 0.05 away from the
 * subspace; after 8 passes, 2.7 s, 0.9. */
#ifndef MPI_SVD_H
#define MPI_SVD_H
#include "core/sparse.h"
#include "mpi/comm.h"
#include <stdbool.h>

struct svd {
    int n, k, rank; /* columns of X; pairs asked for; those that are not zero */
    double *values; /* [k] the norms of the columns of X V, descending if V is that of X^T X */
    double *basis;  /* [n, k]: V, a row per column of X */
    double *scale;  /* [k]: what a row's coordinate X V is multiplied by */
    double energy;  /* sum of squares of all elements of X */
};

/* A symmetric matrix whose eigenvectors V are wanted in place of those of X^T X: the sum over the rows z
 * of all ranks, of which these are this rank's, of weight z^T z. A weight may be negative; pairs whose
 * eigenvalue is not positive are left out as zero ones are. */
struct svd_gram {
    struct sparse rows; /* of the columns of X */
    double *weight;     /* [rows] */
};

/* Collective. x holds this rank's rows; gram NULL: X^T X; 1 <= k <= columns, the same on all ranks.
 * Coordinates are, with S the norms of the columns of X V,
 *     X V S^(-1/2) = U S^(1/2)     or, with `whiten`,     X V S^(-1) = U
 * so that columns have norms that are the roots of S, or all the same. Result the same bits on all ranks.
 * STATUS_FAIL from linalg_eigen. */
CHECKED enum status svd_sparse(const struct comm *comm, const struct sparse *x,
                               const struct svd_gram *gram, int k, bool whiten, struct svd *out);
void svd_free(struct svd *svd); /* safe on a zeroed object; zeroes it */

/* Share of the energy that the k values hold. Not collective. */
double svd_share(const struct svd *svd);

/* Not collective. present[i] = 0 where row i of x is empty or (nearly) orthogonal to the basis,
 * else 1, for all rows; returns how many are present. This takes little of the time of the rows. */
int64_t svd_present(const struct svd *svd, const struct sparse *x, unsigned char *present);

/* Not collective. Rows of x V, as they are, into out [rows, k]; zero where a row is not present. */
void svd_project(const struct svd *svd, const struct sparse *x, double *out);

/* Collective. Scale by the norms of the columns of other rows, n of which are here: what has been made
 * of x V. Pairs that are zero stay so, and the values are what they are. */
void svd_rescale(const struct comm *comm, const double *rows, int64_t n, bool whiten,
                 struct svd *svd);

/* Not collective. A row of k columns scaled by S and to norm 1, zero if it is zero, into out [k]; returns
 * whether it is not. */
bool svd_scale(const struct svd *svd, const double *row, float *out);

/* Not collective. Coordinates of the rows [lo, hi) of x, each row scaled to norm 1, into
 * out [hi - lo, k]; zero where a row is not present. */
void svd_coordinates(const struct svd *svd, const struct sparse *x, int64_t lo, int64_t hi,
                     float *out);

#endif
