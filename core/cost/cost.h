/* What a training step of a model costs: memory, floating-point operations, memory traffic and
 * network traffic, from the declared model and the sizes of a batch alone. Pure functions, not
 * collective; `plan` prints them, `bench` divides by them.
 *
 * A step is a sum of layers on the tape (core/cost/step.h); what the models differ in is in
 * core/cost/shape.h, the letters in core/cost/load.h. */
#ifndef CORE_COST_COST_H
#define CORE_COST_COST_H
#include "core/cost/shape.h"

/* ---- memory, bytes of one rank ---- */

enum cost_placement { COST_REPLICATED, COST_SHARDED, COST_PLACEMENTS };
extern const char *const cost_placement_names[COST_PLACEMENTS];

struct cost_bytes {
    int64_t parameters, gradients, moments;
    int64_t reduction; /* buffers of mpi/reduce or mpi/tree */
    int64_t features;
    int64_t activations; /* values and gradients on the tape when backward has ended */
    int64_t tiles;       /* scratch of the loss; backward uses this memory again */
    int64_t evaluation;  /* states, logits and item rows in the making of the ranking */
    int64_t total;       /* less than the sum where backward overwrites tiles */
};

/* `load` is what a rank works on at once, `all` the whole batch, `history` the most histories it
 * ranks at once (NULL: no evaluation). On the tape are the encoders' and the items' layers: in the
 * exact loss rows of all N items where they are computed; sampled those of an item set (inputs,
 * targets, negatives; as many distinct ones as uniform draws give, with train.sampler=batch from
 * the batch), the tables' rows that they are made of, the negatives' rows gathered from it, and the
 * id tables have no dense gradient. The contrast's views are on every rank.
 * The reduction starts all its pieces, and Open MPI holds a buffer of its size for each: once the
 * dense gradients if R > 1, and the union of the ranks' rows; reproducible: log2(8 / R) times the
 * gradients, which are all dense. Sharded: the id tables with gradients and moments, the feature
 * tables and the rows of all items are divided by R, tags are not; input rows come as an item set,
 * and what is asked for and given takes as much again; exact: tiles hold positions of all ranks. */
void cost_memory(const struct cost_model *cost, enum cost_placement placement, int ranks,
                 const struct cost_load *load, const struct cost_load *all,
                 const struct cost_load *history, struct cost_bytes *bytes);

/* ---- work of a step ---- */

struct cost_work {
    double flops, bytes; /* useful operations; least memory traffic */
};

enum cost_stage {
    COST_INPUT,
    COST_ENCODER_FORWARD,
    COST_LOSS,
    COST_ENCODER_BACKWARD,
    COST_REDUCTION,
    COST_OPTIMIZER,
    COST_EVALUATION,
    COST_STAGES
};
extern const char *const cost_stage_names[COST_STAGES];

/* Of a stage, over all ranks, for a batch (evaluation: for histories). Useful operations are those
 * of products: linear layers, attention, softmaxes. Recomputation does not count, nor what every
 * rank computes again.
 *   linear layers: 2 in x out per row forward, twice that backward; once where the rows that go in
 *     are frozen. Of an encoder block 12 d^2 per token, with tags 8 d^2 more; attention 4 d per
 *     pair; values are written and read once, backward gradients too
 *   loss: 6 T C d for learned rows (3 products), 4 T C d for frozen ones; item rows are read once
 *     per softmax, the gradients of learned ones read and written; contrast: two softmaxes of n
 *     distinct items each, and forward of their views
 *   reduction: gradients once, of tables with gradients by rows the step's rows
 *   optimizer: 10 operations per parameter that it moves (lazy_adamw: those with a gradient); x, m,
 *     v read and written, gradients read, by every rank
 *   evaluation: encoders and rows of all items forward, 2 C d per sample, stream with a softmax and
 *     term; item rows read once. The ranking makes these last products twice, once for the
 *     normalisers: of its time at most half is useful (core/catalogue/rank.h) */
struct cost_work cost_stage(const struct cost_model *cost, enum cost_stage stage, int ranks,
                            const struct cost_load *load);

/* ---- network, of one rank and step ---- */

struct cost_traffic {
    double bytes;    /* sent */
    double messages; /* one after another */
};

/* Replicated: 2 (R - 1) / R times the dense gradients and the union of the rows, in pieces of 1 MiB
 * with 2 ceil(log2 R) messages each; reproducible: log2 R times the gradients. Sharded: the other
 * parameters like that; (R - 1) / R of the item set's rows of learned and frozen tables fetched, of
 * frozen ones those of the contrast too, and the gradients of learned ones sent back; exact: states
 * gathered and their gradients reduced, 2 (R - 1) / R of T d of the whole batch. */
struct cost_traffic cost_traffic(const struct cost_model *cost, enum cost_placement placement,
                                 int ranks, const struct cost_load *load,
                                 const struct cost_load *all);

#endif
