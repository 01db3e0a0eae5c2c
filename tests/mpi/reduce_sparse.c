/* Gradients by rows, summed over the ranks or given to the rows' owners, beside a sum of whole
 * tables; and the other ranks as core sees them. */
#include "mpi/reduce_sparse.h"
#include "core/mem.h"
#include "core/rng.h"
#include "mpi/collectives.h"
#include "mpi/lookup.h"
#include "partition/range.h"
#include "tests/mpitest.h"

enum { COLS = 5 };

/* Whole numbers, so that sums are exact in any order. */
static real value(int rank, int64_t row, int64_t col) {
    return (real)((row * 7 + col * 3) % 1000 * (rank + 1));
}

/* The rows of a rank: each one with a chance of one in `every`, none at all on the last of several
 * ranks with `idle`. */
static bool has(int rank, int64_t row, int every, bool idle) {
    uint64_t key = rng_key(3, RNG_TEST, (uint64_t)rank, (uint64_t)every);
    return !(idle && rank > 0 && rank == test_comm.size - 1) &&
           rng_below(key, (uint64_t)row, every) == 0;
}

static int64_t fill(int64_t table, int every, bool idle, int32_t *row, real *g) {
    int64_t n = 0;
    for (int64_t r = 0; r < table; r++)
        if (has(test_comm.rank, r, every, idle)) {
            for (int64_t c = 0; c < COLS; c++)
                g[n * COLS + c] = value(test_comm.rank, r, c);
            row[n++] = (int32_t)r;
        }
    return n;
}

/* The sum of the rows `here` against `grad`; every used row is in it. */
static void compare(const struct row_grad *grad, const struct item_block *local, int every,
                    bool idle) {
    int64_t k = 0, wrong = 0, missing = 0;
    for (int64_t i = 0; i < item_block_count(local); i++) {
        int64_t r = item_block_item(local, i);
        bool listed = k < grad->n && (grad->row ? grad->row[k] : k) == i, used = false;
        for (int rank = 0; rank < test_comm.size; rank++)
            used |= has(rank, r, every, idle);
        missing += used && !listed;
        for (int64_t c = 0; c < COLS && listed; c++) {
            real want = 0;
            for (int rank = 0; rank < test_comm.size; rank++)
                want += has(rank, r, every, idle) ? value(rank, r, c) : 0;
            wrong += grad->g[k * COLS + c] != want;
        }
        k += listed;
    }
    MPI_EXPECT(k == grad->n && !missing && !wrong, "%ld of %ld rows, %ld missing, %ld sums wrong",
               (long)k, (long)grad->n, (long)missing, (long)wrong);
}

static void sum_case(int64_t table, int every, enum sparse_way way, bool idle) {
    int32_t *row = mem_alloc(table, sizeof *row);
    real *g = mem_alloc(table * COLS, sizeof *g);
    struct reduce_sparse rows;
    struct row_grad grad;
    int64_t n = fill(table, every, idle, row, g);
    reduce_sparse_open(&rows, &test_comm, table, COLS);
    rows.way = way;
    for (int again = 0; again < 2; again++) {
        reduce_sparse_sum(&rows, row, n, n || test_comm.rank == 0 ? g : NULL, &grad);
        compare(&grad, &(struct item_block){{0}, {table}}, every, idle);
        MPI_EXPECT(test_comm.size == 1 || way == SPARSE_AUTO || rows.taken == way, "way");
    }
    reduce_sparse_close(&rows);
    mem_free(g);
    mem_free(row);
}

/* Large and small tables, with the row numbers as lists and as a bitmap. */
static void all_sums(void) {
    const int every[] = {1, 3, 200};
    for (int way = SPARSE_AUTO; way <= SPARSE_WHOLE; way++)
        for (int i = 0; i < 3; i++) {
            sum_case(20000, every[i], (enum sparse_way)way, i == 1);
            sum_case(65, every[i], (enum sparse_way)way, i == 1);
        }
}

MPI_TEST(rows, one_rank, 1) {
    all_sums();
}

MPI_TEST(rows, two_ranks, 2) {
    all_sums();
}

MPI_TEST(rows, four_ranks, 4) {
    all_sums();
}

/* A table that few rows are used of goes by rows, one that nearly all are used of, or a small one,
 * as a whole. */
