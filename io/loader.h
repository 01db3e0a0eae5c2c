/* The training sequences of a rank, epoch by epoch.
 *
 * Each rank reads a block of the training sequences once. The order of an epoch is a random
 * permutation keyed by (seed, epoch); step k takes the next `batch` sequences of it, whatever the
 * number of ranks. A step is dealt to `shares` shares by cost; each rank works on as many of them
 * (partition/deal.h), which are brought to it at the start of an epoch. Memory per rank is a part of
 * that of all sequences. */
#ifndef IO_LOADER_H
#define IO_LOADER_H
#include "core/cost/price.h"
#include "io/dataset.h"
#include "io/shard.h"

struct loader {
    const struct comm *comm;
    int shares; /* of a step, of all ranks */
    int64_t batch;
    const struct model *model; /* tells costs and packs the batches; borrowed */
    struct target_price price;
    struct shard train;

    int64_t epoch;          /* that of `hand`, -1 before the first */
    struct hand hand;       /* this rank's sequences of the epoch */
    struct sample *samples; /* room for those of one step */
};

/* Collective. `shares` is a multiple of the ranks. train.batch above the number of sequences means
 * all of them. */
CHECKED enum status loader_open(struct loader *loader, const struct comm *comm, int shares,
                                const struct dataset *dataset, const struct model *model);
void loader_close(struct loader *loader); /* Not collective. Safe on a zeroed object. */

int64_t loader_steps(const struct loader *loader); /* per epoch, the last one may be smaller */

/* Collective. Go to an epoch (0 for the first). */
void loader_epoch(struct loader *loader, int64_t epoch);

/* Not collective. The sequences of step k of the epoch and of one of this rank's shares, packed.
 * Returns the number of sequences of the step over all shares. */
int64_t loader_step(const struct loader *loader, int64_t k, int share, struct batch *batch);

#endif
