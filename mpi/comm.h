/* The communicator of a job with its rank and size; what all ranks do with numbers that are few or
 * plain (sums, copies, lists of one part per rank); and how they fail together.
 *
 * No rank returns alone between two collective calls: a rank that has failed goes on to the next
 * comm_agree, from which all ranks return the same status. mpi/README.md shows the idioms. */
#ifndef MPI_COMM_H
#define MPI_COMM_H
#include "core/log.h"
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

/* Bytes of one call of a reduction. One call for a large buffer is several times slower on shared
 * memory, and counts stay far below 2^31. */
enum { COMM_PIECE = 1 << 20 };

/* Before MPI_Init. For sums that go on in the background, in place, Open MPI 4.1 takes a tree, whose
 * root sends log2 R times the data, unless told otherwise: then it halves and doubles them
 * (Rabenseifner, 2004), and no rank sends more than 2 (R - 1) / R of them where R is a power of two,
 * most of it to its neighbours. A choice in the environment stays. */
void comm_prepare(void);

/* Collective. MPI errors end the job (MPI_ERRORS_ARE_FATAL). */
void comm_open(struct comm *comm, MPI_Comm parent);
void comm_open_node(struct comm *node, const struct comm *comm); /* the ranks of this rank's node */
void comm_close(struct comm *comm);                              /* Collective. */

/* Collective, in place of MPI_Finalize: closes the communicator of all ranks, and MPI. A launcher that does
 * not answer a rank's goodbye for two seconds (its node's disk or processors are overloaded) would take the
 * rank's end for a failure, and report so a job that is done. Therefore a rank that was kept waiting stays
 * for ten seconds more, in which the launcher can catch up. */
void comm_end(struct comm *all);

/* ---- errors ---- */

/* Collective. The gravest status of all ranks, on all ranks: the ranks that failed have printed
 * their reason and nobody returns alone. */
CHECKED enum status comm_agree(const struct comm *comm, enum status status);

/* Collective. Rank 0 alone evaluates `call`, which may fail; all ranks get its status:
 *     TRY(COMM_ON_ROOT(comm, check_request(request)));
 * `call` itself must not be collective. */
#define COMM_ON_ROOT(comm, call) comm_agree(comm, (comm)->rank == 0 ? (call) : STATUS_OK)

/* Not collective, and called by all ranks: an error that all have found alike, in data that all
 * have alike. Rank 0 prints it and every rank returns `status`. */
enum status comm_error(const struct comm *comm, enum status status, const char *format, ...)
    LOG_FORMAT(3, 4);

/* The same for an error that rank `finder` has found and that all ranks know it to have: that rank
 * prints. */
enum status comm_error_of(const struct comm *comm, int finder, enum status status,
                          const char *format, ...) LOG_FORMAT(4, 5);

/* Collective. The first rank whose `mine` is true, -1: none. */
int comm_first(const struct comm *comm, bool mine);

/* Collective. True on all ranks when all ranks gave the same value. */
bool comm_same(const struct comm *comm, uint64_t value);

/* Collective. The first rank whose value is not rank 0's, -1: none. Bytes are compared: where the
 * byte order is another, so is every value that is not the same both ways. */
int comm_odd_one(const struct comm *comm, uint64_t value);

/* ---- numbers of all ranks; collective, in place, element by element, any n ---- */

void comm_sum_i32(const struct comm *comm, int32_t *x, int64_t n);
void comm_sum_i64(const struct comm *comm, int64_t *x, int64_t n);
void comm_sum_u64(const struct comm *comm, uint64_t *x, int64_t n); /* modulo 2^64 */
void comm_sum_f64(const struct comm *comm, double *x, int64_t n);
void comm_sum_real(const struct comm *comm, real *x, int64_t n);
void comm_min_f64(const struct comm *comm, double *x, int64_t n);
void comm_max_i64(const struct comm *comm, int64_t *x, int64_t n);
void comm_max_f64(const struct comm *comm, double *x, int64_t n);
void comm_max_real(const struct comm *comm, real *x, int64_t n);
void comm_or_u64(const struct comm *comm, uint64_t *x, int64_t n); /* bit by bit */

/* Collective. sum [n], needed on rank `root` only, = the sum over ranks of x [n]. Any n. */
void comm_reduce_f64(const struct comm *comm, int root, const double *x, double *sum, int64_t n);

/* ---- copies ---- */

/* Collective. `bytes` bytes from rank 0, or from rank `root`, to all; any size. */
void comm_bcast(const struct comm *comm, void *data, int64_t bytes);
void comm_bcast_from(const struct comm *comm, int root, void *data, int64_t bytes);

/* Collective. From rank 0 to all, below 2^31 bytes, for what rank 0 may know in hours only: the
 * other ranks sleep until then, where MPI_Bcast would use their processors up. */
void comm_bcast_late(const struct comm *comm, void *data, int64_t bytes);

/* Collective. Where the parts of the ranks begin when they stand one after another: every rank
 * gives the length of its own, and offsets [size + 1] ends with their sum. */
void comm_offsets(const struct comm *comm, int64_t length, int64_t *offsets);

/* Collective. `all` holds the rows offsets[r] .. offsets[r + 1] - 1, of `bytes` bytes, of every
 * rank r: a rank fills in its own and finds all. Below 2^31 rows, rows of below 2^31 bytes. */
void comm_gather_rows(const struct comm *comm, void *all, const int64_t *offsets, int64_t bytes);

/* Collective. The `bytes` bytes of every rank, one rank after another, on rank 0, in memory of the
 * caller; NULL elsewhere. *total is their sum on all ranks. Any size. */
void *comm_collect(const struct comm *comm, const void *mine, int64_t bytes, int64_t *total);

/* ---- ranks, nodes and processors ---- */

/* Collective. Returns when all ranks have called it: for measurements only. */
void comm_wait(const struct comm *comm);

/* Not collective. The name of this rank's node, in a static buffer. */
const char *comm_host(void);

/* Collective over the ranks of a node (comm_open_node). Processors that this rank may run on, and
 * that any of them may. */
void comm_processors(const struct comm *node, int *mine, int *all);

/* Collective. Threads that a rank may use without taking a core from another: the processors it may
 * run on, divided among the ranks of its node that share them; at least 1. */
int comm_fair_threads(const struct comm *comm);

/* ---- the library ---- */

/* Not collective. What the MPI library says of itself, in a static buffer. */
const char *comm_library(void);

#endif
