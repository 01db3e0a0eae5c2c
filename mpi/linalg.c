/* Outline: assemble, a block of rows for one rank after another; eigenpairs: spread the
 * matrix over a square grid, decompose it there, collect the vectors on all ranks. */
#include "mpi/linalg.h"
#include "core/mem.h"
#include "mpi/blacs.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ScaLAPACK comes without headers. */
void pdsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *ia,
              const int *ja, const int *desca, double *w, double *z, const int *iz, const int *jz,
              const int *descz, double *work, const int *lwork, int *iwork, const int *liwork,
              int *info);

enum { TILE = 64, TOO_LARGE = INT32_MAX };
static const int ONE = 1;

/* ---- assembling ---- */

void linalg_assemble(const struct comm *comm, int n, linalg_add_fn *add, void *state,
                     double *rows) {
    int64_t most = grid_block(n, comm->size) * n;
    double *block = comm->size > 1 ? mem_alloc(most, sizeof *block) : rows;
    for (int r = 0; r < comm->size; r++) {
        struct range of = grid_rows(n, comm->size, r);
        int64_t count = (of.hi - of.lo) * n;
        memset(block, 0, (size_t)count * sizeof *block);
        add(state, of.lo, of.hi, block);
        if (comm->size > 1)
            comm_reduce_f64(comm, r, block, rows, count);
    }
    if (comm->size > 1)
        mem_free(block);
}

/* ---- eigenpairs ---- */

/* The matrix on two grids: `line`, one row of all ranks, as callers hold it (the rows of a
 * symmetric matrix are the columns that ScaLAPACK wants one after the other), and `square`, which
 * computes. */
struct eigen {
    const struct comm *comm;
    int n, k;
    int system;
    struct blacs line, square;
    double *a, *z, *w; /* local parts on `square`; all n eigenvalues */
};

static void eigen_open(struct eigen *e) {
    struct grid shape = grid_shape(e->comm->size, grid_block(e->n, TILE));
    e->system = blacs_system(e->comm);
    e->line = blacs_open(e->system, (struct grid){1, e->comm->size});
    e->square = blacs_open(e->system, shape);
    e->w = mem_zero(e->n, sizeof *e->w);
    if (e->square.context < 0)
        return;
    int64_t local = (int64_t)blacs_local(e->n, TILE, e->square.row, shape.rows) *
                    blacs_local(e->n, TILE, e->square.column, shape.columns);
    e->a = mem_alloc(local + 1, sizeof *e->a);
    e->z = mem_alloc(local + 1, sizeof *e->z);
}

static void eigen_close(struct eigen *e) {
    mem_free(e->a);
    mem_free(e->z);
    mem_free(e->w);
    blacs_close(&e->square);
    blacs_close(&e->line);
    blacs_system_free(e->system);
}

static void spread(struct eigen *e, const double *rows) {
    int from[BLACS_DESC], to[BLACS_DESC], n = e->n;
    blacs_describe(from, &e->line, n, n, n, (int)grid_block(n, e->comm->size), 0);
    blacs_describe(to, &e->square, n, n, TILE, TILE, 0);
    Cpdgemr2d(n, n, rows, 1, 1, from, e->a, 1, 1, to, e->line.context);
}

/* ScaLAPACK's own query (2.2) leaves too little for PDORMTR on some grids; this is the bound in the
 * head of that routine, generously. */
static int slack(const struct eigen *e) {
    int rows = blacs_local(e->n, TILE, 0, e->square.rows);
    int columns = blacs_local(e->n, TILE, 0, e->square.columns);
    return (2 * rows + columns + 4 * TILE) * TILE;
}

/* On the ranks of `square`. Returns ScaLAPACK's info. All n vectors are computed: pdsyevr_ could
 * stop at k, but gives its PDORMTR too little work space on many grids and goes on with wrong
 * vectors. */
