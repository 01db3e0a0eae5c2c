/* A model: its parameters over the item tables of a data set, the training losses of a batch, the
 * ranking of histories. model.name chooses a struct model_ops, which is what a new model fills in:
 * one file, and one line in core/models/registry.c. Not collective unless said: a rank computes the
 * share of its own sequences; weights carry the global counts. */
#ifndef CORE_MODELS_MODEL_H
#define CORE_MODELS_MODEL_H
#include "core/batch.h"
#include "core/catalogue/query.h"
#include "core/clock.h"
#include "core/models/item_graph.h"
#include "core/models/item_set.h"
#include "core/models/successors.h"
#include "core/ops/tags.h"
#include "core/options.h"
#include "core/params.h"
#include "core/phase.h"
#include "core/sampler.h"
#include "core/tape.h"

/* A frozen table: unit-norm rows, zero where missing. Owned by the caller. The encoders read `rows`
 * and the softmax `unit`: one table, unless a double-precision comparison needs norms that are
 * exact beyond the single precision of the file. */
struct frozen_table {
    const real *rows; /* [local items, dim] */
    const real *unit; /* the same */
    int64_t dim;
};

/* What the data set determines. table[k] belongs to modality k of the configuration; rows NULL for
 * `id`, and for one that the model computes, whose dim is given. Tags are known of all items. With
 * `collectives` the ranks share out the items of each domain: only the rows `local` of the item
 * tables are here, learned or frozen, and no rank has more than max_local[d] of domain d; without,
 * all are. */
struct catalogue {
    int64_t items, a_items, max_len;
    struct frozen_table table[OPTION_LIST];
    struct tag_table tags;               /* zero without */
    const struct successors *successors; /* of the training sequences, NULL unless the model has
                                          * ops.successors */
    const struct collectives *collectives;
    struct item_graph graph;       /* of model_neighbours, the caller's; zero without */
    const struct sampler *sampler; /* of the training negatives */
    struct item_block local;
    int64_t max_local[DOMAINS];
    struct clock
        clock;     /* of the events of the training; no knots: states do not change with time */
    int64_t users; /* training sequences, which a model may know by their numbers; 0: no training */
};

/* Where the rows of an item table come from. */
enum table_source {
    TABLE_LEARNED, /* a parameter: `id`, and others that the model declares */
    TABLE_FROZEN,  /* the data set */
    TABLE_COMPUTED /* the model makes them */
};

struct item_table {
    enum table_source source;
    int64_t given; /* width of its rows */
    int64_t dim;   /* after projection */
    int param;     /* of a learned one, -1 */
    int proj;      /* layer of the projection, -1 */
};

/* A head compares states with item rows: logit = scale * similarity. */
enum similarity { SIMILARITY_COSINE, SIMILARITY_DOT };

struct head {
    int table;   /* whose rows it compares with, -1: rows of the model's own */
    int64_t dim; /* width of states and item rows */
    enum similarity similarity;
    int scale;   /* parameter tau of the factor exp(tau), -1: fixed */
    bool frozen; /* its item rows are those of a frozen table, nothing is learned in between */
};

/* A loss by name; the total is the sum of weight times the mean over the loss's positions. */
enum { LOSS_TERMS = 4 };
struct loss_term {
    const char *name;
    double weight;
};

/* Rows of items that a step or a ranking reads, of all local items or of an item set: models do not
 * tell the two apart. */
struct item_view {
    struct item_set *set; /* NULL: all local items */
    int64_t n;
    struct tensor *rows[OPTION_LIST];     /* by head, [n, dim], for encoders */
    struct tensor *positive[OPTION_LIST]; /* training: the same for the softmax ... */
    struct tensor *candidates[CANDIDATE_SETS][OPTION_LIST]; /* ... and what stands against them */
    void *own; /* of all local items: what the model's `view` has made of them */
};

/* Rows of the samples of the whole batch, of all shares, one share's after another's. */
struct whole_states {
    const real *rows; /* [n, width] */
    int64_t n, width;
    int64_t first; /* the first row of this share */
};

/* Rows of a table of users that a pass reads, if their gradient comes as rows. */
struct user_rows {
    int64_t n;
    int32_t *user;       /* [n] distinct, ascending */
    struct tensor *rows; /* [n, dim]; after backward, g is the gradient, NULL: zero */
};

/* One batch on its way through the model. */
struct pass {
    struct tape *tape;
    const struct batch *batch;
    const struct item_view *items;
    const struct item_view *all; /* of a ranking: what the histories are compared with */
    int64_t step; /* 1 for the first of training, keys dropout and negatives; 0: a ranking, in
                   * which nothing is dropped */

    /* of training */
    struct item_set *whole; /* of the whole batch, with rows; NULL unless model_whole_batch */
    const struct whole_states *states; /* NULL unless the model has ops.states */
    int share, shares;                 /* of the whole batch, this one */
    const struct collectives *peers;   /* the ranks, each of which has one share; NULL: a rank makes
                                        * all that it needs */
    struct user_rows users;            /* set by the model */
    int64_t count[LOSS_TERMS];         /* positions of the global batch, by loss */
    double loss[LOSS_TERMS];           /* this share's sums */
    struct phases *phases;
};

