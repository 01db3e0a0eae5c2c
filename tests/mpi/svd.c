#include "mpi/svd.h"
#include "core/rng.h"
#include "partition/range.h"
#include "tests/mpitest.h"
#include <float.h>
#include <math.h>

void dgesvd_(const char *jobu, const char *jobvt, const int *m, const int *n, double *a,
             const int *lda, double *s, double *u, const int *ldu, double *vt, const int *ldvt,
             double *work, const int *lwork, int *info);

enum { ROWS = 300, COLUMNS = 150, K = 12, EACH = 7 };

/* Row i has EACH of the columns, but none if i is a multiple of 50. */
static struct sparse make(int64_t lo, int64_t hi) {
    struct sparse x = {.rows = hi - lo, .columns = COLUMNS};
    int64_t at = 0, order[COLUMNS];
    x.offsets = mem_alloc(x.rows + 1, sizeof *x.offsets);
    x.column = mem_alloc(x.rows * EACH, sizeof *x.column);
    x.value = mem_alloc(x.rows * EACH, sizeof *x.value);
    for (int64_t i = lo; i < hi; i++) {
        uint64_t key = rng_key(3, RNG_TEST, (uint64_t)i, 0);
        rng_permutation(key, COLUMNS, order);
        x.offsets[i - lo] = at;
        for (int e = 0; e < EACH && i % 50; e++) {
            x.column[at] = (int32_t)(order[e] / (1 + order[e] % 3)); /* low ones are frequent */
            for (int64_t b = x.offsets[i - lo]; b < at; b++)
                if (x.column[b] == x.column[at])
                    x.column[at] = -1;
            x.value[at] = (float)(1 + rng_uniform(key, 1000 + (uint64_t)e));
            at += x.column[at] >= 0;
        }
    }
    x.offsets[x.rows] = at;
    return x;
}

static void drop(struct sparse *x) {
    mem_free(x->offsets);
    mem_free(x->column);
    mem_free(x->value);
}

/* LAPACK's singular values of the whole matrix and its U [COLUMNS-th leading dimension ROWS]. */
static void reference(double *s, double *u) {
    int m = ROWS, n = COLUMNS, lwork = 8 * ROWS, info, one = 1;
    struct sparse x = make(0, ROWS);
    double *a = mem_zero(ROWS * COLUMNS, sizeof *a), *work = mem_alloc(lwork, sizeof *work), vt;
    for (int64_t i = 0; i < ROWS; i++)
        for (int64_t e = x.offsets[i]; e < x.offsets[i + 1]; e++)
            a[x.column[e] * ROWS + i] = x.value[e];
    dgesvd_("S", "N", &m, &n, a, &m, s, u, &m, &vt, &one, work, &lwork, &info);
    MPI_REQUIRE(info == 0, "info %d", info);
    mem_free(a);
    mem_free(work);
    drop(&x);
}

/* Against row i of U S^(1/2), or of U, scaled; U's columns may have the other sign. */
static double row_error(int64_t i, const float *row, const double *s, const double *u,
                        const int *sign, bool whiten) {
    double square = 0, worst = 0, factor[K];
    for (int j = 0; j < K; j++)
        factor[j] = whiten ? 1 : sqrt(s[j]);
    for (int j = 0; j < K; j++)
        square += pow(u[j * ROWS + i] * factor[j], 2);
    for (int j = 0; j < K; j++) {
        double want = square > 1e-20 ? sign[j] * u[j * ROWS + i] * factor[j] / sqrt(square) : 0;
        worst = fmax(worst, fabs(row[j] - want));
    }
    return worst;
}

/* The sign of a column of U that goes with the basis: that of (x V)_j over rows. */
static void find_signs(const struct svd *svd, const double *u, int *sign) {
    struct sparse x = make(0, ROWS);
    for (int j = 0; j < K; j++) {
        double sum = 0;
        for (int64_t i = 0; i < ROWS; i++)
            for (int64_t e = x.offsets[i]; e < x.offsets[i + 1]; e++)
                sum += x.value[e] * svd->basis[x.column[e] * K + j] * u[j * ROWS + i];
        sign[j] = sum > 0 ? 1 : -1;
    }
    drop(&x);
}

