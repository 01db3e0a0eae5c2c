#include "mpi/pca.h"
#include "core/log.h"
#include "core/rng.h"
#include "partition/range.h"
#include "tests/mpitest.h"
#include <math.h>

/* `n` rows of `width` numbers that vary in FACTORS orthogonal directions alone, with standard
 * deviations 1, 1/2, 1/4, ... around a mean far from zero. Direction f is a cosine. */
enum { FACTORS = 6, PIECE = 37 };

struct source {
    int width;
    int64_t lo, hi, at;
    float *rows; /* [PIECE, width] */
};

static double direction(int f, int j, int width) {
    return sqrt(2.0 / width) * cos(M_PI * (f + 1) * (j + 0.5) / width);
}

static double score(int64_t i, int f) {
    return ldexp(rng_normal(rng_key(5, RNG_TEST, (uint64_t)f, 0), (uint64_t)i), -f);
}

static void make_row(int64_t i, int width, float *row) {
    for (int j = 0; j < width; j++) {
        double x = 10 + j % 3;
        for (int f = 0; f < FACTORS; f++)
            x += score(i, f) * direction(f, j, width);
        row[j] = (float)x;
    }
}

static enum status next_rows(void *state, const float **rows, int64_t *n) {
    struct source *s = state;
    *n = s->hi - s->at < PIECE ? s->hi - s->at : PIECE;
    for (int64_t i = 0; i < *n; i++)
        make_row(s->at + i, s->width, s->rows + i * s->width);
    s->at = *n ? s->at + *n : s->lo;
    *rows = s->rows;
    return STATUS_OK;
}

static struct source open_source(int64_t n, int width) {
    struct range mine = range_of(n, test_comm.size, test_comm.rank);
    return (struct source){width, mine.lo, mine.hi, mine.lo,
                           mem_alloc((int64_t)PIECE * width, sizeof(float))};
}

/* Of the result over all rows: second moments [dim, dim] and means [dim]. */
static void moments(const struct pca *pca, struct source *s, int64_t rows, double *second,
                    double *mean) {
    int dim = pca->dim;
    const float *in;
    float *out = mem_alloc(PIECE * dim, sizeof *out);
    int64_t n = 1;
    while (n > 0) {
        MPI_REQUIRE(next_rows(s, &in, &n) == STATUS_OK);
        pca_apply(pca, in, n, out);
        for (int64_t i = 0; i < n; i++)
            for (int a = 0; a < dim; a++) {
                mean[a] += out[i * dim + a] / (double)rows;
                for (int b = 0; b < dim; b++)
                    second[a * dim + b] +=
                        out[i * dim + a] * (double)out[i * dim + b] / (double)rows;
            }
    }
    mem_free(out);
    comm_sum_f64(&test_comm, second, dim * dim);
    comm_sum_f64(&test_comm, mean, dim);
}

static void check(int64_t rows, int width, bool whiten) {
    enum { K = 4 };
    struct source s = open_source(rows, width);
    struct pca pca;
    double second[K * K] = {0}, mean[K] = {0}, tolerance = 1e-4; /* of float input around 10 */
    MPI_REQUIRE(pca_fit(&test_comm, width, K, whiten, next_rows, &s, &pca) == STATUS_OK);
    moments(&pca, &s, rows, second, mean);
    MPI_EXPECT(pca.rows == rows && pca.rank == K && pca_share(&pca) > 0.98 && pca_share(&pca) < 1,
               "share %g", pca_share(&pca));
    for (int a = 0; a < K; a++) {
        MPI_EXPECT(fabs(ldexp(pca.variance[a], 2 * a) - 1) < 8 / sqrt((double)rows),
                   "variance %d: %g", a, pca.variance[a]);
        MPI_EXPECT(fabs(mean[a]) < tolerance / (whiten ? sqrt(pca.variance[a]) : 1), "mean %g",
                   mean[a]);
        for (int b = 0; b < K; b++) {
            double want = a != b ? 0 : whiten ? 1 : pca.variance[a];
            MPI_EXPECT(fabs(second[a * K + b] - want) < 10 * tolerance, "%d %d: %g not %g", a, b,
                       second[a * K + b], want);
        }
    }
    pca_free(&pca);
    mem_free(s.rows);
}

MPI_TEST(pca, of_one_rank, 1) {
    check(2000, 96, false);
    check(2000, 96, true);
}

/* More columns than rows, and a grid of 1 x 3. */
MPI_TEST(pca, of_three_ranks, 3) {
    check(400, 640, true);
}

/* As wide as embeddings of language models, at a quarter of their width to be quick. */
MPI_TEST(pca, of_four_ranks, 4) {
    check(1500, 1024, false);
    check(50, 70, true);
}

static enum status fail_on_one(void *state, const float **rows, int64_t *n) {
    return test_comm.rank == 1 ? STATUS_IO : next_rows(state, rows, n);
}

static enum status equal_rows(void *state, const float **rows, int64_t *n) {
    static const float row[6] = {1, 2, 3, 1, 2, 3};
    int *left = state;
    *n = *left;
    *left = *left ? 0 : 2;
    *rows = row;
    return STATUS_OK;
}

MPI_TEST(pca, fails_on_all_ranks, 3) {
    struct source s = open_source(100, 8);
    struct pca pca;
    int left = 2;
    log_set_level(LOG_ERROR);
    MPI_EXPECT(pca_fit(&test_comm, 8, 2, false, fail_on_one, &s, &pca) == STATUS_IO);
    MPI_EXPECT(pca_fit(&test_comm, 3, 2, false, equal_rows, &left, &pca) == STATUS_INPUT);
    mem_free(s.rows);
}

MPI_TEST_MAIN()
