/* core/peers.h over MPI. */
#ifndef MPI_PEERS_H
#define MPI_PEERS_H
#include "core/peers.h"
#include "mpi/comm.h"

/* Not collective. `comm` outlives the result. */
struct peers peers_of(const struct comm *comm);

#endif
