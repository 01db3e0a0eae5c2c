#include "mpi/linalg.h"
#include "core/log.h"
#include "core/rng.h"
#include "partition/grid.h"
#include "tests/mpitest.h"
#include <float.h>

void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
             double *work, const int *lwork, int *iwork, const int *liwork, int *info);

/* A matrix and what linalg_eigen made of it; `rows` are this rank's. */
struct problem {
    int n, k, lo, hi;
    double norm; /* Frobenius */
    double *rows, *values, *vectors;
};

typedef double element_fn(int i, int j);

static struct problem solve(int n, int k, element_fn *element) {
    struct problem p = {.n = n, .k = k};
    struct range own = grid_rows(n, test_comm.size, test_comm.rank);
    p.lo = (int)own.lo, p.hi = (int)own.hi;
    p.rows = mem_alloc((int64_t)(p.hi - p.lo) * n, sizeof *p.rows);
    p.values = mem_alloc(k, sizeof *p.values);
    p.vectors = mem_alloc((int64_t)k * n, sizeof *p.vectors);
    for (int i = p.lo; i < p.hi; i++)
        for (int j = 0; j < n; j++) {
            double x = element(i, j);
            p.rows[(int64_t)(i - p.lo) * n + j] = x;
            p.norm += x * x;
        }
    comm_sum_f64(&test_comm, &p.norm, 1);
    p.norm = sqrt(p.norm);
    MPI_REQUIRE(linalg_eigen(&test_comm, n, k, p.rows, p.values, p.vectors) == STATUS_OK);
    return p;
}

static void drop(struct problem *p) {
    mem_free(p->rows);
    mem_free(p->values);
    mem_free(p->vectors);
}

