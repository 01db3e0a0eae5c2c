#include "mpi/svd.h"
#include "core/mem.h"
#include "mpi/linalg.h"
#include "partition/grid.h"
#include <float.h>
#include <math.h>
#include <omp.h>
#include <string.h>

static const double NEARLY_ORTHOGONAL = 1e-6; /* of a row's norm that lies in the basis */

/* Threads share the rows of the block, so each reads all of x but adds without locks. */
static void add_gram(void *state, int64_t lo, int64_t hi, double *block) {
    const struct svd_gram *gram = state;
    const struct sparse *x = &gram->rows;
#pragma omp parallel
    {
        int threads = omp_get_num_threads(), thread = omp_get_thread_num();
        for (int64_t i = 0; i < x->rows; i++)
            for (int64_t a = x->offsets[i]; a < x->offsets[i + 1]; a++) {
                int32_t c = x->column[a];
                if (c < lo || c >= hi || c % threads != thread)
                    continue;
                double *row = block + (c - lo) * x->columns, value = x->value[a];
                if (gram->weight)
                    value *= gram->weight[i];
                for (int64_t b = x->offsets[i]; b < x->offsets[i + 1]; b++)
                    row[x->column[b]] += value * x->value[b];
            }
    }
}

static double energy_of(const struct comm *comm, const struct sparse *x) {
    double energy = 0;
    for (int64_t e = 0; e < x->offsets[x->rows]; e++)
        energy += (double)x->value[e] * x->value[e];
    comm_sum_f64(comm, &energy, 1);
    return energy;
}

/* From [k, n] to [n, k]. */
static void set_basis(struct svd *svd, const double *vectors) {
    for (int j = 0; j < svd->k; j++)
        for (int i = 0; i < svd->n; i++)
            svd->basis[(int64_t)i * svd->k + j] = vectors[(int64_t)j * svd->n + i];
}

/* Row i of x V. */
static void project(const struct svd *svd, const struct sparse *x, int64_t i, double *row) {
    memset(row, 0, (size_t)svd->k * sizeof *row);
    for (int64_t e = x->offsets[i]; e < x->offsets[i + 1]; e++) {
        const double *v = svd->basis + (int64_t)x->column[e] * svd->k;
        double value = x->value[e];
        for (int j = 0; j < svd->k; j++)
            row[j] += value * v[j];
    }
}

static void add_squares(const double *row, int k, double *square) {
    for (int j = 0; j < k; j++)
        square[j] += row[j] * row[j];
}

/* Squares of the norms of the columns of x V, x the rows of all ranks. */
static void square_columns(const struct comm *comm, const struct svd *svd, const struct sparse *x,
                           double *square) {
    double *row = mem_alloc(svd->k, sizeof *row);
    memset(square, 0, (size_t)svd->k * sizeof *square);
    for (int64_t i = 0; i < x->rows; i++) {
        project(svd, x, i, row);
        add_squares(row, svd->k, square);
    }
    comm_sum_f64(comm, square, svd->k);
    mem_free(row);
}

/* Scales by the squares of the norms of columns; zero for pairs that are. */
static void set_scales(struct svd *svd, const double *square, bool whiten) {
    for (int j = 0; j < svd->k; j++) {
        double norm = j < svd->rank ? sqrt(square[j]) : 0;
        svd->scale[j] = norm > 0 ? 1 / (whiten ? norm : sqrt(norm)) : 0;
    }
}

/* Eigenvalues become norms of columns, of which those of X^T X are the squares. */
static void set_values(const struct comm *comm, struct svd *svd, const struct sparse *x,
                       const struct svd_gram *gram, bool whiten) {
    double floor = svd->n * DBL_EPSILON * svd->values[0];
    double *square = mem_alloc(svd->k, sizeof *square);
    while (svd->rank < svd->k && svd->values[svd->rank] > floor)
        svd->rank++;
    if (gram)
        square_columns(comm, svd, x, square);
    else
        memcpy(square, svd->values, (size_t)svd->k * sizeof *square);
    for (int j = 0; j < svd->k; j++)
        svd->values[j] = j < svd->rank ? sqrt(square[j]) : 0;
    set_scales(svd, square, whiten);
    mem_free(square);
}

void svd_rescale(const struct comm *comm, const double *rows, int64_t n, bool whiten,
                 struct svd *svd) {
    double *square = mem_zero(svd->k, sizeof *square);
    for (int64_t i = 0; i < n; i++)
        add_squares(rows + i * svd->k, svd->k, square);
    comm_sum_f64(comm, square, svd->k);
    set_scales(svd, square, whiten);
    mem_free(square);
}

