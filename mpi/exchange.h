/* Moves data from the ranks that have them to the ranks that work on them: bytes, and rows of
 * different lengths (user sequences). */
#ifndef MPI_EXCHANGE_H
#define MPI_EXCHANGE_H
#include "mpi/comm.h"

/* What all ranks know: row i, 0 <= i < first[size], was read by the rank r with first[r] <= i <
 * first[r + 1] and has length[i] values; the rows are wanted in the order order[0..count), and
 * order[p] by rank owner[p]. */
struct exchange_plan {
    const int64_t *first;  /* [size + 1] */
    const int32_t *length; /* [first[size]] */
    int64_t count;
    const int64_t *order; /* [count] */
    const int32_t *owner; /* [count] */
};

/* The rows this rank owns, in order; memory is the caller's to free with exchange_free. */
struct exchange_rows {
    int64_t count;
    int64_t *place;   /* [count] p of the row, ascending */
    int64_t *offsets; /* [count + 1] */
    int32_t *values;  /* [offsets[count]] */
};

/* Collective. `mine` holds the values of rows first[rank] .. first[rank + 1] - 1 one after another.
 * A rank may send and receive up to 2^31 - 1 values per call; STATUS_FAIL on all ranks beyond. */
CHECKED enum status exchange_rows(const struct comm *comm, const struct exchange_plan *plan,
                                  const int32_t *mine, struct exchange_rows *out);
void exchange_free(struct exchange_rows *rows); /* zeroes it */

/* Collective. Bytes from every rank to every rank: those of `data` from at[r] to at[r + 1] go to
 * rank r. Returns what has come, rank 0's first, in memory of the caller; *total are its bytes. Any
 * size. */
void *exchange_bytes(const struct comm *comm, const void *data, const int64_t *at, int64_t *total);

#endif
