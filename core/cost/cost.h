/* Memory and network traffic of one rank in training, from a declared model and what a step takes
 * on a dry tape. Pure functions, not collective; `plan` prints them. Where the item tables are
 * shared out is what the model was declared with: collectives, and the rows that are here. */
#ifndef CORE_COST_COST_H
#define CORE_COST_COST_H
#include "core/cost/step.h"

/* ---- memory, bytes ---- */

struct cost_bytes {
    int64_t parameters, gradients, moments;
    int64_t reduction; /* buffers of mpi/reduce or mpi/reduce_ordered, of mpi/reduce_sparse or
                          mpi/lookup */
    int64_t features;
    int64_t activations; /* values and gradients on the tape when backward has ended */
    int64_t tiles;       /* scratch of the loss; backward uses this memory again */
    int64_t evaluation;  /* states, logits and item rows in the making of the ranking */
    int64_t total;       /* less than the sum where backward overwrites tiles */
};

/* The reduction starts all its pieces, and Open MPI holds a buffer of its size for each: once the
 * gradients of what is no item table if ranks > 1; reproducible: log2(8 / ranks) times all that are
 * summed. Rows are summed over the union of the ranks' item sets; sharded, what a rank asks for and
 * what it gives take as much again, and once more on their way in two hops. Tags stand on every rank.
 * `evaluation` is cost_ranking's. */
void cost_memory(const struct model *model, int ranks, const struct cost_step *step,
                 int64_t evaluation, struct cost_bytes *bytes);

/* ---- network, of a step ---- */

struct cost_traffic {
    double bytes;    /* sent */
    double away;     /* of these, to other nodes */
    double messages; /* one after another */
};

/* The ranks, and those of one node, which stand together. */
struct cost_ranks {
    int all, of_node;
};

/* With R ranks: 2 (R - 1) / R times the dense gradients and the union of the rows, in pieces of
 * 1 MiB with 2 ceil(log2 R) messages each. As neighbours are joined first, what leaves a node is not
 * multiplied by its ranks: of N nodes 2 (N - 1) / N times the data each. Reproducible: log2 R times the
 * gradients. Of rows that ranks make in parts (core/ops/parts.h), and of their gradients, (R - 1) / R.
 * Sharded: the other parameters like that; (R - 1) / R of the rows of learned and frozen
 * tables fetched and of the gradients of learned ones sent back, twice in two hops (grid_hops), and of
 * the states that ranks exchange; four exchanges of messages, for the counts, the numbers of rows, the
 * rows and the gradients. */
struct cost_traffic cost_traffic(const struct model *model, struct cost_ranks ranks,
                                 const struct cost_step *step);

/* Of it, what goes on while backward runs: the sums of the parameters that backward completes before
 * its end. Those of item tables are complete at its end; reproducible sums begin then. */
struct cost_traffic cost_hidden_traffic(const struct model *model, struct cost_ranks ranks);

/* ---- the update, of a step ---- */

/* AdamW of `moved` parameters, of whose gradients `touched` are not zero: ten operations for each;
 * values and moments are read and written, gradients read. */
struct tape_work cost_adamw(double moved, double touched);

/* Of a rank: with lazy AdamW the rows move that a step touches, else all. */
struct tape_work cost_update(const struct model *model, int ranks, const struct cost_step *step);

#endif
