/* Principal components of rows that are spread over ranks and too many to hold.
 *
 * The mean and then the covariance are summed over blocks of rows that a callback gives, in double
 * precision; each rank holds the covariance of its own rows, width^2 numbers, until they are
 * summed by row blocks for the eigenproblem. */
#ifndef MPI_PCA_H
#define MPI_PCA_H
#include "mpi/comm.h"

/* Not collective. Gives this rank's next rows [*n, width], without missing
 * ones, valid until the next call, *n = 0 after the last and then the first again. On failure the
 * rank gives no more rows in this pass. */
typedef enum status pca_next_fn(void *state, const float **rows, int64_t *n);

struct pca {
    int width, dim, rank; /* rank: columns with a variance above rounding; the others give 0 */
    int64_t rows;         /* of all ranks */
    double *mean;         /* [width] */
    double *variance;     /* [dim] descending, of the components */
    float *basis;         /* [width, dim], columns scaled to variance 1 of the result if whitened */
    double *offset;       /* [dim]: mean times basis */
    double total;         /* variance of all columns */
};

/* Collective. 1 <= dim <= width. Same bits on all ranks. STATUS_INPUT, said on rank 0, when all
 * rows are equal; else the gravest status of `next`, or of the eigenproblem. */
CHECKED enum status pca_fit(const struct comm *comm, int width, int dim, bool whiten,
                            pca_next_fn *next, void *state, struct pca *out);
void pca_free(struct pca *pca); /* safe on a zeroed object; zeroes it */

/* Share of the variance that the components hold. Not collective. */
double pca_share(const struct pca *pca);

/* Not collective. Rows [n, width] to components out [n, dim]. */
void pca_apply(const struct pca *pca, const float *rows, int64_t n, float *out);

#endif
