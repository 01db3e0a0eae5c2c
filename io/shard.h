/* A split of the data set as the ranks hold it: each a block of its sequences. From there sequences
 * are dealt to the ranks that work on them. No rank holds anything about all sequences. */
#ifndef IO_SHARD_H
#define IO_SHARD_H
#include "core/batch.h"
#include "core/clock.h"
#include "io/dataset.h"

/* Cost of a sequence, > 0, in any unit. */
typedef int64_t shard_cost_fn(const void *context, const int32_t *items, int64_t length);

struct shard {
    const struct comm *comm;
    int64_t count;         /* sequences of the split */
    int64_t first;         /* of this rank's block */
    struct sequences home; /* this rank's block */
    int64_t *cost;         /* [home.count] */
};

/* Collective. With times, if the clock has knots and the data set times. */
CHECKED enum status shard_open(struct shard *shard, const struct comm *comm,
                               const struct dataset *dataset, enum split split,
                               const struct clock *clock, shard_cost_fn *cost, const void *context);
void shard_close(struct shard *shard); /* not collective; safe on a zeroed object, zeroes it */

/* The sequences that this rank was dealt. */
struct hand {
    int64_t count;
    int64_t *place;    /* [count] in the order of all, ascending */
    int64_t *sequence; /* [count] numbers in the split */
    int32_t *share;    /* [count] that they are of, among those of their step */
    int64_t *offsets;  /* [count + 1] */
    int32_t *values;   /* [offsets[count]] items */
    real *times;       /* [offsets[count]] as of struct sequences */
};

/* Collective. Sequence i of this rank's block stands at place[i] of an order of all. Deal those in
 * this order, `step` at a time, to `shares` shares by their costs (partition/deal.h), a multiple of
 * the ranks, and bring them to the ranks that have the shares. Each rank deals a block of the steps. */
void shard_deal(const struct shard *shard, const int64_t *place, int64_t step, int shares,
                struct hand *hand);
/* Its i-th sequence, as number `id`. Not collective; borrows the hand's memory. */
struct sample hand_sample(const struct hand *hand, int64_t i, int64_t id);

void hand_free(struct hand *hand); /* not collective; safe on a zeroed object, zeroes it */

#endif
