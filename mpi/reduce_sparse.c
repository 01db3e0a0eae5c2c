#include "mpi/reduce_sparse.h"
#include "core/mem.h"
#include "mpi/reduce.h"
#include <string.h>

enum { PIECE = REDUCE_PIECE / sizeof(real), BITS = 64, WORDS = 1 << 17 };

void reduce_sparse_open(struct reduce_sparse *rows, const struct comm *comm, int64_t table,
                        int64_t cols) {
    *rows = (struct reduce_sparse){.comm = comm, .table = table, .cols = cols};
    rows->bits = mem_zero(table / BITS + 1, sizeof *rows->bits);
}

void reduce_sparse_close(struct reduce_sparse *rows) {
    mem_free(rows->bits);
    mem_free(rows->row);
    mem_free(rows->sum);
    *rows = (struct reduce_sparse){0};
}

static void mark(struct reduce_sparse *rows, const int32_t *row, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        rows->bits[row[i] / BITS] |= UINT64_C(1) << row[i] % BITS;
}

/* The row numbers of all ranks, counts[r] of rank r. */
static void gather_rows(struct reduce_sparse *rows, const int32_t *row, const int64_t *counts,
                        int64_t total) {
    const struct comm *comm = rows->comm;
    int *count = mem_alloc(comm->size, sizeof *count),
        *start = mem_alloc(comm->size, sizeof *start);
    int32_t *all = mem_alloc(total, sizeof *all);
    for (int64_t r = 0, at = 0; r < comm->size; at += counts[r++]) {
        count[r] = (int)counts[r];
        start[r] = (int)at;
    }
    MPI_Allgatherv(row, count[comm->rank], MPI_INT32_T, all, count, start, MPI_INT32_T, comm->mpi);
    mark(rows, all, total);
    mem_free(all);
    mem_free(start);
    mem_free(count);
}

static void join_bits(struct reduce_sparse *rows, const int32_t *row, int64_t n) {
    int64_t words = rows->table / BITS + 1;
    mark(rows, row, n);
    for (int64_t at = 0; at < words; at += WORDS)
        MPI_Allreduce(MPI_IN_PLACE, rows->bits + at, (int)(words - at < WORDS ? words - at : WORDS),
                      MPI_UINT64_T, MPI_BOR, rows->comm->mpi);
}

/* The marked rows; clears the marks. */
static int64_t take_marks(struct reduce_sparse *rows) {
    int64_t words = rows->table / BITS + 1, n = 0;
    for (int64_t w = 0; w < words; w++)
        n += __builtin_popcountll(rows->bits[w]);
    if (n > rows->row_room) {
        rows->row_room = n + n / 4;
        rows->row = mem_resize(rows->row, rows->row_room, sizeof *rows->row);
    }
    n = 0;
    for (int64_t w = 0; w < words; w++) {
        for (uint64_t bits = rows->bits[w]; bits; bits &= bits - 1)
            rows->row[n++] = (int32_t)(w * BITS + __builtin_ctzll(bits));
        rows->bits[w] = 0;
    }
    return n;
}

/* What the ranks know of each other's rows. */
struct census {
    int64_t *counts, total, most;
};

static struct census take_census(const struct comm *comm, int64_t n) {
    struct census c = {.counts = mem_alloc(comm->size, sizeof *c.counts)};
    MPI_Allgather(&n, 1, MPI_INT64_T, c.counts, 1, MPI_INT64_T, comm->mpi);
    for (int r = 0; r < comm->size; r++) {
        c.total += c.counts[r];
        c.most = c.counts[r] > c.most ? c.counts[r] : c.most;
    }
    return c;
}

static bool gathers(const struct reduce_sparse *rows, const struct census *c) {
    return 4 * c->total < rows->table / 4;
}

static enum sparse_way choose(const struct reduce_sparse *rows, const struct census *c) {
    int64_t width = rows->cols * (int64_t)sizeof(real);
    int64_t ids = gathers(rows, c) ? 4 * c->total : rows->table / 4;
    if (rows->way != SPARSE_AUTO)
        return rows->way;
    return rows->table * width <= c->most * width + ids + SPARSE_START ? SPARSE_WHOLE
                                                                       : SPARSE_UNION;
}

/* The rows that are summed: all, or the union, which is a list. */
static int64_t agree(struct reduce_sparse *rows, const int32_t *row, int64_t n) {
    struct census c = take_census(rows->comm, n);
    rows->taken = choose(rows, &c);
    int64_t total = c.total;
    bool gather = gathers(rows, &c);
    if (rows->taken == SPARSE_UNION && gather)
        gather_rows(rows, row, c.counts, total);
    else if (rows->taken == SPARSE_UNION)
        join_bits(rows, row, n);
    mem_free(c.counts);
    return rows->taken == SPARSE_UNION ? take_marks(rows) : rows->table;
}

/* This rank's rows at their places, zero elsewhere. */
static void place(struct reduce_sparse *rows, const int32_t *row, int64_t n, const real *g,
                  int64_t all) {
    int64_t d = rows->cols, k = 0;
    for (int64_t i = 0; i < all; i++) {
        int64_t at = rows->taken == SPARSE_UNION ? rows->row[i] : i;
        bool mine = g && k < n && row[k] == at;
        if (mine)
            memcpy(rows->sum + i * d, g + k++ * d, (size_t)d * sizeof *g);
        else
            memset(rows->sum + i * d, 0, (size_t)d * sizeof *g);
    }
}

void reduce_sparse_sum(struct reduce_sparse *rows, const int32_t *row, int64_t n, const real *g,
                       struct row_grad *out) {
    if (rows->comm->size == 1 && g) {
        *out = (struct row_grad){n, row, g};
        return;
    }
    int64_t all = agree(rows, row, n), size = all * rows->cols;
    if (size > rows->sum_room) {
        mem_free(rows->sum);
        rows->sum_room = size + size / 4;
        rows->sum = mem_alloc(rows->sum_room, sizeof *rows->sum);
    }
    place(rows, row, n, g, all);
    for (int64_t at = 0; at < size; at += PIECE)
        MPI_Allreduce(MPI_IN_PLACE, rows->sum + at, (int)(size - at < PIECE ? size - at : PIECE),
                      COMM_REAL, MPI_SUM, rows->comm->mpi);
    *out = (struct row_grad){all, rows->taken == SPARSE_UNION ? rows->row : NULL, rows->sum};
}
