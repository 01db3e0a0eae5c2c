#include "mpi/reduce_ordered.h"
#include "core/mem.h"
#include <string.h>

enum { BLOCK = 1 << 14, PIECE = COMM_PIECE / sizeof(real) };

void reduce_ordered_open(struct reduce_ordered *ordered, const struct comm *comm,
                         struct params *params) {
    *ordered = (struct reduce_ordered){
        .comm = comm, .params = params, .leaves = REDUCE_SHARES / comm->size};
    for (int k = 0; 1 << k < ordered->leaves; k++)
        ordered->level[k] = mem_alloc(params->dense, sizeof(real));
    if (comm->size > 1)
        ordered->piece = mem_alloc(PIECE, sizeof(real));
}

void reduce_ordered_close(struct reduce_ordered *ordered) {
    for (int k = 0; k < REDUCE_LEVELS; k++)
        mem_free(ordered->level[k]);
    mem_free(ordered->piece);
    *ordered = (struct reduce_ordered){0};
}

int64_t reduce_ordered_bytes(const struct reduce_ordered *ordered) {
    int64_t bytes = ordered->piece ? COMM_PIECE : 0;
    for (int k = 0; k < REDUCE_LEVELS; k++)
        bytes += ordered->level[k] ? ordered->params->dense * (int64_t)sizeof(real) : 0;
    return bytes;
}

HOT static void add(int64_t n, const real *restrict x, real *restrict sum) {
    for (int64_t i = 0; i < n; i++)
        sum[i] += x[i];
}

/* Elements [lo, lo + n) of the gradients take up the sums of the levels below `full`; the result
 * waits on level `full`, unless it is the last of this rank. */
static void carry(struct reduce_ordered *ordered, int full, bool last, int64_t lo, int64_t n) {
    real *g = ordered->params->g + lo;
    for (int k = 0; k < full; k++)
        add(n, ordered->level[k] + lo, g);
    if (!last)
        memcpy(ordered->level[full] + lo, g, (size_t)n * sizeof *g);
}

void reduce_ordered_add(struct reduce_ordered *ordered) {
    int64_t total = ordered->params->dense;
    int full = __builtin_ctz(~(unsigned)ordered->done); /* trailing ones: sums of 1, 2, 4 leaves */
    bool last = ++ordered->done == ordered->leaves;
#pragma omp parallel for schedule(static)
    for (int64_t lo = 0; lo < total; lo += BLOCK)
        carry(ordered, full, last, lo, total - lo < BLOCK ? total - lo : BLOCK);
}

static void join(struct reduce_ordered *ordered, int partner) {
    enum { TAG = 2 };
    int64_t total = ordered->params->dense;
    for (int64_t at = 0; at < total; at += PIECE) {
        int n = (int)(total - at < PIECE ? total - at : PIECE);
        MPI_Sendrecv(ordered->params->g + at, n, COMM_REAL, partner, TAG, ordered->piece, n,
                     COMM_REAL, partner, TAG, ordered->comm->mpi, MPI_STATUS_IGNORE);
        add(n, ordered->piece, ordered->params->g + at);
    }
}

void reduce_ordered_finish(struct reduce_ordered *ordered) {
    for (int bit = 1; bit < ordered->comm->size; bit *= 2)
        join(ordered, ordered->comm->rank ^ bit);
    ordered->done = 0;
}
