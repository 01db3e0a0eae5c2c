/* What one model adds to what all have in common: the functions behind model.name. A new model is
 * one file that fills in a struct model_kind, and one line in the list of core/models/model.c. */
#ifndef CORE_MODELS_KIND_H
#define CORE_MODELS_KIND_H
#include "core/models/model.h"
#include "core/models/scoring.h"

struct model_kind {
    const char *name;

    /* Declare the parameters, beginning with tables_declare. STATUS_INPUT, with a message, when the
     * configuration does not fit. The reduction starts from the last parameter: encoders come last,
     * in the order backward completes them. */
    enum status (*declare)(struct model *model);

    /* Rows are computed from tables: a ranking computes those of its own histories. */
    bool computes_rows;

    /* Rows of term m as encoders take them: of all items that are here; of an item set. */
    struct tensor *(*rows)(struct model *model, struct tape *tape, int m);
    struct tensor *(*set_rows)(struct model *model, struct tape *tape, int m, struct item_set *set);

    /* See model_loss_weights, model_loss and model_ranking; the ranking has what scoring_ranking
     * fills in. */
    void (*weights)(const struct config *config, double weight[STREAMS]);
    void (*loss)(struct model *model, struct tape *tape, const struct batch *batch,
                 const struct model_step *step, const struct item_side *side, struct phases *phases,
                 double sum[STREAMS]);
    void (*ranking)(struct model *model, struct tape *tape, const struct batch *batch,
                    struct item_set *items, int domain, struct ranking *ranking);
};

/* Of the dropout in a step's encoders of stream s; none where the tape does not record. */
struct noise model_noise(const struct model *model, const struct tape *tape,
                         const struct batch *batch, const struct model_step *step, int s);

/* The kind of that name, or NULL. */
const struct model_kind *model_kind_find(const char *name);

/* The kinds, by name for messages: "llm_emf, ...". */
const char *model_kind_names(void);

#endif
