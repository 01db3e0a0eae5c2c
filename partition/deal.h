/* Dealing the samples of a step: to shares of near equal cost, and the shares to the ranks. Not
 * collective: pure functions, with the same result on all ranks.
 *
 * The number of shares is a multiple of the ranks, and with k = shares / ranks
 *
 *     rank r has the shares r k, r k + 1, ..., r k + k - 1. */
#ifndef PARTITION_DEAL_H
#define PARTITION_DEAL_H
#include <stdint.h>

struct deal {
    int shares, ranks;
    int64_t *load;  /* [shares] what the samples of each share weigh together */
    int64_t *order; /* [samples] scratch */
};

/* Numbers of `room` that deal_over takes for at most n samples. */
static inline int64_t deal_room(int64_t n, int shares) {
    return n + shares;
}

/* `room` [deal_room] stays the caller's and must outlive the deal. */
static inline struct deal deal_over(int shares, int ranks, int64_t *room) {
    return (struct deal){shares, ranks, room, room + shares};
}

/* share[i] of sample i with cost[i] > 0: the largest first, each to the least loaded share
 * (Graham's LPT rule, within 4/3 of the best). Ties go to the lower sample and the lower share. The
 * load is that of the costs. */
void deal_samples(struct deal *deal, const int64_t *cost, int64_t n, int32_t *share);

/* Leave the samples with their shares and take the load from another weight of each. */
void deal_weigh(struct deal *deal, const int64_t *weight, int64_t n, const int32_t *share);

/* The share with the largest load, the first of them. */
int deal_largest(const struct deal *deal);

/* The rank that has a share. */
static inline int deal_rank(const struct deal *deal, int share) {
    return share / (deal->shares / deal->ranks);
}

#endif