MPI_TEST(rows, choice, 2) {
    const struct {
        int64_t table;
        int every;
        enum sparse_way way;
    } cases[] = {{200000, 100, SPARSE_UNION}, {200000, 1, SPARSE_WHOLE}, {2000, 2, SPARSE_WHOLE}};
    for (int i = 0; i < 3; i++) {
        int32_t *row = mem_alloc(cases[i].table, sizeof *row);
        real *g = mem_alloc(cases[i].table * COLS, sizeof *g);
        struct reduce_sparse rows;
        struct row_grad grad;
        int64_t n = fill(cases[i].table, cases[i].every, false, row, g);
        reduce_sparse_open(&rows, &test_comm, cases[i].table, COLS);
        reduce_sparse_sum(&rows, row, n, g, &grad);
        MPI_EXPECT(rows.taken == cases[i].way, "case %d", i);
        reduce_sparse_close(&rows);
        mem_free(g);
        mem_free(row);
    }
}

/* The rows asked for arrive, and what is given back is added up at the owners: of two tables at once,
 * the second of one column, whose gradient is that of the first's first column. */
static void lookup_case(int64_t table, int every, bool idle, enum route_way way) {
    int size = test_comm.size, me = test_comm.rank;
    int64_t *first = mem_alloc(2 * size + 1, sizeof *first), x = table / 3, wrong = 0;
    int32_t *row = mem_alloc(table, sizeof *row);
    real *g = mem_alloc(table * COLS, sizeof *g), *one = mem_alloc(table, sizeof *one);
    real *out = mem_alloc(table * COLS, sizeof *out), *second = mem_alloc(table, sizeof *second);
    struct lookup lookup;
    struct row_grad grad[2];
    for (int r = 0; r < size; r++) {
        first[r] = range_of(x, size, r).lo;
        first[size + r] = x + range_of(table - x, size, r).lo;
    }
    first[2 * size] = table;
    struct item_block local = {{first[me], first[size + me]},
                               {first[me + 1], first[size + me + 1]}};
    int64_t n = fill(table, every, idle, row, g), held = item_block_count(&local);
    real *mine = mem_alloc(held * COLS, sizeof *mine), *name = mem_alloc(held, sizeof *name);
    for (int64_t i = 0; i < held * COLS; i++)
        mine[i] = (real)(item_block_item(&local, i / COLS) * COLS + i % COLS);
    for (int64_t i = 0; i < held; i++)
        name[i] = (real)-item_block_item(&local, i);
    for (int64_t i = 0; i < n; i++)
        one[i] = g[i * COLS];
    lookup_open(&lookup, &test_comm, first, 2);
    lookup.route.way = way;
    for (int again = 0; again < 2; again++) {
        struct lookup_part pull[] = {{COLS, mine, out}, {1, name, second}};
        lookup_plan(&lookup, row, n, COLS + 1);
        MPI_EXPECT(way == ROUTE_AUTO || lookup.route.two == (way == ROUTE_TWO_HOPS), "way");
        lookup_pull(&lookup, pull, 2);
        for (int64_t i = 0; i < n * COLS; i++)
            wrong += out[i] != (real)(row[i / COLS] * COLS + i % COLS);
        for (int64_t i = 0; i < n; i++)
            wrong += second[i] != (real)-row[i];
        MPI_EXPECT(wrong == 0, "%ld of %ld numbers are wrong", (long)wrong, (long)(n * COLS));
        bool given = n || me == 0;
        struct lookup_part push[] = {{COLS, given ? g : NULL, NULL}, {1, given ? one : NULL, NULL}};
        lookup_push(&lookup, push, 2, grad);
        compare(&grad[0], &local, every, idle);
        MPI_EXPECT(grad[1].n == grad[0].n, "rows of the second table");
        for (int64_t i = 0; i < grad[1].n; i++)
            wrong += grad[1].g[i] != grad[0].g[i * COLS];
        MPI_EXPECT(wrong == 0, "%ld sums of the second table are wrong", (long)wrong);
    }
    lookup_close(&lookup);
    mem_free(name);
    mem_free(mine);
    mem_free(second);
    mem_free(out);
    mem_free(one);
    mem_free(g);
    mem_free(row);
    mem_free(first);
}

static void all_lookups(void) {
    const int every[] = {1, 3, 200};
    for (int way = ROUTE_AUTO; way <= ROUTE_TWO_HOPS; way++)
        for (int i = 0; i < 3; i++) {
            lookup_case(20000, every[i], i == 1, (enum route_way)way);
            lookup_case(3, every[i], false, (enum route_way)way); /* fewer rows than ranks */
        }
}

