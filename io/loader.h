/* The training sequences of a rank, epoch by epoch.
 *
 * Each rank reads a block of the training sequences once. The order of an epoch is a random
 * permutation keyed by (seed, epoch); step k takes the next `batch` sequences of it, whatever the
 * number of ranks. A step is dealt to `parts` owners, balanced by cost; rank r of R works on the
 * parts [parts r / R, parts (r + 1) / R), which one exchange at the start of an epoch brings to it.
 * Memory per rank: a share of the items, and a few integers per sequence. */
#ifndef IO_LOADER_H
#define IO_LOADER_H
#include "core/models/model.h"
#include "io/dataset.h"
#include "io/shard.h"

/* Price of a training target in stream s and domain d, in any unit. */
struct target_price {
    int64_t target[STREAMS][2];
};

/* Of a sequence with count[s][d] targets (batch_count_targets), > 0. Not collective. */
int64_t loader_cost(const struct target_price *price, const int64_t count[STREAMS][2]);

struct loader {
    const struct comm *comm;
    int parts;
    int64_t a_items, max_len, batch, seed;
    const struct model *model; /* packs the batches; to be set after open */
    struct target_price price;
    struct shard train;

    int64_t epoch;  /* that of `share`, -1 before the first */
    int64_t *order; /* [sequences] */
    struct exchange_rows share;
    int32_t *part;          /* [share.count] of each of this rank's sequences */
    struct sample *samples; /* room for this rank's sequences of one step */
    double imbalance;       /* mean over the epoch's steps of largest over mean cost of a part */
};

/* Collective. `parts` is a multiple of the ranks. `batch` above the number of sequences means all
 * of them. */
CHECKED enum status loader_open(struct loader *loader, const struct comm *comm, int parts,
                                const struct dataset *dataset, const struct target_price *price,
                                int64_t max_len, int64_t batch, int64_t seed);
void loader_close(struct loader *loader); /* Not collective. Safe on a zeroed object. */

int64_t loader_steps(const struct loader *loader); /* per epoch, the last one may be smaller */

/* Collective. Go to an epoch (0 for the first). */
CHECKED enum status loader_epoch(struct loader *loader, int64_t epoch);

/* Not collective. The sequences of step k of the epoch and of one of this rank's parts, packed.
 * Returns the number of sequences of the step over all parts. */
int64_t loader_step(const struct loader *loader, int64_t k, int part, struct batch *batch);

#endif