enum batch_kind {
    BATCH_STREAMS, /* batch_train: three streams, each with targets of its own */
    BATCH_BOTH,    /* batch_both: the same of sequences with targets in both domains */
    BATCH_MIXED,   /* batch_mixed: targets of the mixed stream, the other two up to each of them */
    BATCH_ALIGNED, /* batch_aligned: the same, each in step with the targets of its domain */
    BATCH_ONE      /* batch_one: the mixed stream alone */
};

/* Can the states of a model change with time (core/models/encoder.h)? model.time=auto leaves it to
 * those that can and are not told otherwise by their authors. */
enum model_time { TIME_NEVER, TIME_IF_ASKED, TIME_IF_KNOWN };

struct model;

/* What one model adds to what all have in common: the functions behind model.name. */
struct model_ops {
    const char *name;
    size_t state_size; /* bytes of model->state, which begin as zeros */

    /* The keys that only this model reads, see options_register; none where options is NULL. */
    const struct option_spec *options;
    int option_count;
    size_t options_size;

    bool two_domains; /* it cannot do with one */
    enum model_time time;
    bool successors; /* it reads which items follow which */

    /* See model_configure, model_use_one_domain, model_tag_vectors, model_learned_width,
     * model_neighbours; each may be NULL. */
    enum status (*configure)(struct config *config);
    void (*use_one_domain)(struct config *config);
    const char *(*tag_vectors)(const struct config *config, int k);
    int64_t (*learned_width)(const struct config *config, int k);
    int64_t (*neighbours)(const struct config *config);

    enum batch_kind batch;
    enum loss_kind loss; /* that of train.loss=auto */
    double scale;        /* that of model.scale=0; itself 0: it is 1 */
    int share_encoders;  /* enum share_encoders, that of model.share_encoders=auto */
    int attention;       /* enum attention_init, that of model.attention_init=auto */
    double lr;           /* that of train.lr=auto; itself 0: it is 0.001 */
    int schedule;        /* enum schedule_kind, that of train.schedule=auto */

    /* Declare tables, heads, losses and parameters. STATUS_INPUT, with a message, when the
     * configuration does not fit. The reduction starts from the last parameter: encoders come last,
     * in the order in which backward completes them. */
    enum status (*open)(struct model *model);

    /* Rows of head m as encoders take them, of the items of a view; NULL: those of its table. */
    struct tensor *(*item_rows)(struct model *model, struct tape *tape,
                                const struct item_view *view, int m);

    /* Items whose rows a step (0: a ranking) reads beside those of the batch: set->further.n and .item,
     * in the tape's memory, and whatever forward and query want to find in set->made. NULL: there are
     * none. */
    void (*further)(const struct model *model, struct tape *tape, const struct batch *batch,
                    int64_t step, struct item_set *set);

    /* count[k] = positions of the batch that loss k sums over; NULL: the tokens of stream k. */
    void (*count)(const struct model *model, const struct batch *batch, int64_t count[LOSS_TERMS]);

    /* The losses of a training batch: pass->loss[k] += this share's sum of loss k. Gradients of the
     * weighted losses go to the tape. Collective in the exact loss where items are shared out. */
    void (*forward)(struct model *model, struct pass *pass);

    /* What the losses of all shares read of this share's samples: rows of state_width columns, of as
     * many samples as the model chooses. It comes before `forward`, on a tape that does not record,
     * with the same dropout; pass->states then has the rows of all shares. NULL: nothing is. */
    struct tensor *(*states)(struct model *model, struct pass *pass);

    /* What the histories of a batch ask of the items of `domain`: add the terms, or set the scorer. */
    void (*query)(struct model *model, struct pass *pass, int domain, struct query *query);

    /* Make view->own, what the scores of all local items are taken from, once for many rankings; NULL:
     * there is nothing to make. Memory is the tape's. Collective where items are shared out. */
    void (*view)(struct model *model, struct tape *tape, struct item_view *view);

    /* In place of count and forward, of a model that is fitted in closed form: set the parameters.
     * Collective; the same outcome on all ranks. `fit_cost` adds up what that takes of one rank. */
    enum status (*fit)(struct model *model, const struct fit *fit);
    void (*fit_cost)(const struct model *model, const struct fit_size *size, struct fit_cost *cost);
    const char *fit_key; /* that makes it take less memory; NULL: there is none */

    /* Parameters have items by their numbers in the data set: those of other items cannot be used.
     * `check` looks at the numbers of a file: NULL, or the tensor at fault and what is wrong. */
    bool names_items;
    const char *(*check)(const struct model *model);
};