static double dot(const double *a, const double *b, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* |A v - lambda v| over all rows and vectors, and how far the vectors are from orthonormal. */
static void check_pairs(const struct problem *p) {
    double residual = 0, skew = 0, bound = p->n * DBL_EPSILON;
    for (int j = 0; j < p->k; j++) {
        const double *v = p->vectors + (int64_t)j * p->n;
        double square = 0;
        for (int i = p->lo; i < p->hi; i++) {
            double r = dot(p->rows + (int64_t)(i - p->lo) * p->n, v, p->n) - p->values[j] * v[i];
            square += r * r;
        }
        comm_sum_f64(&test_comm, &square, 1);
        residual = fmax(residual, sqrt(square));
        for (int i = 0; i <= j; i++)
            skew = fmax(skew, fabs(dot(v, p->vectors + (int64_t)i * p->n, p->n) - (i == j)));
        MPI_EXPECT(j == 0 || p->values[j] <= p->values[j - 1], "value %d rises", j);
    }
    MPI_EXPECT(residual <= bound * p->norm, "n %d: residual %g, norm %g", p->n, residual, p->norm);
    MPI_EXPECT(skew <= bound, "n %d: off orthonormal by %g", p->n, skew);
}

static double random_symmetric(int i, int j) {
    int a = i < j ? i : j, b = i < j ? j : i;
    return rng_normal(rng_key(7, RNG_TEST, 0, 0), (uint64_t)(a * 4096 + b));
}

/* Second differences: 2 - 2 cos(pi j / (n + 1)). */
static double laplace(int i, int j) {
    return i == j ? 2 : abs(i - j) == 1 ? -1 : 0;
}

/* All ones but for the diagonal: n + 1 once, 2 for the rest. */
static double ones_and_identity(int i, int j) {
    return i == j ? 3 : 1;
}

static void check_laplace(int n, int k) {
    struct problem p = solve(n, k, laplace);
    for (int j = 0; j < k; j++) {
        double want = 2 - 2 * cos(M_PI * (n - j) / (n + 1));
        MPI_EXPECT(fabs(p.values[j] - want) <= n * DBL_EPSILON * p.norm, "n %d: %g not %g", n,
                   p.values[j], want);
    }
    check_pairs(&p);
    drop(&p);
}

static void check_clustered(int n, int k) {
    struct problem p = solve(n, k, ones_and_identity);
    double bound = n * DBL_EPSILON * p.norm;
    for (int j = 0; j < k; j++)
        MPI_EXPECT(fabs(p.values[j] - (j ? 2 : n + 2)) <= bound, "value %d: %g", j, p.values[j]);
    check_pairs(&p);
    drop(&p);
}

/* All eigenvalues by LAPACK, ascending. */
static double *reference(int n, element_fn *element) {
    int lwork = 1 + 2 * n, liwork = 1, info = -1;
    double *a = mem_alloc((int64_t)n * n, sizeof *a), *w = mem_alloc(n, sizeof *w);
    double *work = mem_alloc(lwork, sizeof *work);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            a[i * n + j] = element(i, j);
    dsyevd_("N", "L", &n, a, &n, w, work, &lwork, &liwork, &liwork, &info);
    MPI_REQUIRE(info == 0, "info %d", info);
    mem_free(a);
    mem_free(work);
    return w;
}

static void check_random(int n, int k) {
    struct problem p = solve(n, k, random_symmetric);
    double *w = reference(n, random_symmetric), worst = 0;
    for (int j = 0; j < k; j++)
        worst = fmax(worst, fabs(p.values[j] - w[n - 1 - j]));
    MPI_EXPECT(worst <= n * DBL_EPSILON * p.norm, "n %d: off by %g", n, worst);
    check_pairs(&p);
    mem_free(w);
    drop(&p);
}

/* Every number of ranks meets the same one-rank reference, so all give the same eigenvalues. */
static void check_all(void) {
    static const int sizes[][2] = {{1, 1},   {2, 1},   {5, 5},     {63, 7},  {64, 64},
                                   {65, 20}, {130, 3}, {200, 200}, {321, 32}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_laplace(sizes[i][0], sizes[i][1]);
        check_clustered(sizes[i][0], sizes[i][1]);
        check_random(sizes[i][0], sizes[i][1]);
    }
}

MPI_TEST(linalg, eigen_1_rank, 1) {
    check_all();
}

MPI_TEST(linalg, eigen_2_ranks, 2) {
    check_all();
}

MPI_TEST(linalg, eigen_3_ranks, 3) {
    check_all();
}

MPI_TEST(linalg, eigen_4_ranks, 4) {
    check_all();
}

/* A grid of 2 x 3. */
MPI_TEST(linalg, eigen_6_ranks, 6) {
    check_all();
}

static void add_rank(void *state, int64_t lo, int64_t hi, double *block) {
    int n = *(int *)state;
    for (int64_t i = lo; i < hi; i++)
        for (int j = 0; j < n; j++)
            block[(i - lo) * n + j] += (test_comm.rank + 1) * (i * n + j);
}

MPI_TEST(linalg, assembles_sums_by_rows, 3) {
    int n = 700, sum = 1 + 2 + 3;
    int64_t wrong = 0;
    struct range own = grid_rows(n, 3, test_comm.rank);
    double *rows = mem_alloc((own.hi - own.lo) * n, sizeof *rows);
    linalg_assemble(&test_comm, n, add_rank, &n, rows);
    for (int64_t i = own.lo; i < own.hi; i++)
        for (int j = 0; j < n; j++)
            wrong += rows[(i - own.lo) * n + j] != (double)(sum * (i * n + j));
    MPI_EXPECT(wrong == 0, "%lld elements", (long long)wrong);
    mem_free(rows);
}

static double not_finite(int i, int j) {
    return i == 9 && j == 9 ? NAN : i == j;
}

MPI_TEST(linalg, refuses_what_is_not_finite, 2) {
    int n = 10;
    double rows[100], value, vector[10];
    log_set_level(LOG_ERROR);
    struct range own = grid_rows(n, 2, test_comm.rank);
    for (int i = (int)own.lo; i < own.hi; i++)
        for (int j = 0; j < n; j++)
            rows[(i - own.lo) * n + j] = not_finite(i, j);
    MPI_EXPECT(linalg_eigen(&test_comm, n, 1, rows, &value, vector) == STATUS_FAIL);
}

MPI_TEST_MAIN()
