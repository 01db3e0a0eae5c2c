#include "mpi/tree.h"
#include "core/mem.h"
#include <string.h>

enum { BLOCK = 1 << 14, PIECE = TREE_PIECE / sizeof(real) };

void tree_open(struct tree *tree, const struct comm *comm, struct params *params) {
    *tree = (struct tree){.comm = comm, .params = params, .leaves = TREE_LEAVES / comm->size};
    for (int k = 0; 1 << k < tree->leaves; k++)
        tree->level[k] = mem_alloc(params->dense, sizeof(real));
    if (comm->size > 1)
        tree->piece = mem_alloc(PIECE, sizeof(real));
}

void tree_close(struct tree *tree) {
    for (int k = 0; k < TREE_LEVELS; k++)
        mem_free(tree->level[k]);
    mem_free(tree->piece);
    *tree = (struct tree){0};
}

int64_t tree_bytes(const struct tree *tree) {
    int64_t bytes = tree->piece ? TREE_PIECE : 0;
    for (int k = 0; k < TREE_LEVELS; k++)
        bytes += tree->level[k] ? tree->params->dense * (int64_t)sizeof(real) : 0;
    return bytes;
}

HOT static void add(int64_t n, const real *restrict x, real *restrict sum) {
    for (int64_t i = 0; i < n; i++)
        sum[i] += x[i];
}

/* Elements [lo, lo + n) of the gradients take up the sums of the levels below `full`; the result
 * waits on level `full`, unless it is the last of this rank. */
static void carry(struct tree *tree, int full, bool last, int64_t lo, int64_t n) {
    real *g = tree->params->g + lo;
    for (int k = 0; k < full; k++)
        add(n, tree->level[k] + lo, g);
    if (!last)
        memcpy(tree->level[full] + lo, g, (size_t)n * sizeof *g);
}

void tree_add(struct tree *tree) {
    int64_t total = tree->params->dense;
    int full = __builtin_ctz(~(unsigned)tree->done); /* trailing ones: sums of 1, 2, 4 leaves */
    bool last = ++tree->done == tree->leaves;
#pragma omp parallel for schedule(static)
    for (int64_t lo = 0; lo < total; lo += BLOCK)
        carry(tree, full, last, lo, total - lo < BLOCK ? total - lo : BLOCK);
}

static void join(struct tree *tree, int partner) {
    enum { TAG = 2 };
    int64_t total = tree->params->dense;
    for (int64_t at = 0; at < total; at += PIECE) {
        int n = (int)(total - at < PIECE ? total - at : PIECE);
        MPI_Sendrecv(tree->params->g + at, n, COMM_REAL, partner, TAG, tree->piece, n, COMM_REAL,
                     partner, TAG, tree->comm->mpi, MPI_STATUS_IGNORE);
        add(n, tree->piece, tree->params->g + at);
    }
}

void tree_finish(struct tree *tree) {
    for (int bit = 1; bit < tree->comm->size; bit *= 2)
        join(tree, tree->comm->rank ^ bit);
    tree->done = 0;
}
