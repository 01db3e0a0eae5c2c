/* Sharing work and gradients among ranks. */
#include "core/rng.h"
#include "mpi/exchange.h"
#include "mpi/reduce.h"
#include "mpi/reduce_ordered.h"
#include "partition/range.h"
#include "tests/mpitest.h"

/* Row i has i % 7 values, all i; every row goes once, to its owner, in the wanted order. */
static void exchange_case(void) {
    enum { N = 1000 };
    int64_t first[9], order[N];
    int32_t length[N], owner[N], mine[7 * N];
    int64_t n = 0, seen = 0;
    for (int r = 0; r <= test_comm.size; r++)
        first[r] = r < test_comm.size ? range_of(N, test_comm.size, r).lo : N;
    rng_permutation(rng_key(1, RNG_TEST, 0, 0), N, order);
    for (int64_t i = 0; i < N; i++) {
        length[i] = (int32_t)(i % 7);
        owner[i] = (int32_t)rng_below(rng_key(2, RNG_TEST, 0, 0), (uint64_t)i, test_comm.size);
    }
    for (int64_t i = first[test_comm.rank]; i < first[test_comm.rank + 1]; i++)
        for (int k = 0; k < length[i]; k++)
            mine[n++] = (int32_t)i;
    struct exchange_plan plan = {first, length, N, order, owner};
    struct exchange_rows rows;
    MPI_REQUIRE(exchange_rows(&test_comm, &plan, mine, &rows) == STATUS_OK, "exchange");
    for (int64_t k = 0; k < rows.count; k++) {
        int64_t p = rows.place[k], i = order[p];
        MPI_EXPECT(owner[p] == test_comm.rank, "place %d", (int)p);
        MPI_EXPECT(k == 0 || p > rows.place[k - 1], "order");
        MPI_EXPECT(rows.offsets[k + 1] - rows.offsets[k] == length[i], "length of %d", (int)i);
        for (int64_t v = rows.offsets[k]; v < rows.offsets[k + 1]; v++)
            MPI_EXPECT(rows.values[v] == i, "value of %d", (int)i);
        seen++;
    }
    exchange_free(&rows);
    comm_sum_i64(&test_comm, &seen, 1);
    MPI_EXPECT(seen == N, "%d rows arrived", (int)seen);
}

MPI_TEST(exchange, one_rank, 1) {
    exchange_case();
}

MPI_TEST(exchange, four_ranks, 4) {
    exchange_case();
}

/* Bytes from rank s to rank r: none from a rank to the one before it, more than one message from
 * the first rank to the last. */
static int64_t bytes_between(int s, int r) {
    if (r == s - 1)
        return 0;
    return s == 0 && r == test_comm.size - 1 ? (1 << 24) + 5 : 10 * s + r + 1;
}

static char byte_between(int s, int r, int64_t i) {
    return (char)((i + 31 * s + 7 * r) % 101);
}

static void exchange_bytes_case(void) {
    int64_t at[9] = {0}, total = 0, next = 0, wrong = 0;
    int me = test_comm.rank;
    for (int r = 0; r < test_comm.size; r++)
        at[r + 1] = at[r] + bytes_between(me, r);
    char *data = mem_alloc(at[test_comm.size], 1);
    for (int r = 0; r < test_comm.size; r++)
        for (int64_t i = at[r]; i < at[r + 1]; i++)
            data[i] = byte_between(me, r, i - at[r]);
    char *got = exchange_bytes(&test_comm, data, at, &total);
    for (int s = 0; s < test_comm.size; s++)
        for (int64_t i = 0; i < bytes_between(s, me); i++)
            wrong += next >= total || got[next++] != byte_between(s, me, i);
    MPI_EXPECT(wrong == 0 && next == total, "%ld bytes are wrong, %ld of %ld came", (long)wrong,
               (long)total, (long)next);
    mem_free(got);
    mem_free(data);
}

MPI_TEST(exchange, bytes_of_one_rank, 1) {
    exchange_bytes_case();
}

