/* The inverse times the matrix is one, whatever the ranks; what has no inverse is refused. */
#include "mpi/inverse.h"
#include "core/log.h"
#include "core/rng.h"
#include "partition/grid.h"
#include "tests/mpitest.h"
#include <float.h>

enum { MOST = 300 };

struct problem {
    int n;
    double a[MOST][MOST], x[MOST][MOST]; /* every rank has all of a */
    int64_t given, taken;                /* rows */
};

/* Of random numbers, dominated by its diagonal: all eigenvalues are between n / 2 and 3 n / 2. */
static void fill(struct problem *p, int n) {
    *p = (struct problem){.n = n};
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++)
            p->a[i][j] = p->a[j][i] =
                i == j ? n : rng_uniform(rng_key(4, RNG_TEST, 0, 0), (uint64_t)(i * n + j)) - 0.5;
}

static void give(void *state, int64_t lo, int64_t hi, double *rows) {
    struct problem *p = state;
    for (int64_t i = lo; i < hi; i++)
        memcpy(rows + (i - lo) * p->n, p->a[i], (size_t)p->n * sizeof *rows);
    p->given += hi - lo;
}

static void take(void *state, int64_t lo, int64_t hi, double *rows) {
    struct problem *p = state;
    for (int64_t i = lo; i < hi; i++)
        memcpy(p->x[i], rows + (i - lo) * p->n, (size_t)p->n * sizeof *rows);
    p->taken += hi - lo;
}

static void inverse_case(void) {
    static const int sizes[] = {1, 3, 64, 65, 130, MOST};
    struct problem *p = mem_alloc(1, sizeof *p);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        int n = sizes[k];
        struct range own = grid_rows(n, test_comm.size, test_comm.rank);
        double worst = 0;
        fill(p, n);
        MPI_REQUIRE(inverse_of(&test_comm, n, give, take, p) == STATUS_OK, "n %d", n);
        MPI_EXPECT(p->given == own.hi - own.lo && p->taken == own.hi - own.lo, "n %d", n);
        for (int64_t i = own.lo; i < own.hi; i++)
            for (int j = 0; j < n; j++) {
                double sum = i == j ? -1 : 0;
                for (int m = 0; m < n; m++)
                    sum += p->x[i][m] * p->a[m][j];
                worst = fmax(worst, fabs(sum));
            }
        MPI_EXPECT(worst <= 10 * n * DBL_EPSILON, "n %d: %.3g", n, worst); /* condition 3 */
    }
    mem_free(p);
}

MPI_TEST(inverse, of_one_rank, 1) {
    inverse_case();
}

MPI_TEST(inverse, of_two_ranks, 2) {
    inverse_case();
}

MPI_TEST(inverse, of_three_ranks, 3) {
    inverse_case();
}

MPI_TEST(inverse, of_four_ranks, 4) {
    inverse_case();
}

MPI_TEST(inverse, of_a_matrix_that_is_not_positive_definite, 3) {
    struct problem *p = mem_alloc(1, sizeof *p);
    fill(p, 70);
    p->a[69][69] = -1;
    log_hold();
    MPI_EXPECT(inverse_of(&test_comm, 70, give, take, p) == STATUS_FAIL);
    const char *line = log_release();
    MPI_EXPECT((test_comm.rank == 0) == (strstr(line, "not positive definite") != NULL), "%s",
               line);
    mem_free(p);
}

MPI_TEST_MAIN()
