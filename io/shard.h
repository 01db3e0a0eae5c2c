/* A split of the data set as the ranks hold it: each a block of its sequences, and all ranks the
 * length and the cost of every sequence. From there sequences are dealt to the ranks that work on
 * them. */
#ifndef IO_SHARD_H
#define IO_SHARD_H
#include "io/dataset.h"
#include "mpi/exchange.h"

/* Cost of a sequence, > 0, in any unit. */
typedef int64_t shard_cost_fn(const void *context, const int32_t *items, int64_t length);

struct shard {
    const struct comm *comm;
    int64_t count;         /* sequences of the split */
    int64_t *first;        /* [size + 1] blocks of the ranks */
    int32_t *length;       /* [count] */
    int64_t *cost;         /* [count] */
    struct sequences home; /* this rank's block */
};

/* Collective. */
CHECKED enum status shard_open(struct shard *shard, const struct comm *comm,
                               const struct dataset *dataset, enum split split, shard_cost_fn *cost,
                               const void *context);
void shard_close(struct shard *shard); /* not collective; safe on a zeroed object, zeroes it */

/* What this rank was dealt. */
struct hand {
    struct exchange_rows rows; /* rows.place[i] is the place of a sequence in the order */
    int32_t *share;            /* [rows.count] that it is of, among those of its step */
};

/* Collective. Deal the sequences order[0..count), `step` at a time, to `shares` shares by their
 * costs (partition/deal.h), a multiple of the ranks, and bring them to the ranks that have the
 * shares. */
CHECKED enum status shard_deal(const struct shard *shard, const int64_t *order, int64_t step,
                               int shares, struct hand *hand);
void hand_free(struct hand *hand); /* not collective; safe on a zeroed object, zeroes it */

#endif