struct model {
    const struct model_ops *ops;
    const struct config *config; /* the caller's, outlives the model */
    struct catalogue catalogue;
    struct params params;
    int tables, heads, losses;
    struct item_table table[OPTION_LIST]; /* by modality */
    struct head head[OPTION_LIST];
    struct loss_term loss[LOSS_TERMS];
    int output;          /* table of its own that ids are ranked by, -1: none; see model_init_id */
    int users;           /* parameter of a table of users whose gradient comes as rows, -1: none */
    bool whole_batch;    /* see model_whole_batch */
    int64_t state_width; /* see model_ops.states; 0: the losses read no states of other shares */
    void *state;         /* of the model, private to its file */
};

/* Make a model known to model.name, and its keys (core/options.h). Harmless twice. */
void model_register(const struct model_ops *ops);

/* Bring what the model decides into a configuration (modalities of its own, its loss), and check that all
 * keys go together: one line on what does not, and STATUS_INPUT. Twice does what once does. */
CHECKED enum status model_configure(struct config *config);

/* Fit what the model reads to a data set of one domain, whose sequences are the only stream. False:
 * the model needs two. */
bool model_use_one_domain(struct config *config);

/* Is the model fitted in closed form, not trained by steps? */
bool model_is_fitted(const struct config *config);

/* Does the model read which items follow which (catalogue.successors)? */
bool model_reads_successors(const struct config *config);

/* The name of the tag vectors of which the model computes table k, that of modality k; NULL: it is
 * `id` or a feature table of the modality's name. */
const char *model_tag_vectors(const struct config *config, int k);

/* The width of table k, that of modality k, if its rows are learned, else 0: `id` alone is, of width
 * model.dim, unless the model says otherwise. A model with further learned tables names them in
 * config.model.modalities when it is configured. */
int64_t model_learned_width(const struct config *config, int k);

/* How many neighbours of every item, in either domain, the model is to know (catalogue.graph); 0: it
 * has no graph of items. */
int64_t model_neighbours(const struct config *config);

/* Declare all parameters; model_create then makes and initialises them. STATUS_INPUT when the
 * configuration does not fit (heads do not divide a width). `training` false: no gradients and
 * moments. A declared model has no numbers, and tells what it costs (core/cost/cost.h): of the
 * tables only the widths are read. */
CHECKED enum status model_declare(struct model *model, const struct config *config,
                                  const struct catalogue *catalogue);
CHECKED enum status model_create(struct model *model, const struct config *config,
                                 const struct catalogue *catalogue, bool training);
void model_free(struct model *model); /* zeroes it */

/* Start the id embedding, and with it model->output, from `rows` [local items, dim] of unit norm,
 * brought to the norm of random rows; an item whose row is zero keeps its random start. False: `dim`
 * is not model.dim. The modality `id` is there. */
bool model_init_id(struct model *model, const real *rows, int64_t dim);

/* Pack training sequences, and histories, as the model takes them (enum batch_kind). */
void model_pack(const struct model *model, struct batch *batch, const struct sample *samples,
                int64_t n);
void model_pack_histories(const struct model *model, struct batch *batch,
                          const struct sample *samples, int64_t n);

/* Target positions of a batch that count, by loss; zero for losses without positions. */
void model_count(const struct model *model, const struct batch *batch, int64_t count[LOSS_TERMS]);

/* Does training read the rows of an item set (sampled losses, items shared out), or whole tables?
 * And ranking? */
bool model_by_rows(const struct model *model);
bool model_ranks_by_rows(const struct model *model);

/* The items that step `step` of training (0: a ranking) takes from `batch`, with room for their
 * rows, which the caller fills in: by model_fill_items where whole tables are here. Memory is the
 * tape's. */
void model_items(const struct model *model, struct tape *tape, const struct batch *batch,
                 int64_t step, struct item_set *set);
void model_fill_items(const struct model *model, struct item_set *set);

/* Does training read the frozen rows of the items of the whole batch, of all shares? Then the set
 * of those, with room for their rows; to be filled in like the other, before it. */
bool model_whole_batch(const struct model *model);
void model_whole_items(const struct model *model, struct tape *tape, const int32_t *item, int64_t n,
                       struct item_set *set);

/* Add the set's gradients to the table's dense one, which holds all rows. */
void model_scatter_items(struct model *model, const struct item_set *set);

/* Does the gradient of table k come as rows (params_by_rows)? */
bool model_table_by_rows(const struct model *model, int k);

/* Rows of table k that are here, [local items, width]; width 0: it is computed. */
const real *model_table(const struct model *model, int k, int64_t *width);

/* The rows that a ranking reads, of a set with rows or of all local items (NULL). The rows of all
 * items are made once for many rankings: `tape` must live as long as they. */
void model_view(struct model *model, struct tape *tape, struct item_set *set,
                struct item_view *view);

/* ---- for the models ---- */

/* For `configure`. Put `name` behind the modalities unless it is among them. STATUS_INPUT, with a
 * message: there is no room. */
CHECKED enum status model_add_modality(struct config *config, const char *name);

/* For `open`. A loss by its name in logs, and its weight in the total; returns its number. */
int model_add_loss(struct model *model, const char *name, double weight);

/* For `open`. Training also reads the frozen rows of the distinct items of the whole batch,
 * whatever the rank's share of it: pass->whole. */
void model_reads_whole_batch(struct model *model);

#endif
