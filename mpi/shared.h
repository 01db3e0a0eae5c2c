/* Memory that the ranks of a node have together: what all of them read, such as the weights of an
 * encoder, is there once. */
#ifndef MPI_SHARED_H
#define MPI_SHARED_H
#include "mpi/comm.h"

struct shared {
    struct comm node; /* the ranks of this node */
    MPI_Win window;   /* MPI_WIN_NULL: this rank has memory of its own */
    void *data;
    bool writer; /* this rank is the one to fill it */
};

/* Collective. `bytes` bytes, the same on all ranks, uninitialised. Where the system does not give the
 * node shared memory, as where /dev/shm is small, and where the node has one rank, every rank has
 * memory of its own and is to fill it. */
void shared_open(struct shared *shared, const struct comm *comm, int64_t bytes);

/* Collective, between the filling and the first reading. */
void shared_ready(struct shared *shared);

void shared_close(struct shared *shared); /* Collective. Safe on a zeroed object; zeroes it. */

#endif
