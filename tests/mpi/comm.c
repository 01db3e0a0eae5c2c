#include "tests/mpitest.h"
#include <math.h>
#include <time.h>
#include <unistd.h>

MPI_TEST(comm, knows_rank_and_size, 3) {
    int64_t sum = test_comm.rank;
    MPI_EXPECT(test_comm.size == 3, "size %d", test_comm.size);
    comm_sum_i64(&test_comm, &sum, 1);
    MPI_EXPECT(sum == 0 + 1 + 2, "ranks sum to %lld", (long long)sum);
}

MPI_TEST(comm, agrees_on_success, 4) {
    MPI_EXPECT(comm_agree(&test_comm, STATUS_OK) == STATUS_OK);
}

MPI_TEST(comm, agrees_on_the_gravest, 4) {
    static const enum status mine[] = {STATUS_OK, STATUS_INPUT, STATUS_IO, STATUS_OK};
    enum status all = comm_agree(&test_comm, mine[test_comm.rank]);
    MPI_EXPECT(all == STATUS_IO, "agreed on %d", (int)all);
}

/* More than one piece, and a last piece that is not full. */
MPI_TEST(comm, broadcasts_long_messages, 2) {
    enum { N = (1 << 25) + 3 };
    unsigned char *x = mem_zero(N, 1);
    int64_t wrong = 0;
    for (int64_t i = 0; test_comm.rank == 0 && i < N; i++)
        x[i] = (unsigned char)(i % 251);
    comm_bcast(&test_comm, x, N);
    for (int64_t i = 0; i < N; i++)
        wrong += x[i] != (unsigned char)(i % 251);
    MPI_EXPECT(wrong == 0, "%lld bytes differ", (long long)wrong);
    mem_free(x);
}

/* Processor time of this process, seconds. */
static double used(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}

MPI_TEST(comm, sleeps_until_a_late_broadcast, 3) {
    int64_t x = test_comm.rank == 0 ? 42 : 0;
    double before = used();
    if (test_comm.rank == 0)
        usleep(500000);
    comm_bcast_late(&test_comm, &x, sizeof x);
    MPI_EXPECT(x == 42, "%lld", (long long)x);
    MPI_EXPECT(used() - before < 0.1, "%g s of work", used() - before);
}

MPI_TEST(comm, broadcasts_nothing, 2) {
    comm_bcast(&test_comm, NULL, 0);
}

MPI_TEST(comm, sums, 4) {
    int64_t n[2] = {INT64_C(1) << 40, test_comm.rank};
    double x[2] = {0.5, -(double)test_comm.rank};
    comm_sum_i64(&test_comm, n, 2);
    comm_sum_f64(&test_comm, x, 2);
    MPI_EXPECT(n[0] == INT64_C(1) << 42 && n[1] == 6);
    MPI_EXPECT(x[0] == 2 && x[1] == -6, "%g %g", x[0], x[1]);
}

MPI_TEST(comm, compares, 3) {
    uint64_t mine = test_comm.rank == 1 ? 1 : UINT64_MAX;
    MPI_EXPECT(comm_same(&test_comm, 7));
    MPI_EXPECT(comm_same(&test_comm, 0));
    MPI_EXPECT(comm_same(&test_comm, UINT64_MAX));
    MPI_EXPECT(!comm_same(&test_comm, mine));
}

MPI_TEST(comm, names_the_first_that_differs, 4) {
    int rank = test_comm.rank;
    MPI_EXPECT(comm_odd_one(&test_comm, 5) == -1);
    MPI_EXPECT(comm_odd_one(&test_comm, rank >= 2) == 2);
    MPI_EXPECT(comm_odd_one(&test_comm, rank == 0) == 1);
    MPI_EXPECT(comm_odd_one(&test_comm, rank == 3 ? 1 : UINT64_C(1) << 56) == 3);
}

MPI_TEST(comm, sums_modulo, 3) {
    uint64_t x[2] = {UINT64_MAX, (uint64_t)test_comm.rank};
    comm_sum_u64(&test_comm, x, 2);
    MPI_EXPECT(x[0] == UINT64_MAX - 2 && x[1] == 3);
}

/* ---- in pieces ---- */

/* Two pieces and one that is not full. */
enum { LONG = 2 * COMM_PIECE / (int)sizeof(double) + 5 };

static double term(int rank, int64_t i) {
    return (double)((rank + 1) * (i % 1009));
}

static double sum_of_terms(int64_t i) {
    return (double)(test_comm.size * (test_comm.size + 1) / 2 * (i % 1009));
}

