/* What one model adds to what all have in common: the functions behind model.name. A new model is
 * one file that fills in a struct model_ops, and one line in the list of core/models/model.c. */
#ifndef CORE_MODELS_MODEL_OPS_H
#define CORE_MODELS_MODEL_OPS_H
#include "core/models/model.h"

enum batch_kind {
    BATCH_STREAMS, /* batch_train: three streams, each with targets of its own */
    BATCH_MIXED,   /* batch_mixed: targets of the mixed stream, the other two up to each of them */
    BATCH_ONE      /* batch_one: the mixed stream alone */
};

struct model_ops {
    const char *name;
    size_t state_size; /* bytes of model->state, which begin as zeros */

    /* The keys that only this model reads, see options_register; none where options is NULL. */
    const struct option_spec *options;
    int option_count;
    size_t options_size;

    bool two_domains; /* it cannot do with one */

    /* See model_configure, model_use_one_domain, model_tag_vectors; each may be NULL. */
    enum status (*configure)(struct config *config);
    void (*use_one_domain)(struct config *config);
    const char *(*tag_vectors)(const struct config *config, int k);

    enum batch_kind batch;

    /* Declare tables, heads, losses and parameters. STATUS_INPUT, with a message, when the
     * configuration does not fit. The reduction starts from the last parameter: encoders come last,
     * in the order in which backward completes them. */
    enum status (*open)(struct model *model);

    /* Rows of head m as encoders take them, of the items of a view; NULL: those of table m. */
    struct tensor *(*item_rows)(struct model *model, struct tape *tape,
                                const struct item_view *view, int m);

    /* count[k] = positions of the batch that loss k sums over; NULL: the tokens of stream k. */
    void (*count)(const struct model *model, const struct batch *batch, int64_t count[LOSS_TERMS]);

    /* The losses of a training batch: pass->loss[k] += this share's sum of loss k. Gradients of the
     * weighted losses go to the tape. Collective in the exact loss where items are shared out. */
    void (*forward)(struct model *model, struct pass *pass);

    /* What the histories of a batch ask of the catalogue, whose targets lie in `domain`: fill in
     * what softmax_head_ranking leaves open. */
    void (*query)(struct model *model, struct pass *pass, int domain, struct ranking *ranking);
};

/* For `open`. A loss by its name in logs, and its weight in the total; returns its number. */
int model_add_loss(struct model *model, const char *name, double weight);

/* For `open`. Training also reads the frozen rows of the distinct items of the whole batch,
 * whatever the rank's share of it: pass->whole. */
void model_reads_whole_batch(struct model *model);

/* The model of that name, or NULL. */
const struct model_ops *model_ops_find(const char *name);

#endif