MPI_TEST(lookup, one_rank, 1) {
    all_lookups();
}

MPI_TEST(lookup, two_ranks, 2) {
    all_lookups();
}

MPI_TEST(lookup, four_ranks, 4) {
    all_lookups();
}

MPI_TEST(lookup, six_ranks, 6) {
    all_lookups();
}

/* Sums of numbers that are no integers are added in the order of the ranks, whatever the way. */
MPI_TEST(lookup, order_of_the_sum, 8) {
    const int64_t first[] = {0, 1, 1, 1, 1, 1, 1, 1, 1};
    const int32_t row = 0;
    real mine = (real)1 / (real)(3 + test_comm.rank), want = 0;
    for (int r = 0; r < test_comm.size; r++)
        want += (real)1 / (real)(3 + r);
    for (int way = ROUTE_DIRECT; way <= ROUTE_TWO_HOPS; way++) {
        struct lookup lookup;
        struct row_grad grad;
        lookup_open(&lookup, &test_comm, first, 1);
        lookup.route.way = (enum route_way)way;
        lookup_plan(&lookup, &row, 1, 1);
        lookup_push(&lookup, &(struct lookup_part){1, &mine, NULL}, 1, &grad);
        MPI_EXPECT(grad.n == (test_comm.rank == 0), "rows");
        MPI_EXPECT(grad.n == 0 || grad.g[0] == want, "%.9g, not %.9g", (double)grad.g[0],
                   (double)want);
        lookup_close(&lookup);
    }
}

/* Rank r has r rows, the last rank of several none. */
static void peers_case(void) {
    struct collectives p = collectives_of(&test_comm);
    int64_t counts[8], total = 0, before = 0, wrong = 0;
    for (int r = 0; r < p.size; r++) {
        counts[r] = r > 0 && r == p.size - 1 ? 0 : r + 1;
        before += r < p.rank ? counts[r] : 0;
        total += counts[r];
    }
    real all[16 * COLS], max[3] = {(real)p.rank, (real)-p.rank, 5};
    double sum[2] = {p.rank, 1};
    for (int64_t i = 0; i < counts[p.rank] * COLS; i++)
        all[before * COLS + i] = (real)(before * COLS + i);
    p.gather(p.context, all, counts, COLS * sizeof *all);
    for (int64_t i = 0; i < total * COLS; i++)
        wrong += all[i] != (real)i;
    MPI_EXPECT(wrong == 0, "gather: %d wrong", (int)wrong);
    p.max(p.context, max, 3);
    MPI_EXPECT(max[0] == p.size - 1 && max[1] == 0 && max[2] == 5, "max");
    p.sum(p.context, sum, 2);
    MPI_EXPECT(sum[0] == p.size * (p.size - 1) / 2 && sum[1] == p.size, "sum");
    p.sum_own(p.context, all, counts, COLS);
    for (int64_t i = before * COLS; i < (before + counts[p.rank]) * COLS; i++)
        wrong += all[i] != (real)(i * p.size);
    MPI_EXPECT(wrong == 0, "sum_own: %d wrong", (int)wrong);
}

/* More than a message for most ranks, in the end not a whole one, and nothing for one. */
MPI_TEST(collectives, sum_of_much, 3) {
    enum { WIDTH = 7 };
    struct collectives p = collectives_of(&test_comm);
    int64_t counts[3] = {50000, 0, 30001}, before = p.rank == 2 ? counts[0] : 0, wrong = 0;
    int64_t own = counts[p.rank] * WIDTH, all = (counts[0] + counts[2]) * WIDTH;
    real *x = mem_alloc(all, sizeof *x);
    for (int64_t i = 0; i < all; i++)
        x[i] = (real)(i * (p.rank + 1));
    p.sum_own(p.context, x, counts, WIDTH);
    for (int64_t i = before * WIDTH; i < before * WIDTH + own; i++)
        wrong += x[i] != (real)(i * 6);
    MPI_EXPECT(wrong == 0, "%d wrong", (int)wrong);
    mem_free(x);
}

MPI_TEST(collectives, one_rank, 1) {
    peers_case();
}

MPI_TEST(collectives, four_ranks, 4) {
    peers_case();
}

MPI_TEST_MAIN()