MPI_TEST(exchange, bytes_of_two_ranks, 2) {
    exchange_bytes_case();
}

MPI_TEST(exchange, bytes_of_five_ranks, 5) {
    exchange_bytes_case();
}

/* Sums of all buckets although ranks complete their gradients in different orders. */
static void reduce_case(void) {
    struct params params = {0};
    struct reduce reduce;
    int64_t shape[] = {3, 100000, 17, 300000, 5, 5, 70000, 1};
    int order[8];
    for (int i = 0; i < 8; i++)
        params_add(&params, 1, 1, shape[i], PARAM_ZERO, 1, "p%d", i);
    params_allocate(&params, 1, 1);
    reduce_open(&reduce, &test_comm, &params);
    for (int step = 0; step < 3; step++) {
        for (int64_t i = 0; i < params.total; i++)
            params.g[i] = (real)((i % 1000) * (test_comm.rank + 1) + step);
        for (int i = 0; i < 8; i++)
            order[i] = (i * 3 + test_comm.rank + step) % 8;
        reduce_begin(&reduce);
        for (int i = 0; i < 8; i++)
            reduce_ready(&reduce, order[i]);
        reduce_finish(&reduce);
        int64_t wrong = 0, n = test_comm.size;
        for (int64_t i = 0; i < params.total; i++)
            wrong += params.g[i] != (real)((i % 1000) * (n * (n + 1) / 2) + step * n);
        MPI_EXPECT(wrong == 0, "step %d: %ld of %ld sums are wrong", step, (long)wrong,
                   (long)params.total);
    }
    reduce_close(&reduce);
    params_free(&params);
}

MPI_TEST(reduce, one_rank, 1) {
    reduce_case();
}

MPI_TEST(reduce, two_ranks, 2) {
    reduce_case();
}

MPI_TEST(reduce, four_ranks, 4) {
    reduce_case();
}

/* Leaf k, rounded so that the order of the additions shows. */
static real leaf_value(int step, int k, int64_t i) {
    return (real)rng_normal(rng_key(3, RNG_TEST, (uint64_t)step, (uint64_t)k), (uint64_t)i);
}

/* The sum is that of the tree written out, to the last bit, on any number of ranks. */
static void tree_case(void) {
    struct params params = {0};
    struct reduce_ordered ordered;
    params_add(&params, 2, 1000, 301, PARAM_ZERO, 1, "p");
    params_allocate(&params, 1, 1);
    reduce_ordered_open(&ordered, &test_comm, &params);
    int per_rank = REDUCE_SHARES / test_comm.size, mine = test_comm.rank * per_rank;
    for (int step = 0; step < 2; step++) {
        int64_t wrong = 0, other = 0;
        for (int k = mine; k < mine + per_rank; k++) {
            for (int64_t i = 0; i < params.total; i++)
                params.g[i] = leaf_value(step, k, i);
            reduce_ordered_add(&ordered);
        }
        reduce_ordered_finish(&ordered);
        for (int64_t i = 0; i < params.total; i++) {
            real x[REDUCE_SHARES], in_turn = 0;
            for (int k = 0; k < REDUCE_SHARES; k++)
                in_turn += x[k] = leaf_value(step, k, i);
            real sum = ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
            wrong += params.g[i] != sum;
            other += params.g[i] != in_turn;
        }
        MPI_EXPECT(wrong == 0, "step %d: %ld of %ld sums are wrong", step, (long)wrong,
                   (long)params.total);
        MPI_EXPECT(other > 0, "step %d: the order of the sum shows", step);
    }
    reduce_ordered_close(&ordered);
    params_free(&params);
}

MPI_TEST(ordered, one_rank, 1) {
    tree_case();
}

MPI_TEST(ordered, two_ranks, 2) {
    tree_case();
}

MPI_TEST(ordered, four_ranks, 4) {
    tree_case();
}

MPI_TEST(ordered, eight_ranks, 8) {
    tree_case();
}

MPI_TEST_MAIN()
