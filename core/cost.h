/* What a training step of LLM-EMF costs: memory, floating-point operations, memory traffic and
 * network traffic, from the configuration and the sizes of a batch alone. Pure functions, not
 * collective; `plan` prints them, `bench` divides by them.
 *
 * Letters: T tokens of a stream (each has one target), P = sum over sequences of L (L + 1) / 2, d
 * the width of a modality, nb blocks, C candidates of a softmax, N items, K negatives, R ranks. */
#ifndef CORE_COST_H
#define CORE_COST_H
#include "core/batch.h"
#include "core/options.h"

struct cost_model {
    const struct config *config;
    int64_t items, x_items, max_len;
    int64_t given[OPTION_LIST]; /* by modality: width of its feature table, 0 for id */
    int threads;                /* per rank */
};

/* Sequences of a batch, of one rank's share of it, or of histories to be ranked. */
struct cost_load {
    int64_t samples;
    int64_t sequences[STREAMS], pairs[STREAMS]; /* those that are not empty; P */
    int64_t targets[STREAMS][2];                /* by domain; a stream's tokens are their sum */
    int64_t ranked[2];                          /* histories by their target's domain */
};

/* Add a training sequence that has count[s][d] targets (batch_count_targets); a batch of them; a
 * history, whose last item is its target and whose tokens count as targets. */
void cost_load_add(struct cost_load *load, const int64_t count[STREAMS][2]);
void cost_load_add_batch(struct cost_load *load, const struct batch *batch, int64_t x_items);
void cost_load_add_history(struct cost_load *load, const int32_t *items, int64_t length,
                           int64_t x_items, int64_t max_len);
void cost_load_join(struct cost_load *load, const struct cost_load *other);

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

/* Learned numbers with the padding of core/params: of all, and of the id tables among them. */
int64_t cost_parameters(const struct cost_model *model);
int64_t cost_table_parameters(const struct cost_model *model);

/* `load` is what a rank works on at once, `all` the whole batch, `history` the most histories it
 * ranks at once (NULL: no evaluation). Replicated, with V = (12 nb + 4) T d values and
 * G = (10 nb + 4) T d gradients per stream and modality, and the attention weights H P:
 *   exact: projected rows and their gradients, 2 N d
 *   sampled: the rows of an item set (inputs, targets, negatives; as many distinct ones as uniform
 *     draws give), those of a learned table at unit norm as well, both with gradients; the
 * negatives' rows gathered from it; the id tables have no dense gradient The reduction starts all
 * its pieces, and Open MPI holds a buffer of its size for each: once the dense gradients if R > 1,
 * and the union of the ranks' rows; reproducible: log2(8 / R) times the gradients, which are all
 * dense. Sharded: the id tables with gradients and moments, the feature tables and the unit-norm
 * rows are divided by R; input rows come as an item set, and what is asked for and given takes as
 * much again; exact: tiles hold positions of all ranks. */
void cost_memory(const struct cost_model *model, enum cost_placement placement, int ranks,
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

/* Of a stage, over all ranks, for a batch (evaluation: for histories). Recomputation does not
 * count.
 *   encoders: 12 nb d^2 per token and 4 d per pair forward, twice that backward; a projection 2 and
 *     2 times given x d per row; values are written and read once, backward gradients too
 *   loss: 6 T C d for a learned table (3 products), 4 T C d for a frozen one; item rows are read
 *     once per softmax, the gradients of learned ones read and written
 *   reduction: gradients once, of tables with gradients by rows the step's rows
 *   optimizer: 10 operations per parameter that it moves (lazy_adamw: those with a gradient); x, m,
 * v read and written, gradients read, by every rank evaluation: encoders forward, 2 C d per sample,
 * stream and modality; item rows read once */
struct cost_work cost_stage(const struct cost_model *model, enum cost_stage stage, int ranks,
                            const struct cost_load *load);

/* ---- network, of one rank and step ---- */

struct cost_traffic {
    double bytes;    /* sent */
    double messages; /* one after another */
};

/* Replicated: 2 (R - 1) / R times the dense gradients and the union of the rows, in pieces of 1 MiB
 * with 2 ceil(log2 R) messages each; reproducible: log2 R times the gradients. Sharded: the other
 * parameters like that; (R - 1) / R of the item set's rows of learned and frozen tables fetched,
 * and the gradients of learned ones sent back; exact: states gathered and their gradients reduced,
 * 2 (R - 1) / R of T d of the whole batch. */
struct cost_traffic cost_traffic(const struct cost_model *model, enum cost_placement placement,
                                 int ranks, const struct cost_load *load,
                                 const struct cost_load *all);

#endif
