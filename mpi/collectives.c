#include "mpi/collectives.h"
#include "core/mem.h"
#include "core/vec.h"
#include <stdbool.h>
#include <string.h>

enum { PIECE = COMM_PIECE / 2 / sizeof(real) }; /* numbers of a message at most */

static int64_t piece_of(int64_t left) {
    return left < 0 ? 0 : left < PIECE ? left : PIECE;
}

HOT static void add(const real *x, int64_t n, real *y) {
    vec_axpy(1, x, y, n);
}

/* Where the rank's part of all begins, and its end: counts[r] rows of `width`. */
static int64_t *make_offsets(const struct comm *comm, const int64_t *counts, int64_t width) {
    int64_t *offsets = mem_zero(comm->size + 1, sizeof *offsets);
    for (int r = 0; r < comm->size; r++)
        offsets[r + 1] = offsets[r] + counts[r] * width;
    return offsets;
}

static void gather(void *context, void *all, const int64_t *counts, int64_t bytes) {
    const struct comm *comm = context;
    int64_t *offsets = make_offsets(comm, counts, 1);
    comm_gather_rows(comm, all, offsets, bytes);
    mem_free(offsets);
}

static void max(void *context, real *x, int64_t n) {
    comm_max_real(context, x, n);
}

static void sum(void *context, double *x, int64_t n) {
    comm_sum_f64(context, x, n);
}

/* A ring: in round k a rank sends the next one what is summed for the k-th rank before itself, and
 * adds what it gets to what it has for the one before that, piece by piece, so that each is added
 * while it is in the cache. The last of size - 1 rounds adds to its own. */
static void add_round(const struct comm *comm, int k, real *x, const int64_t *offsets,
                      real *piece) {
    enum { TAG = 2 };
    int size = comm->size, next = (comm->rank + 1) % size, before = (comm->rank + size - 1) % size;
    int out = (comm->rank + size - k) % size, in = (before + size - k) % size;
    int64_t sent = offsets[out + 1] - offsets[out], got = offsets[in + 1] - offsets[in];
    for (int64_t at = 0; at < sent || at < got; at += PIECE) {
        int64_t outgoing = piece_of(sent - at), incoming = piece_of(got - at);
        MPI_Sendrecv(x + offsets[out] + at, (int)outgoing, COMM_REAL,
                     outgoing ? next : MPI_PROC_NULL, TAG, piece, (int)incoming, COMM_REAL,
                     incoming ? before : MPI_PROC_NULL, TAG, comm->mpi, MPI_STATUS_IGNORE);
        add(piece, incoming, x + offsets[in] + at);
    }
}

static void sum_by_ring(const struct comm *comm, real *x, const int64_t *offsets) {
    real *piece = mem_alloc(PIECE, sizeof *piece);
    for (int k = 1; k < comm->size; k++)
        add_round(comm, k, x, offsets, piece);
    mem_free(piece);
}

static void sum_by_library(const struct comm *comm, real *x, const int64_t *offsets) {
    int64_t first = offsets[comm->rank], own = offsets[comm->rank + 1] - first;
    int *count = mem_alloc(comm->size, sizeof *count);
    real *mine = mem_alloc(own, sizeof *mine);
    for (int r = 0; r < comm->size; r++)
        count[r] = (int)(offsets[r + 1] - offsets[r]);
    MPI_Reduce_scatter(x, mine, count, COMM_REAL, MPI_SUM, comm->mpi);
    memcpy(x + first, mine, (size_t)own * sizeof *mine);
    mem_free(mine);
    mem_free(count);
}

/* The library sends little in few messages, but takes copies of all that is much. */
static void sum_own(void *context, real *x, const int64_t *counts, int64_t width) {
    enum { MUCH = 1 << 15 }; /* numbers of a rank, on average */
    const struct comm *comm = context;
    int64_t *offsets = make_offsets(comm, counts, width);
    bool much = offsets[comm->size] >= (int64_t)MUCH * comm->size;
    (much ? sum_by_ring : sum_by_library)(comm, x, offsets);
    mem_free(offsets);
}

struct collectives collectives_of(const struct comm *comm) {
    return (struct collectives){
        (void *)(uintptr_t)comm, comm->rank, comm->size, gather, max, sum, sum_own};
}
