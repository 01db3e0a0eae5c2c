#include "mpi/collectives.h"
#include "core/mem.h"
#include <string.h>

static void gather(void *context, void *all, const int64_t *counts, int64_t bytes) {
    const struct comm *comm = context;
    int64_t *offsets = mem_zero(comm->size + 1, sizeof *offsets);
    for (int r = 0; r < comm->size; r++)
        offsets[r + 1] = offsets[r] + counts[r];
    comm_gather_rows(comm, all, offsets, bytes);
    mem_free(offsets);
}

static void max(void *context, real *x, int64_t n) {
    comm_max_real(context, x, n);
}

static void sum(void *context, double *x, int64_t n) {
    comm_sum_f64(context, x, n);
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