static void sum_long(void) {
    double *x = mem_alloc(LONG, sizeof *x);
    int64_t *n = mem_alloc(LONG, sizeof *n), wrong = 0;
    for (int64_t i = 0; i < LONG; i++) {
        x[i] = term(test_comm.rank, i);
        n[i] = (int64_t)x[i];
    }
    comm_sum_f64(&test_comm, x, LONG);
    comm_sum_i64(&test_comm, n, LONG);
    for (int64_t i = 0; i < LONG; i++)
        wrong += x[i] != sum_of_terms(i) || (double)n[i] != sum_of_terms(i);
    MPI_EXPECT(wrong == 0, "%lld elements", (long long)wrong);
    mem_free(x);
    mem_free(n);
}

MPI_TEST(comm, sums_alone, 1) {
    sum_long();
}

MPI_TEST(comm, sums_in_pieces, 3) {
    sum_long();
}

MPI_TEST(comm, sums_small_types_in_pieces, 4) {
    real *x = mem_alloc(2 * LONG, sizeof *x), *most = mem_alloc(2 * LONG, sizeof *most);
    int32_t *n = mem_alloc(2 * LONG, sizeof *n);
    int64_t wrong = 0;
    for (int64_t i = 0; i < 2 * LONG; i++) {
        x[i] = (real)term(test_comm.rank, i);
        most[i] = -x[i];
        n[i] = (int32_t)term(test_comm.rank, i);
    }
    comm_sum_real(&test_comm, x, 2 * LONG);
    comm_max_real(&test_comm, most, 2 * LONG);
    comm_sum_i32(&test_comm, n, 2 * LONG);
    for (int64_t i = 0; i < 2 * LONG; i++)
        wrong += (double)x[i] != sum_of_terms(i) || (double)n[i] != sum_of_terms(i) ||
                 (double)most[i] != -term(0, i);
    MPI_EXPECT(wrong == 0, "%lld elements", (long long)wrong);
    mem_free(x);
    mem_free(most);
    mem_free(n);
}

MPI_TEST(comm, finds_ends, 4) {
    int rank = test_comm.rank;
    double least = 1 - rank, most = rank == 2 ? 7.5 : -1;
    int64_t count = INT64_C(3) << 40 >> rank;
    comm_min_f64(&test_comm, &least, 1);
    comm_max_f64(&test_comm, &most, 1);
    comm_max_i64(&test_comm, &count, 1);
    MPI_EXPECT(least == -2 && most == 7.5, "%g %g", least, most);
    MPI_EXPECT(count == INT64_C(3) << 40, "%lld", (long long)count);
}

MPI_TEST(comm, joins_bits_in_pieces, 3) {
    uint64_t *x = mem_alloc(LONG, sizeof *x);
    int64_t wrong = 0;
    for (int64_t i = 0; i < LONG; i++)
        x[i] = UINT64_C(1) << (i + test_comm.rank) % 64;
    comm_or_u64(&test_comm, x, LONG);
    for (int64_t i = 0; i < LONG; i++)
        for (int r = 0; r < 3; r++)
            wrong += !(x[i] & UINT64_C(1) << (i + r) % 64) || __builtin_popcountll(x[i]) != 3;
    MPI_EXPECT(wrong == 0, "%lld words", (long long)wrong);
    mem_free(x);
}

MPI_TEST(comm, reduces_to_one_rank, 3) {
    double *x = mem_alloc(LONG, sizeof *x), *sum = mem_alloc(LONG, sizeof *sum);
    for (int root = 0; root < 3; root++) {
        int64_t wrong = 0;
        for (int64_t i = 0; i < LONG; i++) {
            x[i] = term(test_comm.rank, i);
            sum[i] = -1;
        }
        comm_reduce_f64(&test_comm, root, x, sum, LONG);
        for (int64_t i = 0; i < LONG; i++)
            wrong += sum[i] != (test_comm.rank == root ? sum_of_terms(i) : -1) ||
                     x[i] != term(test_comm.rank, i);
        MPI_EXPECT(wrong == 0, "root %d: %lld elements", root, (long long)wrong);
    }
    mem_free(x);
    mem_free(sum);
}

/* ---- parts of the ranks ---- */

MPI_TEST(comm, broadcasts_from_any_rank, 3) {
    for (int root = 0; root < 3; root++) {
        int64_t x[2] = {test_comm.rank, -test_comm.rank};
        comm_bcast_from(&test_comm, root, x, sizeof x);
        MPI_EXPECT(x[0] == root && x[1] == -root, "%lld %lld", (long long)x[0], (long long)x[1]);
    }
}

