#include "partition/deal.h"
#include "core/rng.h"
#include "tests/balanced.h"
#include <criterion/criterion.h>
#include <string.h>

BALANCED(deal);

enum { N = 256, SHARES = 8 };

static int64_t cost[N], room[N + SHARES];
static int32_t share[N];

static struct deal deal_random(int64_t n, int shares, int ranks) {
    struct deal deal = deal_over(shares, ranks, room);
    for (int64_t i = 0; i < n; i++)
        cost[i] = 1 + rng_below(rng_key(5, RNG_TEST, 0, 0), (uint64_t)i, 1000);
    deal_samples(&deal, cost, n, share);
    return deal;
}

/* The loads are those of the samples, and no two are further apart than the largest sample. */
static void check_loads(const struct deal *deal, int64_t n) {
    int64_t load[SHARES] = {0}, largest = 0;
    for (int64_t i = 0; i < n; i++) {
        cr_assert(share[i] >= 0 && share[i] < deal->shares, "sample %ld", i);
        load[share[i]] += cost[i];
        largest = cost[i] > largest ? cost[i] : largest;
    }
    for (int s = 0; s < deal->shares; s++) {
        cr_expect_eq(load[s], deal->load[s], "share %d", s);
        cr_expect(load[deal_largest(deal)] - load[s] <= largest, "share %d", s);
    }
}

Test(deal, every_sample_has_one_share_and_loads_are_near) {
    for (int64_t n = 0; n <= N; n += 32)
        for (int shares = 1; shares <= SHARES; shares++) {
            struct deal deal = deal_random(n, shares, 1);
            check_loads(&deal, n);
        }
}

Test(deal, many_samples_come_near_the_mean) {
    struct deal deal = deal_random(N, 7, 7);
    int64_t sum = 0;
    for (int s = 0; s < 7; s++)
        sum += deal.load[s];
    cr_expect((double)deal.load[deal_largest(&deal)] * 7 < 1.02 * (double)sum);
}

Test(deal, shares_without_samples) {
    struct deal deal = deal_random(3, 7, 7);
    cr_expect(share[0] != share[1] && share[1] != share[2] && share[0] != share[2]);
    cr_expect_eq(deal.load[6], 0);
}

Test(deal, same_costs_same_shares) {
    int32_t before[N];
    deal_random(N, SHARES, 2);
    memcpy(before, share, sizeof before);
    memset(room, 0xff, sizeof room);
    deal_random(N, SHARES, 4);
    cr_expect_eq(memcmp(before, share, sizeof before), 0, "scratch and ranks do not matter");
}

Test(deal, ties_go_to_the_lower_sample_and_share) {
    struct deal deal = deal_over(3, 3, room);
    for (int i = 0; i < 7; i++)
        cost[i] = 1;
    deal_samples(&deal, cost, 7, share);
    for (int i = 0; i < 7; i++)
        cr_expect_eq(share[i], i % 3);
    cr_expect_eq(deal_largest(&deal), 0);
}

Test(deal, another_weight_leaves_the_shares) {
    struct deal deal = deal_random(N, 5, 5);
    int64_t one[N], samples = 0, fifth = 0;
    for (int i = 0; i < N; i++) {
        one[i] = 1;
        fifth += share[i] == 4;
    }
    deal_weigh(&deal, one, N, share);
    for (int s = 0; s < 5; s++)
        samples += deal.load[s];
    cr_expect_eq(samples, N);
    cr_expect_eq(deal.load[4], fifth);
}

Test(deal, ranks_have_as_many_shares) {
    for (int ranks = 1; ranks <= SHARES; ranks *= 2) {
        struct deal deal = deal_over(SHARES, ranks, room);
        int count[SHARES] = {0};
        for (int s = 0; s < SHARES; s++) {
            count[deal_rank(&deal, s)]++;
            cr_expect(s == 0 || deal_rank(&deal, s) >= deal_rank(&deal, s - 1));
        }
        for (int r = 0; r < ranks; r++)
            cr_expect_eq(count[r], SHARES / ranks);
    }
}
