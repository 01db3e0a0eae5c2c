#include "mpi/reduce_sparse.h"
#include "core/mem.h"
#include <string.h>

enum { BITS = 64 };

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

/* Mark the rows of all ranks, of which rank r has those from offsets[r] on. */
static void gather_rows(struct reduce_sparse *rows, const int32_t *row, int64_t n,
                        const int64_t *offsets) {
    const struct comm *comm = rows->comm;
    int64_t total = offsets[comm->size];
    int32_t *all = mem_alloc(total, sizeof *all);
    if (n > 0)
        memcpy(all + offsets[comm->rank], row, (size_t)n * sizeof *row);
    comm_gather_rows(comm, all, offsets, sizeof *all);
    mark(rows, all, total);
    mem_free(all);
}

static void join_bits(struct reduce_sparse *rows, const int32_t *row, int64_t n) {
    mark(rows, row, n);
    comm_or_u64(rows->comm, rows->bits, rows->table / BITS + 1);
}

/* The marked rows; clears the marks. */
static int64_t take_marks(struct reduce_sparse *rows) {
    int64_t words = rows->table / BITS + 1, n = 0;
    for (int64_t w = 0; w < words; w++)
        n += __builtin_popcountll(rows->bits[w]);
    mem_reserve(&rows->row, &rows->row_room, n, sizeof *rows->row);
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
    int64_t *offsets; /* [size + 1] in the list of all ranks' rows, one rank after another */
    int64_t total, most;
};

static struct census take_census(const struct comm *comm, int64_t n) {
    struct census c = {.offsets = mem_alloc(comm->size + 1, sizeof *c.offsets)};
    comm_offsets(comm, n, c.offsets);
    c.total = c.offsets[comm->size];
    for (int r = 0; r < comm->size; r++) {
        int64_t count = c.offsets[r + 1] - c.offsets[r];
        c.most = count > c.most ? count : c.most;
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
    if (rows->taken == SPARSE_UNION && gathers(rows, &c))
        gather_rows(rows, row, n, c.offsets);
    else if (rows->taken == SPARSE_UNION)
        join_bits(rows, row, n);
    mem_free(c.offsets);
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
    mem_reserve(&rows->sum, &rows->sum_room, size, sizeof *rows->sum);
    place(rows, row, n, g, all);
    comm_sum_real(rows->comm, rows->sum, size);
    *out = (struct row_grad){all, rows->taken == SPARSE_UNION ? rows->row : NULL, rows->sum};
}
