/* The communicator of a job with its rank and size, and agreement on errors. */
#ifndef MPI_COMM_H
#define MPI_COMM_H
#include "core/real.h"
#include "core/status.h"
#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

struct comm {
    MPI_Comm mpi; /* a duplicate owned by this object */
    int rank, size;
};

#ifdef CDSR_DOUBLE
#define COMM_REAL MPI_DOUBLE
#else
#define COMM_REAL MPI_FLOAT
#endif

/* Collective. MPI errors end the job (MPI_ERRORS_ARE_FATAL). */
void comm_open(struct comm *comm, MPI_Comm parent);
void comm_close(struct comm *comm); /* Collective. */

/* Collective. The gravest status of all ranks, on all ranks: the ranks that failed have printed
 * their reason and nobody returns alone. */
CHECKED enum status comm_agree(const struct comm *comm, enum status status);

/* Collective. `bytes` bytes from rank 0 to all; any size. */
void comm_bcast(const struct comm *comm, void *data, int64_t bytes);

/* Collective. The same, below 2^31 bytes, for what rank 0 may know in hours only: the other ranks
 * sleep until then, where MPI_Bcast would use their processors up. */
void comm_bcast_late(const struct comm *comm, void *data, int64_t bytes);

/* Collective. The `bytes` bytes of every rank, one rank after another, on rank 0, in memory of the
 * caller; NULL elsewhere. *total is their sum on all ranks. Any size. */
void *comm_collect(const struct comm *comm, const void *mine, int64_t bytes, int64_t *total);

/* Collective, in place. */
void comm_sum_i64(const struct comm *comm, int64_t *x, int n);
void comm_sum_u64(const struct comm *comm, uint64_t *x, int n); /* modulo 2^64 */
void comm_sum_f64(const struct comm *comm, double *x, int n);
void comm_min_f64(const struct comm *comm, double *x, int n);

/* Collective. True on all ranks when all ranks gave the same value. */
bool comm_same(const struct comm *comm, uint64_t value);

/* Collective. The first rank whose value is not rank 0's, -1: none. Bytes are compared: where the
 * byte order is another, so is every value that is not the same both ways. */
int comm_odd_one(const struct comm *comm, uint64_t value);

/* Not collective. The name of this rank's node, in a static buffer. */
const char *comm_host(void);

/* Collective. Threads that a rank may use without taking a core from another: the processors it may
 * run on, divided among the ranks of its node that share them; at least 1. */
int comm_fair_threads(const struct comm *comm);

#endif
