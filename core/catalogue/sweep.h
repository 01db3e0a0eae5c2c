/* The work of core/catalogue/loss.h over the candidates, which is all but a little of it: two
 * sweeps over the chunks of items for each tile of positions. Not collective.
 *
 * A softmax here is what has one normaliser: a head in probability fusion, all heads together in
 * logit fusion. For the gBCE "exponentials" are sigmoids, and sums are of -log(1 - sigma(z)). */
#ifndef CORE_CATALOGUE_SWEEP_H
#define CORE_CATALOGUE_SWEEP_H
#include "core/catalogue/loss_input.h"
#include "core/catalogue/softmax.h"
#include "core/catalogue/tiles.h"

struct sweep_softmax {
    bool learned;            /* some of its item rows take gradients */
    struct logsumexp *sum;   /* [threads][tile] out of the first sweep */
    struct logsumexp *total; /* [tile] the normaliser, and ... */
    double *factor;          /* [tile] ... the factor of the gradients, for the second */
    real *kept;              /* [chunks][tile, CHUNK] exponentials; NULL: not kept */
    real *shift;             /* [chunks][tile] under which those were taken */
};

struct sweep {
    const struct catalogue_loss *loss;
    bool record;
    gemm_fn *product; /* single-threaded, in the tape's precision */
    int threads;
    struct catalogue_hits hits; /* rows are counted through all tiles */
    struct tile tile;           /* at hand */
    int64_t rows;               /* of a tile at most: "[tile]" */

    int softmaxes;
    int fused; /* heads of a softmax: those of softmax s are head[s .. s + fused - 1] */
    struct sweep_softmax softmax[CATALOGUE_HEADS];
    struct tile_head head[CATALOGUE_HEADS];
    real *q[CATALOGUE_HEADS];     /* [tile, d] the states of the head */
    real *state[CATALOGUE_HEADS]; /* [threads][tile, d] out of the first: sum of exp(z) e */

    real *logits;   /* [threads][tile, CHUNK] */
    real *scaled;   /* [threads][tile, widest] */
    int64_t widest; /* d of the heads */
};

static inline int sweep_softmax_of(const struct sweep *sweep, int head) {
    return sweep->softmaxes == 1 ? 0 : head;
}

/* The heads and softmaxes of a loss. */
void sweep_plan(struct sweep *sweep, const struct tape *tape, const struct catalogue_loss *loss);

/* Scratch from the arena, for tiles of so many rows; `keep` the exponentials between the sweeps. */
void sweep_allocate(struct sweep *sweep, struct arena *arena, int64_t rows, bool keep);

/* First sweep: from the states q of the tile the sums and, where the tape records, the state
 * gradients `state`, not yet normalised. */
void sweep_states(struct sweep *sweep);

/* Second sweep: from `total` and `factor` the gradients of learned item rows, which are added. */
void sweep_items(struct sweep *sweep);

#endif