static int decompose(struct eigen *e) {
    int desc[BLACS_DESC], info = 0, n = e->n, lwork = -1, liwork = -1, isize = 0;
    double size = 0;
    blacs_describe(desc, &e->square, n, n, TILE, TILE, 0);
    pdsyevd_("V", "L", &n, e->a, &ONE, &ONE, desc, e->w, e->z, &ONE, &ONE, desc, &size, &lwork,
             &isize, &liwork, &info);
    if (info != 0 || size > INT32_MAX / 2)
        return info ? info : TOO_LARGE;
    lwork = (int)size + slack(e);
    liwork = isize;
    double *work = mem_alloc(lwork, sizeof *work);
    int *iwork = mem_alloc(liwork, sizeof *iwork);
    pdsyevd_("V", "L", &n, e->a, &ONE, &ONE, desc, e->w, e->z, &ONE, &ONE, desc, work, &lwork,
             iwork, &liwork, &info);
    mem_free(work);
    mem_free(iwork);
    return info;
}

/* The last k columns of z to all ranks, one after the other. */
static void collect(struct eigen *e, double *vectors) {
    const struct comm *comm = e->comm;
    int from[BLACS_DESC], to[BLACS_DESC], n = e->n;
    struct range own = grid_rows(e->k, comm->size, comm->rank);
    int64_t count = (own.hi - own.lo) * n;
    double *mine = mem_alloc(count + 1, sizeof *mine);
    blacs_describe(from, &e->square, n, n, TILE, TILE, 0);
    blacs_describe(to, &e->line, n, e->k, n, (int)grid_block(e->k, comm->size), 0);
    Cpdgemr2d(n, e->k, e->z, 1, n - e->k + 1, from, mine, 1, 1, to, e->line.context);
    memcpy(vectors + own.lo * n, mine, (size_t)count * sizeof *mine);
    mem_free(mine);
    for (int r = 0; r < comm->size; r++) {
        struct range of = grid_rows(e->k, comm->size, r);
        comm_bcast_from(comm, r, vectors + of.lo * n,
                        (of.hi - of.lo) * n * (int64_t)sizeof *vectors);
    }
}

static void fix_sign(double *v, int n) {
    double most = 0;
    int first = 0;
    for (int i = 0; i < n; i++)
        most = fmax(most, fabs(v[i]));
    while (fabs(v[first]) < 0.6 * most)
        first++;
    if (v[first] < 0)
        for (int i = 0; i < n; i++)
            v[i] = -v[i];
}

/* ScaLAPACK's order is ascending. */
static void finish(struct eigen *e, double *values, double *vectors) {
    int k = e->k, n = e->n;
    double *ascending = mem_alloc((int64_t)k * n, sizeof *ascending);
    collect(e, ascending);
    comm_bcast(e->comm, e->w, n * (int64_t)sizeof *e->w);
    for (int j = 0; j < k; j++) {
        values[j] = e->w[n - 1 - j];
        memcpy(vectors + (int64_t)j * n, ascending + (int64_t)(k - 1 - j) * n,
               (size_t)n * sizeof *vectors);
        fix_sign(vectors + (int64_t)j * n, n);
    }
    mem_free(ascending);
}

static enum status check_finite(const struct comm *comm, int n, const double *rows) {
    struct range own = grid_rows(n, comm->size, comm->rank);
    int64_t bad = 0;
    for (int64_t i = 0; i < (own.hi - own.lo) * n; i++)
        bad += !isfinite(rows[i]);
    comm_sum_i64(comm, &bad, 1);
    if (bad == 0)
        return STATUS_OK;
    return comm_error(comm, STATUS_FAIL, "eigenproblem of %d: %lld elements are not finite", n,
                      (long long)bad);
}

static enum status give_up(const struct comm *comm, int n, int64_t info) {
    if (info == TOO_LARGE)
        return comm_error(comm, STATUS_FAIL,
                          "eigenproblem of %d: too large for one rank's share; use more ranks", n);
    return comm_error(comm, STATUS_FAIL, "eigenproblem of %d: ScaLAPACK gave up with %lld", n,
                      (long long)info);
}

enum status linalg_eigen(const struct comm *comm, int n, int k, const double *rows, double *values,
                         double *vectors) {
    struct eigen e = {.comm = comm, .n = n, .k = k};
    TRY(check_finite(comm, n, rows));
    eigen_open(&e);
    spread(&e, rows);
    int64_t info = e.square.context >= 0 ? labs(decompose(&e)) : 0;
    comm_max_i64(comm, &info, 1);
    if (info == 0)
        finish(&e, values, vectors);
    eigen_close(&e);
    return info == 0 ? STATUS_OK : give_up(comm, n, info);
}
