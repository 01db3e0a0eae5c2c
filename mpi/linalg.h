/* Dense symmetric matrices spread over all ranks, and their largest eigenpairs by ScaLAPACK.
 *
 * An n x n matrix is held by rows: partition/grid.h says which rows a rank holds (grid_rows), each
 * row whole, in double precision. No rank needs more than n * ceil(n / size) elements of it. */
#ifndef MPI_LINALG_H
#define MPI_LINALG_H
#include "mpi/comm.h"

/* Adds what this rank contributes to rows [lo, hi) of the matrix to block [hi - lo, n]. */
typedef void linalg_add_fn(void *state, int64_t lo, int64_t hi, double *block);

/* Collective. rows [own rows, n] = the sum over ranks of what `add` gives, which is called once per
 * rank's rows with a zeroed block of that size: a contribution is never held as a whole. */
void linalg_assemble(const struct comm *comm, int n, linalg_add_fn *add, void *state, double *rows);

/* Collective. The k largest eigenvalues, in descending order, and their eigenvectors of the
 * symmetric matrix of `rows`, 1 <= k <= n: values [k] and vectors [k, n], one unit vector per row,
 * the same bits on all ranks. `rows` is not changed. A vector's sign is such that the first
 * component of at least 0.6 times its largest magnitude is positive: rounding does not decide it
 * where two components are equal but for the sign. STATUS_FAIL, said once, when the matrix has an
 * element that is not finite or ScaLAPACK gives up. */
CHECKED enum status linalg_eigen(const struct comm *comm, int n, int k, const double *rows,
                                 double *values, double *vectors);

#endif