/* Any number of ranks meets the same reference: singular values and rows, so also the subspace. */
static void check(bool whiten) {
    struct range mine = range_of(ROWS, test_comm.size, test_comm.rank);
    struct sparse x = make(mine.lo, mine.hi);
    struct svd svd;
    double s[COLUMNS], *u = mem_alloc(ROWS * COLUMNS, sizeof *u), held = 0, all = 0, worst = 0;
    int sign[K];
    float *rows = mem_alloc(x.rows * K, sizeof *rows);
    unsigned char *present = mem_alloc(x.rows, 1);
    reference(s, u);
    MPI_REQUIRE(svd_sparse(&test_comm, &x, NULL, K, whiten, &svd) == STATUS_OK);
    for (int j = 0; j < COLUMNS; j++)
        all += s[j] * s[j], held += j < K ? s[j] * s[j] : 0;
    for (int j = 0; j < K; j++)
        MPI_EXPECT(fabs(svd.values[j] - s[j]) <= COLUMNS * DBL_EPSILON * s[0] * s[0] / s[j],
                   "%d: %.17g not %.17g", j, svd.values[j], s[j]);
    MPI_EXPECT(fabs(svd_share(&svd) - held / all) < 1e-12 && svd.rank == K);
    find_signs(&svd, u, sign);
    svd_coordinates(&svd, &x, 0, x.rows, rows);
    svd_present(&svd, &x, present);
    for (int64_t i = 0; i < x.rows; i++) {
        worst = fmax(worst, row_error(mine.lo + i, rows + i * K, s, u, sign, whiten));
        MPI_EXPECT(present[i] == ((mine.lo + i) % 50 != 0), "row %lld", (long long)(mine.lo + i));
    }
    MPI_EXPECT(worst < 1e-6, "rows off by %g", worst);
    mem_free(u);
    mem_free(rows);
    mem_free(present);
    svd_free(&svd);
    drop(&x);
}

MPI_TEST(svd, agrees_with_lapack_on_1_rank, 1) {
    check(false);
    check(true);
}

MPI_TEST(svd, agrees_with_lapack_on_4_ranks, 4) {
    check(false);
    check(true);
}

/* The eigenvectors of a weighted Gram matrix of other rows: of a diagonal one they are the unit vectors, by
 * the weights, and the norms are those of the columns of X; what is not positive is left out. */
MPI_TEST(svd, by_another_matrix, 2) {
    int64_t offsets[] = {0, 2, 3}, own[] = {0, 1, 2, 3};
    int32_t column[] = {0, 1, 2}, each[] = {0, 1, 2};
    float value[] = {3, 4, 5}, one[] = {1, 1, 1}, rows[6];
    double weight[] = {1, 2, -3};
    struct sparse x = {2, 3, offsets, column, value};
    struct svd_gram gram = {{3, 3, own, each, one}, weight};
    struct svd svd;
    MPI_REQUIRE(svd_sparse(&test_comm, &x, &gram, 3, false, &svd) == STATUS_OK);
    MPI_EXPECT(svd.rank == 2 && fabs(svd.values[0] - 4 * sqrt(2)) < 1e-12 &&
               fabs(svd.values[1] - 3 * sqrt(2)) < 1e-12 && svd.values[2] == 0);
    svd_coordinates(&svd, &x, 0, 2, rows);
    double a = 4 / sqrt(4 * sqrt(2)), b = 3 / sqrt(3 * sqrt(2)), norm = sqrt(a * a + b * b);
    MPI_EXPECT(fabs(rows[0] - a / norm) < 1e-6 && fabs(rows[1] - b / norm) < 1e-6, "%g %g", rows[0],
               rows[1]);
    MPI_EXPECT(rows[2] == 0 && rows[3] == 0 && rows[4] == 0);
    svd_free(&svd);
}

/* Two equal columns: one singular value is zero and so are its coordinates. */
MPI_TEST(svd, of_a_singular_matrix, 2) {
    int64_t offsets[] = {0, 2, 2, 4};
    int32_t column[] = {0, 1, 0, 1};
    float value[] = {3, 3, -1, -1}, rows[6];
    unsigned char present[3];
    struct sparse x = {3, 2, offsets, column, value};
    struct svd svd;
    MPI_REQUIRE(svd_sparse(&test_comm, &x, NULL, 2, false, &svd) == STATUS_OK);
    MPI_EXPECT(svd.rank == 1 && svd.values[1] == 0 && fabs(svd.values[0] - sqrt(40)) < 1e-12);
    svd_coordinates(&svd, &x, 0, 3, rows);
    MPI_EXPECT(rows[0] == 1 && rows[1] == 0 && rows[4] == -1 && rows[5] == 0, "%g %g", rows[0],
               rows[4]);
    MPI_EXPECT(svd_present(&svd, &x, present) == 2);
    MPI_EXPECT(present[0] && !present[1] && present[2] && rows[2] == 0);
    float other[] = {1, -1};
    struct sparse orthogonal = {1, 2, offsets, column, other};
    svd_coordinates(&svd, &orthogonal, 0, 1, rows);
    MPI_EXPECT(svd_present(&svd, &orthogonal, present) == 0 && !present[0]);
    MPI_EXPECT(rows[0] == 0 && rows[1] == 0, "%g %g", rows[0], rows[1]);
    svd_free(&svd);
}

MPI_TEST_MAIN()