MPI_TEST(comm, lays_parts_out, 4) {
    static const int64_t lengths[] = {3, 0, INT64_C(1) << 40, 2};
    int64_t offsets[5];
    comm_offsets(&test_comm, lengths[test_comm.rank], offsets);
    MPI_EXPECT(offsets[0] == 0 && offsets[1] == 3 && offsets[2] == 3);
    MPI_EXPECT(offsets[3] == 3 + (INT64_C(1) << 40) && offsets[4] == offsets[3] + 2);
}

/* Rank r has r rows of 3 numbers. */
static void gather_parts(void) {
    enum { WIDTH = 3 };
    int64_t offsets[5], wrong = 0;
    comm_offsets(&test_comm, test_comm.rank, offsets);
    int64_t total = offsets[test_comm.size];
    int32_t *all = mem_zero(total * WIDTH + 1, sizeof *all);
    for (int64_t i = offsets[test_comm.rank] * WIDTH; i < offsets[test_comm.rank + 1] * WIDTH; i++)
        all[i] = (int32_t)i;
    comm_gather_rows(&test_comm, all, offsets, WIDTH * (int64_t)sizeof *all);
    for (int64_t i = 0; i < total * WIDTH; i++)
        wrong += all[i] != i;
    MPI_EXPECT(wrong == 0, "%lld numbers", (long long)wrong);
    mem_free(all);
}

MPI_TEST(comm, gathers_nothing_alone, 1) {
    gather_parts();
}

MPI_TEST(comm, gathers_rows, 4) {
    gather_parts();
}

/* More than one message, and a rank that has nothing. */
MPI_TEST(comm, collects_on_rank_0, 3) {
    int64_t mine = test_comm.rank == 1 ? 0 : (1 << 24) + 3 + test_comm.rank, total, wrong = 0;
    unsigned char *bytes = mem_alloc(mine, 1);
    memset(bytes, 'a' + test_comm.rank, (size_t)mine);
    unsigned char *all = comm_collect(&test_comm, bytes, mine, &total);
    MPI_EXPECT(total == 2 * ((1 << 24) + 3) + 2, "%lld bytes", (long long)total);
    MPI_EXPECT((all != NULL) == (test_comm.rank == 0));
    for (int64_t i = 0; all && i < total; i++)
        wrong += all[i] != (i < mine ? 'a' : 'c');
    MPI_EXPECT(wrong == 0, "%lld bytes", (long long)wrong);
    mem_free(all);
    mem_free(bytes);
}

MPI_TEST(comm, knows_the_node, 3) {
    struct comm node;
    int mine, all;
    comm_open_node(&node, &test_comm);
    comm_processors(&node, &mine, &all);
    MPI_EXPECT(node.size == 3 && node.rank == test_comm.rank, "%d of %d", node.rank, node.size);
    MPI_EXPECT(mine >= 1 && all >= mine, "%d of %d", mine, all);
    comm_close(&node);
}

/* ---- errors ---- */

MPI_TEST(comm, finds_the_first, 4) {
    int rank = test_comm.rank;
    MPI_EXPECT(comm_first(&test_comm, false) == -1);
    MPI_EXPECT(comm_first(&test_comm, true) == 0);
    MPI_EXPECT(comm_first(&test_comm, rank >= 2) == 2);
}

static enum status count_call(int *calls, enum status status) {
    ++*calls;
    return status;
}

static void act_on_root(void) {
    int calls = 0;
    MPI_EXPECT(COMM_ON_ROOT(&test_comm, count_call(&calls, STATUS_OK)) == STATUS_OK);
    MPI_EXPECT(COMM_ON_ROOT(&test_comm, count_call(&calls, STATUS_IO)) == STATUS_IO);
    MPI_EXPECT(calls == (test_comm.rank == 0 ? 2 : 0), "%d calls", calls);
}

MPI_TEST(comm, acts_on_root_alone, 1) {
    act_on_root();
}

MPI_TEST(comm, acts_on_root, 3) {
    act_on_root();
}

/* The rank that speaks, by what is kept of its error. */
MPI_TEST(comm, says_an_error_once, 3) {
    log_hold();
    MPI_EXPECT(comm_error(&test_comm, STATUS_INPUT, "of all %d", 3) == STATUS_INPUT);
    const char *said = log_release();
    MPI_EXPECT(!strcmp(said, test_comm.rank == 0 ? "of all 3" : ""), "'%s'", said);
    log_hold();
    MPI_EXPECT(comm_error_of(&test_comm, 2, STATUS_FAIL, "of one") == STATUS_FAIL);
    said = log_release();
    MPI_EXPECT(!strcmp(said, test_comm.rank == 2 ? "of one" : ""), "'%s'", said);
}

MPI_TEST_MAIN()
