/* core/collectives.h over MPI. */
#ifndef MPI_COLLECTIVES_H
#define MPI_COLLECTIVES_H
#include "core/collectives.h"
#include "mpi/comm.h"

/* Not collective. `comm` outlives the result. */
struct collectives collectives_of(const struct comm *comm);

#endif