enum status svd_sparse(const struct comm *comm, const struct sparse *x, const struct svd_gram *gram,
                       int k, bool whiten, struct svd *out) {
    int n = x->columns;
    struct range own = grid_rows(n, comm->size, comm->rank);
    struct svd svd = {.n = n, .k = k, .energy = energy_of(comm, x)};
    struct svd_gram view = gram ? *gram : (struct svd_gram){.rows = *x};
    *out = (struct svd){0};
    double *matrix = mem_alloc((own.hi - own.lo) * n, sizeof *matrix);
    double *vectors = mem_alloc((int64_t)k * n, sizeof *vectors);
    svd.values = mem_alloc(k, sizeof *svd.values);
    linalg_assemble(comm, n, add_gram, &view, matrix);
    enum status status = linalg_eigen(comm, n, k, matrix, svd.values, vectors);
    mem_free(matrix);
    if (status == STATUS_OK) {
        svd.basis = mem_alloc((int64_t)n * k, sizeof *svd.basis);
        svd.scale = mem_alloc(k, sizeof *svd.scale);
        set_basis(&svd, vectors);
        set_values(comm, &svd, x, gram, whiten);
        *out = svd;
    } else {
        mem_free(svd.values);
    }
    mem_free(vectors);
    return status;
}

void svd_free(struct svd *svd) {
    mem_free(svd->values);
    mem_free(svd->basis);
    mem_free(svd->scale);
    *svd = (struct svd){0};
}

double svd_share(const struct svd *svd) {
    double held = 0;
    for (int j = 0; j < svd->k; j++)
        held += svd->values[j] * svd->values[j];
    return svd->energy > 0 ? held / svd->energy : 0;
}

/* Element (i, j) of x V. */
static double projection(const struct svd *svd, const struct sparse *x, int64_t i, int j) {
    double sum = 0;
    for (int64_t e = x->offsets[i]; e < x->offsets[i + 1]; e++)
        sum += (double)x->value[e] * svd->basis[(int64_t)x->column[e] * svd->k + j];
    return sum;
}

/* Does enough of row i lie in the basis? Mostly its first vectors tell. */
static bool is_present(const struct svd *svd, const struct sparse *x, int64_t i) {
    double all = 0, inside = 0;
    for (int64_t e = x->offsets[i]; e < x->offsets[i + 1]; e++)
        all += (double)x->value[e] * x->value[e];
    double enough = NEARLY_ORTHOGONAL * NEARLY_ORTHOGONAL * all;
    for (int j = 0; j < svd->rank && all > 0 && inside <= enough; j++) {
        double p = projection(svd, x, i, j);
        inside += p * p;
    }
    return inside > enough;
}

/* Zero where it is not. */
static void project_present(const struct svd *svd, const struct sparse *x, int64_t i, double *row) {
    if (is_present(svd, x, i))
        project(svd, x, i, row);
    else
        memset(row, 0, (size_t)svd->k * sizeof *row);
}

void svd_project(const struct svd *svd, const struct sparse *x, double *out) {
#pragma omp parallel for
    for (int64_t i = 0; i < x->rows; i++)
        project_present(svd, x, i, out + i * svd->k);
}

bool svd_scale(const struct svd *svd, const double *row, float *out) {
    double square = 0;
    for (int j = 0; j < svd->k; j++)
        square += pow(row[j] * svd->scale[j], 2);
    for (int j = 0; j < svd->k; j++)
        out[j] = square > 0 ? (float)(row[j] * svd->scale[j] / sqrt(square)) : 0;
    return square > 0;
}

int64_t svd_present(const struct svd *svd, const struct sparse *x, unsigned char *present) {
    int64_t n = 0;
#pragma omp parallel for reduction(+ : n)
    for (int64_t i = 0; i < x->rows; i++)
        n += present[i] = is_present(svd, x, i);
    return n;
}

void svd_coordinates(const struct svd *svd, const struct sparse *x, int64_t lo, int64_t hi,
                     float *out) {
#pragma omp parallel
    {
        double *row = mem_alloc(svd->k, sizeof *row);
#pragma omp for
        for (int64_t i = lo; i < hi; i++) {
            project_present(svd, x, i, row);
            (void)svd_scale(svd, row, out + (i - lo) * svd->k);
        }
        mem_free(row);
    }
}
