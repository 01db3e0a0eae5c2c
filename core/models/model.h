/* A model: its parameters over the item tables of a data set, the training loss of a batch, the
 * ranking of histories. model.name chooses one of the kinds in core/models/kind.h. Not collective
 * unless said: a rank computes the share of its own sequences; weights carry the global counts. */
#ifndef CORE_MODELS_MODEL_H
#define CORE_MODELS_MODEL_H
#include "core/batch.h"
#include "core/catalogue/rank.h"
#include "core/models/encoder.h"
#include "core/models/item_set.h"
#include "core/ops/tags.h"
#include "core/options.h"
#include "core/params.h"
#include "core/phase.h"
#include "core/sampler.h"
#include "core/tape.h"

/* A frozen table: unit-norm rows, zero where missing. Owned by the caller. The encoders read `rows`
 * and the item side `unit`: one table, unless a double-precision comparison needs norms that are
 * exact beyond the single precision of the file. */
struct frozen_table {
    const real *rows; /* [items that are here, dim] */
    const real *unit; /* the same */
    int64_t dim;
};

/* What the data set determines. table[m] belongs to modality m of the configuration; rows NULL for
 * `id`, and for one that the model computes, whose dim is given. Tags are here of all items. With
 * `collectives` the ranks share out the items of each domain: only the rows `local` of the item
 * tables are here, learned or frozen, and no rank has more than max_local[d] of domain d; without,
 * all are. */
struct catalogue {
    int64_t items, a_items, max_len;
    struct frozen_table table[OPTION_LIST];
    struct tag_table tags; /* tema_llm; else zero */
    const struct collectives *collectives;
    const struct sampler *sampler; /* of the training negatives */
    struct item_block local;
    int64_t max_local[DOMAINS];
};

/* Parts of the total loss: those of the streams, and the contrast of the views (sema_cdr). */
enum { LOSS_CONTRAST = STREAMS, LOSS_PARTS };

struct model_kind;

struct model {
    const struct model_kind *kind;
    const struct config *config; /* the caller's, outlives the model */
    struct catalogue catalogue;
    struct params params;
    int modalities; /* item tables */
    int terms;      /* of a softmax: its states are compared with the rows of modality 0, 1, ... */
    struct {
        int64_t dim; /* width of states and item rows, after projection */
        int table;   /* parameter of `id`, -1 */
        int proj;    /* layer of the projection, -1 */
        bool frozen; /* nothing is learned between the table and its item side */
        int scale;   /* parameter tau, -1: fixed */
        struct encoder encoder[STREAMS];
    } modality[OPTION_LIST];
    void *state; /* of the kind, private to its file */
};

/* Declare all parameters; model_create then makes and initialises them. STATUS_INPUT when the
 * configuration does not fit (heads do not divide a width). `training` false: no gradients and
 * moments. A declared model has no numbers, and tells what it costs (core/cost/cost.h): of the
 * tables only the widths are read. */
CHECKED enum status model_declare(struct model *model, const struct config *config,
                                  const struct catalogue *shape);
CHECKED enum status model_create(struct model *model, const struct config *config,
                                 const struct catalogue *shape, bool training);
void model_free(struct model *model); /* zeroes it */

/* Start the id embedding from `rows` [items that are here, dim] of unit norm, brought to the norm
 * of random rows; an item whose row is zero keeps its random start. False: `dim` is not model.dim.
 * The modality `id` is there. */
bool model_init_id(struct model *model, const real *rows, int64_t dim);

/* Weights of the losses in the total. */
void model_loss_weights(const struct config *config, double weight[LOSS_PARTS]);

/* Does training take batches of batch_mixed, not batch_train? */
bool model_takes_mixed(const struct model *model);

/* Target positions of a batch that count, by stream. */
void model_count(const struct model *model, const struct batch *batch, int64_t count[STREAMS]);

/* Does training read the rows of an item set (sampled loss, items shared out), or whole tables? */
bool model_by_rows(const struct model *model);

/* Does ranking? Also where rows of items are computed. */
bool model_ranks_by_rows(const struct model *model);

/* The items that step `step` of training (0: a ranking) takes from `batch`, with room for their
 * rows, which the caller fills in: by model_fill_items where whole tables are here. Memory is the
 * tape's. */
void model_items(const struct model *model, struct tape *tape, const struct batch *batch,
                 int64_t step, struct item_set *set);
void model_fill_items(const struct model *model, struct item_set *set);

/* Does the loss read the frozen rows of the items of the whole batch, of all parts? Then the set of
 * those, with room for their rows; to be filled in like the other, before it. */
bool model_contrasts(const struct model *model);
void model_whole_items(const struct model *model, struct tape *tape, const int32_t *item, int64_t n,
                       struct item_set *set);

/* Add the set's gradients to the table's dense one, which holds all rows. */
void model_scatter_items(struct model *model, const struct item_set *set);

/* Rows of modality m's table that are here, [items that are here, width]; width 0: it is computed.
 */
const real *model_table(const struct model *model, int m, int64_t *width);

struct model_step {
    int64_t step;           /* 1 for the first; keys dropout and negatives */
    int64_t count[STREAMS]; /* target positions in the global batch */
    struct item_set *items; /* with rows; NULL unless model_by_rows */
    struct item_set *whole; /* of the whole batch, with rows; NULL unless model_contrasts */
    int part, parts;        /* of the whole batch, this one */
};

/* Forward of a training batch on a tape that records or not, in train.precision, up to the losses;
 * gradients of the losses are on the tape, tape_backward does the rest. sum[s] = this rank's sum of
 * -log P over the stream's positions; sum[LOSS_CONTRAST] adds up to the contrast over the parts.
 * Collective in the exact loss where items are shared out. */
void model_loss(struct model *model, struct tape *tape, const struct batch *batch,
                const struct model_step *step, struct phases *phases, double sum[LOSS_PARTS]);

/* Ranks the targets of the `n` histories in `batch` whose targets lie in domain 0 or 1; target[t]
 * is of sample t. Fills `ranking` but for its outputs and lists; memory is the tape's. Item
 * rows come from `items`, or from whole tables (NULL). */
void model_ranking(struct model *model, struct tape *tape, const struct batch *batch,
                   struct item_set *items, const int32_t *target, int domain,
                   struct ranking *ranking);

/* Rows of the items that are here, of all terms, for ranking, once per evaluation: computed ones
 * are made in `tape`, which must live as long as the rows. */
void model_item_rows(struct model *model, struct tape *tape, const real *rows[OPTION_LIST]);

#endif
