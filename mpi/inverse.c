/* Outline: the matrix is spread over a square grid of ranks a panel of rows at a time, factored and
 * inverted there in its lower triangle; a panel of the inverse is then put together from columns below
 * the diagonal and, turned, rows left of it. So there is one copy of the matrix and a panel. */
#include "mpi/inverse.h"
#include "core/mem.h"
#include "mpi/blacs.h"
#include <stdlib.h>
#include <string.h>

/* ScaLAPACK comes without headers. */
void pdpotrf_(const char *uplo, const int *n, double *a, const int *ia, const int *ja,
              const int *desca, int *info);
void pdpotri_(const char *uplo, const int *n, double *a, const int *ia, const int *ja,
              const int *desca, int *info);

enum { TILE = 64, PANEL = 128 };
static const int ONE = 1;

struct inverse {
    const struct comm *comm;
    int n, system;
    struct blacs line, square; /* one row of all ranks, which panels are on; the computing ones */
    int desc[BLACS_DESC];
    double *a;            /* this rank's part on `square` */
    double *panel, *left; /* [PANEL, n] */
};

/* Elements of a rank's part. */
static int64_t part_size(int n, const struct blacs *b) {
    return (int64_t)blacs_local(n, TILE, b->row, b->rows) *
           blacs_local(n, TILE, b->column, b->columns);
}

int64_t inverse_bytes(int n, int ranks) {
    struct grid shape = grid_shape(ranks, grid_block(n, TILE));
    const struct blacs first = {.rows = shape.rows, .columns = shape.columns};
    return (part_size(n, &first) + 2 * (int64_t)PANEL * n) * (int64_t)sizeof(double);
}

static void inverse_open(struct inverse *v) {
    struct grid shape = grid_shape(v->comm->size, grid_block(v->n, TILE));
    v->system = blacs_system(v->comm);
    v->line = blacs_open(v->system, (struct grid){1, v->comm->size});
    v->square = blacs_open(v->system, shape);
    blacs_describe(v->desc, &v->square, v->n, v->n, TILE, TILE, 0);
    v->panel = mem_alloc((int64_t)PANEL * v->n, sizeof *v->panel);
    v->left = mem_alloc((int64_t)PANEL * v->n, sizeof *v->left);
    if (v->square.context >= 0)
        v->a = mem_alloc(part_size(v->n, &v->square) + 1, sizeof *v->a);
}

static void inverse_close(struct inverse *v) {
    mem_free(v->a);
    mem_free(v->panel);
    mem_free(v->left);
    blacs_close(&v->square);
    blacs_close(&v->line);
    blacs_system_free(v->system);
}

/* Rows [lo, hi) of the matrix, which are columns as well, from their rank to the grid. */
static void spread_panel(const struct inverse *v, int rank, int lo, int hi) {
    int from[BLACS_DESC], n = v->n;
    blacs_describe(from, &v->line, n, hi - lo, n, hi - lo, rank);
    Cpdgemr2d(n, hi - lo, v->panel, 1, 1, from, v->a, 1, lo + 1, v->desc, v->line.context);
}

/* The same rows of the inverse from the grid to their rank. */
static void collect_panel(const struct inverse *v, int rank, int lo, int hi) {
    int below[BLACS_DESC], left[BLACS_DESC], n = v->n, c = hi - lo;
    blacs_describe(below, &v->line, n, c, n, c, rank);
    blacs_describe(left, &v->line, c, hi, c, hi, rank);
    Cpdgemr2d(n - lo, c, v->a, lo + 1, lo + 1, v->desc, v->panel, lo + 1, 1, below,
              v->line.context);
    Cpdgemr2d(c, hi, v->a, lo + 1, 1, v->desc, v->left, 1, 1, left, v->line.context);
    for (int64_t j = 0; rank == v->comm->rank && j < c; j++)
        for (int64_t i = 0; i < lo + j; i++)
            v->panel[j * n + i] = v->left[i * c + j];
}

typedef void panel_fn(const struct inverse *v, int rank, int lo, int hi);

/* All panels, one rank's after another's; its rank's function before or after they move. */
static void visit_panels(const struct inverse *v, panel_fn *move, inverse_rows_fn *give,
                         inverse_rows_fn *take, void *state) {
    for (int r = 0; r < v->comm->size; r++) {
        struct range rows = grid_rows(v->n, v->comm->size, r);
        for (int64_t lo = rows.lo; lo < rows.hi; lo += PANEL) {
            int64_t hi = lo + PANEL < rows.hi ? lo + PANEL : rows.hi;
            if (give && r == v->comm->rank)
                give(state, lo, hi, v->panel);
            move(v, r, (int)lo, (int)hi);
            if (take && r == v->comm->rank)
                take(state, lo, hi, v->panel);
        }
    }
}

/* On the ranks of the grid. Returns ScaLAPACK's info. */
static int invert(const struct inverse *v) {
    int info = 0;
    pdpotrf_("L", &v->n, v->a, &ONE, &ONE, v->desc, &info);
    if (info == 0)
        pdpotri_("L", &v->n, v->a, &ONE, &ONE, v->desc, &info);
    return info;
}

static enum status invert_all(struct inverse *v, inverse_rows_fn *give, inverse_rows_fn *take,
                              void *state) {
    visit_panels(v, spread_panel, give, NULL, state);
    int64_t info = v->square.context >= 0 ? labs(invert(v)) : 0;
    comm_max_i64(v->comm, &info, 1);
    if (info > 0)
        return comm_error(v->comm, STATUS_FAIL,
                          "inverse of a matrix of %d rows: it is not positive definite (ScaLAPACK "
                          "gave up with %lld)",
                          v->n, (long long)info);
    visit_panels(v, collect_panel, NULL, take, state);
    return STATUS_OK;
}

enum status inverse_of(const struct comm *comm, int n, inverse_rows_fn *give, inverse_rows_fn *take,
                       void *state) {
    struct inverse v = {.comm = comm, .n = n};
    if (inverse_bytes(n, comm->size) / (int64_t)sizeof(double) > INT32_MAX)
        return comm_error(comm, STATUS_FAIL,
                          "inverse of a matrix of %d rows: too large for one rank's share; use "
                          "more ranks",
                          n);
    inverse_open(&v);
    enum status status = invert_all(&v, give, take, state);
    inverse_close(&v);
    return status;
}
