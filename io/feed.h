/* The training sequences of a rank, epoch by epoch.
 *
 * Each rank reads a block of the training sequences once. The order of an epoch is a random
 * permutation keyed by (seed, epoch); step k takes the next `batch` sequences of it, whatever the
 * number of ranks. At the start of an epoch every rank is given its share of every step, balanced
 * by cost, by one exchange. Memory per rank: a share of the items, and a few integers per sequence.
 */
#ifndef IO_FEED_H
#define IO_FEED_H
#include "core/batch.h"
#include "io/dataset.h"
#include "io/shard.h"

/* Price of a training target in stream s and domain d, in any unit. */
struct feed_price {
    int64_t target[STREAMS][2];
};

struct feed {
    const struct comm *comm;
    int64_t x_items, max_len, batch, seed;
    struct feed_price price;
    struct shard train;

    int64_t epoch;  /* that of `share`, -1 before the first */
    int64_t *order; /* [sequences] */
    struct exchange_rows share;
    struct sample *samples; /* room for this rank's sequences of one step */
    double imbalance;       /* mean over the epoch's steps of largest over mean cost */
};

/* Collective. `batch` above the number of sequences means all of them. */
CHECKED enum status feed_open(struct feed *feed, const struct comm *comm,
                              const struct dataset *dataset, const struct feed_price *price,
                              int64_t max_len, int64_t batch, int64_t seed);
void feed_close(struct feed *feed); /* Not collective. Safe on a zeroed object. */

int64_t feed_steps(const struct feed *feed); /* per epoch, the last one may be smaller */

/* Collective. Go to an epoch (0 for the first). */
CHECKED enum status feed_epoch(struct feed *feed, int64_t epoch);

/* Not collective. This rank's sequences of step k of the epoch, packed. Returns the number of
 * sequences of the step over all ranks. */
int64_t feed_step(const struct feed *feed, int64_t k, struct batch *batch);

#endif
