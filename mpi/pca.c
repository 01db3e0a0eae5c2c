/* Outline: a pass over the rows for their mean; a second one for the covariance, in batches; its
 * eigenpairs by mpi/linalg, scaled to components; applying them to rows. */
#include "mpi/pca.h"
#include "core/mem.h"
#include "mpi/linalg.h"
#include "partition/grid.h"
#include <cblas.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { STRIPE = 128, BATCH = 512 }; /* rows of the covariance at once; rows of the data at once */

struct fit {
    const struct comm *comm;
    int width;
    pca_next_fn *next;
    void *state;
    int64_t rows;
    double *mean;       /* [width] */
    double *covariance; /* [width, width] of this rank's rows; upper triangle */
    double *batch;      /* [BATCH, width] centred rows */
};

/* ---- mean ---- */

static enum status sum_rows(struct fit *f) {
    const float *rows;
    int64_t n = 1;
    while (n > 0) {
        TRY(f->next(f->state, &rows, &n));
        for (int64_t i = 0; i < n; i++)
            for (int j = 0; j < f->width; j++)
                f->mean[j] += (double)rows[i * f->width + j];
        f->rows += n;
    }
    return STATUS_OK;
}

static enum status find_mean(struct fit *f) {
    TRY(comm_agree(f->comm, sum_rows(f)));
    comm_sum_i64(f->comm, &f->rows, 1);
    comm_sum_f64(f->comm, f->mean, f->width);
    for (int j = 0; j < f->width; j++)
        f->mean[j] /= f->rows > 0 ? (double)f->rows : 1;
    return STATUS_OK;
}

/* ---- covariance ---- */

/* covariance += batch^T batch, in stripes from the diagonal to the right; threads share stripes. */
static void add_batch(struct fit *f, int n) {
    int width = f->width;
#pragma omp parallel for schedule(dynamic, 1)
    for (int lo = 0; lo < width; lo += STRIPE) {
        int rows = width - lo < STRIPE ? width - lo : STRIPE;
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, rows, width - lo, n, 1, f->batch + lo,
                    width, f->batch + lo, width, 1, f->covariance + (int64_t)lo * width + lo,
                    width);
    }
}

static void add_rows(struct fit *f, const float *rows, int64_t n) {
    int width = f->width;
    for (int64_t lo = 0; lo < n; lo += BATCH) {
        int64_t hi = lo + BATCH < n ? lo + BATCH : n;
        for (int64_t i = lo; i < hi; i++)
            for (int j = 0; j < width; j++)
                f->batch[(i - lo) * width + j] = (double)rows[i * width + j] - f->mean[j];
        add_batch(f, (int)(hi - lo));
    }
}

static enum status sum_products(struct fit *f) {
    const float *rows;
    int64_t n = 1;
    while (n > 0) {
        TRY(f->next(f->state, &rows, &n));
        add_rows(f, rows, n);
    }
    return STATUS_OK;
}

/* Rows [lo, hi), the part left of the diagonal from above it. */
static void take_rows(void *state, int64_t lo, int64_t hi, double *block) {
    const struct fit *f = state;
    int64_t n = f->width;
    for (int64_t i = lo; i < hi; i++)
        for (int64_t j = 0; j < n; j++)
            block[(i - lo) * n + j] =
                f->covariance[j < i ? j * n + i : i * n + j] / (double)f->rows;
}

static double trace(const struct comm *comm, int n, const double *rows) {
    struct range own = grid_rows(n, comm->size, comm->rank);
    double sum = 0;
    for (int64_t i = own.lo; i < own.hi; i++)
        sum += rows[(i - own.lo) * n + i];
    comm_sum_f64(comm, &sum, 1);
    return sum;
}

/* ---- components ---- */

