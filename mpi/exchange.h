/* Moves data from the ranks that have them to the ranks that work on them. */
#ifndef MPI_EXCHANGE_H
#define MPI_EXCHANGE_H
#include "mpi/comm.h"

/* Collective. Bytes from every rank to every rank, any number: those of `data` from at[r] to
 * at[r + 1] go to rank r. Returns what has come, in memory of the caller; that of rank r is from
 * from[r] to from[r + 1]. */
void *exchange_bytes(const struct comm *comm, const void *data, const int64_t *at, int64_t *from);

#endif
