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

MPI_TEST_MAIN()
