/* Sharing work and gradients among ranks. */
#include "core/rng.h"
#include "io/shard.h"
#include "mpi/exchange.h"
#include "mpi/reduce.h"
#include "mpi/reduce_ordered.h"
#include "partition/deal.h"
#include "partition/range.h"
#include "tests/mpitest.h"

enum { SEQUENCES = 1000, STEP = 64 };

/* Sequence i has i % 7 items, all i, and costs some. */
static int64_t cost_of_sequence(int64_t i) {
    return 1 + i * i % 83;
}

static void open_block(struct shard *shard) {
    struct range block = range_of(SEQUENCES, test_comm.size, test_comm.rank);
    struct sequences *home = &shard->home;
    int64_t n = block.hi - block.lo;
    *shard = (struct shard){.comm = &test_comm, .count = SEQUENCES, .first = block.lo};
    *home = (struct sequences){n, mem_zero(n + 1, sizeof *home->offsets),
                               mem_alloc(7 * n, sizeof *home->items)};
    shard->cost = mem_alloc(n, sizeof *shard->cost);
    for (int64_t i = 0; i < n; i++) {
        int64_t sequence = block.lo + i;
        home->offsets[i + 1] = home->offsets[i] + sequence % 7;
        for (int64_t v = home->offsets[i]; v < home->offsets[i + 1]; v++)
            home->items[v] = (int32_t)sequence;
        shard->cost[i] = cost_of_sequence(sequence);
    }
}

/* The share of every place of an order, dealt by one alone. */
static void deal_alone(const int64_t *order, int64_t step, int shares, int32_t *share) {
    int64_t cost[SEQUENCES], *room = mem_alloc(deal_room(step, shares), sizeof *room);
    struct deal deal = deal_over(shares, test_comm.size, room);
    for (int64_t p = 0; p < SEQUENCES; p++)
        cost[p] = cost_of_sequence(order[p]);
    for (int64_t at = 0; at < SEQUENCES; at += step)
        deal_samples(&deal, cost + at, SEQUENCES - at < step ? SEQUENCES - at : step, share + at);
    mem_free(room);
}

/* Every sequence goes once, to the rank that has its share, in the wanted order. */
static void deal_case(int64_t step, int each) {
    int64_t order[SEQUENCES], place[SEQUENCES], seen, wrong = 0;
    int32_t share[SEQUENCES];
    int shares = each * test_comm.size;
    struct shard shard;
    struct hand hand;
    open_block(&shard);
    rng_permutation(rng_key(1, RNG_TEST, 0, 0), SEQUENCES, order);
    for (int64_t p = 0; p < SEQUENCES; p++)
        if (order[p] >= shard.first && order[p] < shard.first + shard.home.count)
            place[order[p] - shard.first] = p;
    deal_alone(order, step, shares, share);
    shard_deal(&shard, place, step, shares, &hand);
    for (int64_t k = 0; k < hand.count; k++) {
        int64_t p = hand.place[k], i = order[p];
        wrong += k > 0 && p <= hand.place[k - 1];
        wrong += hand.sequence[k] != i || hand.share[k] != share[p];
        wrong += share[p] / each != test_comm.rank;
        wrong += hand.offsets[k + 1] - hand.offsets[k] != i % 7;
        for (int64_t v = hand.offsets[k]; v < hand.offsets[k + 1]; v++)
            wrong += hand.values[v] != i;
    }
    seen = hand.count;
    comm_sum_i64(&test_comm, &seen, 1);
    MPI_EXPECT(seen == SEQUENCES && wrong == 0, "%d sequences arrived, %d wrong", (int)seen,
               (int)wrong);
    hand_free(&hand);
    shard_close(&shard);
}

/* Steps that end with the sequences or not, one step, more ranks than steps. */
static void all_deals(void) {
    const int64_t step[] = {STEP, 100, SEQUENCES, 1};
    for (int i = 0; i < 4; i++)
        for (int each = 1; each <= 2; each++)
            deal_case(step[i], each);
}

MPI_TEST(deal, one_rank, 1) {
    all_deals();
}

MPI_TEST(deal, four_ranks, 4) {
    all_deals();
}

/* A split without sequences. */
MPI_TEST(deal, nothing, 2) {
    struct shard shard = {.comm = &test_comm};
    struct hand hand;
    shard.home.offsets = mem_zero(1, sizeof *shard.home.offsets);
    shard_deal(&shard, NULL, 0, test_comm.size, &hand);
    MPI_EXPECT(hand.count == 0, "%d sequences", (int)hand.count);
    hand_free(&hand);
    shard_close(&shard);
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
    int64_t at[9] = {0}, from[9] = {1}, next = 0, wrong = 0;
    int me = test_comm.rank;
    for (int r = 0; r < test_comm.size; r++)
        at[r + 1] = at[r] + bytes_between(me, r);
    char *data = mem_alloc(at[test_comm.size], 1);
    for (int r = 0; r < test_comm.size; r++)
        for (int64_t i = at[r]; i < at[r + 1]; i++)
            data[i] = byte_between(me, r, i - at[r]);
    char *got = exchange_bytes(&test_comm, data, at, from);
    int64_t total = from[test_comm.size];
    for (int s = 0; s < test_comm.size; s++) {
        wrong += from[s] != next;
        for (int64_t i = 0; i < bytes_between(s, me); i++)
            wrong += next >= total || got[next++] != byte_between(s, me, i);
    }
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

/* Sums of all buckets although ranks complete their gradients in different orders, and of an item
 * table. */
static void reduce_case(void) {
    struct params params = {0};
    struct reduce reduce;
    int64_t shape[] = {3, 100000, 17, 300000, 5, 5, 70000, 1};
    int order[8];
    for (int i = 0; i < 8; i++)
        params_add(&params, 1, 1, shape[i], PARAM_ZERO, 1, "p%d", i);
    params_of_items(&params, 3);
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
