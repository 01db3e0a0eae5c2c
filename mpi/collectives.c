#include "mpi/collectives.h"
#include "core/mem.h"
#include <string.h>

enum { PIECE = 1 << 18 }; /* elements of one call: see mpi/reduce.h */

/* Counts and starts in units of rows. A rank's tile is small: they fit. */
struct layout {
    int *count, *start;
};

static struct layout layout_new(const struct comm *comm, const int64_t *counts) {
    struct layout l = {mem_alloc(comm->size, sizeof(int)), mem_alloc(comm->size, sizeof(int))};
    int64_t at = 0;
    for (int r = 0; r < comm->size; at += counts[r++]) {
        l.count[r] = (int)counts[r];
        l.start[r] = (int)at;
    }
    return l;
}

static void layout_free(struct layout *l) {
    mem_free(l->count);
    mem_free(l->start);
}

static void gather(void *context, void *all, const int64_t *counts, int64_t bytes) {
    const struct comm *comm = context;
    struct layout l = layout_new(comm, counts);
    MPI_Datatype row;
    MPI_Type_contiguous((int)bytes, MPI_BYTE, &row);
    MPI_Type_commit(&row);
    MPI_Allgatherv(MPI_IN_PLACE, 0, row, all, l.count, l.start, row, comm->mpi);
    MPI_Type_free(&row);
    layout_free(&l);
}

static void max(void *context, real *x, int64_t n) {
    const struct comm *comm = context;
    for (int64_t at = 0; at < n; at += PIECE)
        MPI_Allreduce(MPI_IN_PLACE, x + at, (int)(n - at < PIECE ? n - at : PIECE), COMM_REAL,
                      MPI_MAX, comm->mpi);
}

static void sum(void *context, double *x, int64_t n) {
    const struct comm *comm = context;
    for (int64_t at = 0; at < n; at += PIECE)
        comm_sum_f64(comm, x + at, (int)(n - at < PIECE ? n - at : PIECE));
}

static void sum_own(void *context, real *x, const int64_t *counts, int64_t width) {
    const struct comm *comm = context;
    int *count = mem_alloc(comm->size, sizeof *count);
    int64_t before = 0, own = counts[comm->rank] * width;
    for (int r = 0; r < comm->size; r++) {
        count[r] = (int)(counts[r] * width);
        before += r < comm->rank ? count[r] : 0;
    }
    real *mine = mem_alloc(own, sizeof *mine);
    MPI_Reduce_scatter(x, mine, count, COMM_REAL, MPI_SUM, comm->mpi);
    memcpy(x + before, mine, (size_t)own * sizeof *mine);
    mem_free(mine);
    mem_free(count);
}

struct collectives collectives_of(const struct comm *comm) {
    return (struct collectives){
        (void *)(uintptr_t)comm, comm->rank, comm->size, gather, max, sum, sum_own};
}
