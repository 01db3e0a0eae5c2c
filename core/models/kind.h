/* What one model adds to what all have in common: the functions behind model.name. A new model is
 * one file that fills in a struct model_kind, and one line in the list of core/models/model.c. */
#ifndef CORE_MODELS_KIND_H
#define CORE_MODELS_KIND_H
#include "core/models/model.h"
#include "core/models/scoring.h"

struct model_kind {
    const char *name;
    size_t state_size; /* bytes of model->state, which begin as zeros */

    /* Declare the parameters, beginning with tables_declare. STATUS_INPUT, with a message, when the
     * configuration does not fit. The reduction starts from the last parameter: encoders come last,
     * in the order backward completes them. */
    enum status (*declare)(struct model *model);

    bool computes_rows; /* from tables: a ranking computes those of its own histories */
    bool mixed_batch;   /* see model_takes_mixed */
    bool contrasts;     /* see model_contrasts; unless model.contrast_weight is 0 */

    /* Rows of term m as encoders take them: of all items that are here; of an item set. */
    struct tensor *(*rows)(struct model *model, struct tape *tape, int m);
    struct tensor *(*set_rows)(struct model *model, struct tape *tape, int m, struct item_set *set);

    /* See model_loss_weights, model_count (NULL: all), model_loss and model_ranking; the ranking
     * has what scoring_ranking fills in. */
    void (*weights)(const struct config *config, double weight[LOSS_PARTS]);
    void (*count)(const struct model *model, const struct batch *batch, int64_t count[STREAMS]);
    void (*loss)(struct model *model, struct tape *tape, const struct batch *batch,
                 const struct model_step *step, const struct item_side *side, struct phases *phases,
                 double sum[LOSS_PARTS]);
    void (*ranking)(struct model *model, struct tape *tape, const struct batch *batch,
                    struct item_set *items, int domain, struct ranking *ranking);
};

/* Declare the encoders of all streams and terms (model.share_encoders), with attention to tags
 * where their rows have a width. */
void model_add_encoders(struct model *model, int64_t tag_dim);

/* States of stream s and term m from rows that the stream's tokens take by `index`; `tags` as in
 * struct encoder_input. */
struct tensor *model_encode(struct model *model, struct tape *tape, const struct batch *batch,
                            int s, int m, struct tensor *rows, struct tensor *tags,
                            const int32_t *index, const struct noise *noise);

/* Of the dropout in a step's encoders of stream s; none where the tape does not record. */
struct noise model_noise(const struct model *model, const struct tape *tape,
                         const struct batch *batch, const struct model_step *step, int s);

/* The kind of that name, or NULL. */
const struct model_kind *model_kind_find(const char *name);

/* The kinds, by name for messages: "llm_emf, ...". */
const char *model_kind_names(void);

#endif
