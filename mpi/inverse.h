/* The inverse of a dense positive definite matrix, which no rank has as a whole, by ScaLAPACK. */
#ifndef MPI_INVERSE_H
#define MPI_INVERSE_H
#include "mpi/comm.h"

/* Rows [lo, hi) of the matrix, [hi - lo, n]: to be filled in, or to be read. */
typedef void inverse_rows_fn(void *state, int64_t lo, int64_t hi, double *rows);

/* Collective. The inverse of the symmetric n x n matrix of which `give` fills in rows: it is called
 * for the rows that this rank has by grid_rows (partition/grid.h), some of them at a time, and
 * `take` with the same rows of the inverse. Every rank holds its share of one matrix in double
 * precision and 128 rows. STATUS_FAIL, said once, when the matrix is not positive definite or one
 * rank's share of it is too large for ScaLAPACK. The grid of ranks is as square as their number
 * allows: on other numbers of ranks the rounding is another. */
CHECKED enum status inverse_of(const struct comm *comm, int n, inverse_rows_fn *give,
                               inverse_rows_fn *take, void *state);

/* Not collective. Bytes of a rank's share. */
int64_t inverse_bytes(int n, int ranks);

#endif