static void adopt(const struct fit *f, const double *vectors, bool whiten, struct pca *pca) {
    int n = pca->width, k = pca->dim;
    double floor = n * DBL_EPSILON * pca->variance[0];
    for (int c = 0; c < k; c++) {
        bool there = pca->variance[c] > floor;
        double scale = !there ? 0 : whiten ? 1 / sqrt(pca->variance[c]) : 1;
        pca->rank += there;
        for (int64_t j = 0; j < n; j++)
            pca->basis[j * k + c] = (float)(vectors[c * (int64_t)n + j] * scale);
        for (int64_t j = 0; j < n; j++)
            pca->offset[c] += f->mean[j] * (double)pca->basis[j * k + c];
    }
}

static enum status find_components(struct fit *f, bool whiten, struct pca *pca) {
    int n = pca->width, k = pca->dim;
    struct range own = grid_rows(n, f->comm->size, f->comm->rank);
    double *rows = mem_alloc((own.hi - own.lo) * n, sizeof *rows);
    double *vectors = mem_alloc((int64_t)k * n, sizeof *vectors);
    linalg_assemble(f->comm, n, take_rows, f, rows);
    mem_free(f->covariance);
    f->covariance = NULL;
    pca->total = trace(f->comm, n, rows);
    enum status status = linalg_eigen(f->comm, n, k, rows, pca->variance, vectors);
    if (status == STATUS_OK)
        adopt(f, vectors, whiten, pca);
    mem_free(rows);
    mem_free(vectors);
    return status;
}

/* Variance below what float can hold beside the mean is none. */
static enum status check_spread(const struct fit *f, const struct pca *pca) {
    double square = 0;
    for (int j = 0; j < f->width; j++)
        square += f->mean[j] * f->mean[j];
    if (pca->total > 1e-16 * square)
        return STATUS_OK;
    return comm_error(f->comm, STATUS_INPUT,
                      "pca: the %lld rows are all equal: there are no components to find",
                      (long long)f->rows);
}

static enum status fit(struct fit *f, bool whiten, struct pca *pca) {
    int64_t width = f->width;
    TRY(find_mean(f));
    f->covariance = mem_zero(width * width, sizeof *f->covariance);
    f->batch = mem_alloc(BATCH * width, sizeof *f->batch);
    TRY(comm_agree(f->comm, sum_products(f)));
    pca->rows = f->rows;
    TRY(find_components(f, whiten, pca));
    return check_spread(f, pca);
}

enum status pca_fit(const struct comm *comm, int width, int dim, bool whiten, pca_next_fn *next,
                    void *state, struct pca *out) {
    struct pca pca = {.width = width,
                      .dim = dim,
                      .mean = mem_zero(width, sizeof *pca.mean),
                      .variance = mem_alloc(dim, sizeof *pca.variance),
                      .basis = mem_alloc((int64_t)width * dim, sizeof *pca.basis),
                      .offset = mem_zero(dim, sizeof *pca.offset)};
    struct fit f = {.comm = comm, .width = width, .next = next, .state = state, .mean = pca.mean};
    enum status status = fit(&f, whiten, &pca);
    mem_free(f.covariance);
    mem_free(f.batch);
    if (status != STATUS_OK)
        pca_free(&pca);
    *out = pca;
    return status;
}

void pca_free(struct pca *pca) {
    mem_free(pca->mean);
    mem_free(pca->variance);
    mem_free(pca->basis);
    mem_free(pca->offset);
    *pca = (struct pca){0};
}

double pca_share(const struct pca *pca) {
    double held = 0;
    for (int c = 0; c < pca->dim; c++)
        held += pca->variance[c];
    return pca->total > 0 ? held / pca->total : 0;
}

void pca_apply(const struct pca *pca, const float *rows, int64_t n, float *out) {
    int dim = pca->dim;
#pragma omp parallel for
    for (int64_t lo = 0; lo < n; lo += BATCH) {
        int64_t count = n - lo < BATCH ? n - lo : BATCH;
        float *to = out + lo * dim;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)count, dim, pca->width, 1,
                    rows + lo * pca->width, pca->width, pca->basis, dim, 0, to, dim);
        for (int64_t i = 0; i < count; i++)
            for (int c = 0; c < dim; c++)
                to[i * dim + c] -= (float)pca->offset[c];
    }
}
