/* Items of several views (SemaCDR): the id embedding, and the feature tables model.agnostic and
 * model.specific through adapters, v = W2 GELU(W1 t + b1) + b2. Not collective.
 *     e = sum_v g_v v, g = softmax_v(w_v . v + b_v) over the views that the item has */
#ifndef CORE_MODELS_VIEWS_H
#define CORE_MODELS_VIEWS_H
#include "core/models/kind.h"

enum { VIEWS = 3 };

/* The first member of the state of a model with views: layers. */
struct views {
    struct {
        int first, second, gate;
    } view[VIEWS];
};

void views_declare(struct model *model);

/* e, as kind.h's rows and set_rows; there is one term, `m` is not read. */
struct tensor *views_all_rows(struct model *model, struct tape *tape, int m);
struct tensor *views_set_rows(struct model *model, struct tape *tape, int m, struct item_set *set);

/* The symmetric InfoNCE of the agnostic and the specific view over the items of the whole batch
 * that have both: this part's share of the rows, so that the parts of a batch add up to the whole.
 * Source: van den Oord, Li, Vinyals, "Representation learning with contrastive predictive coding",
 * 2018. */
double views_contrast(struct model *model, struct tape *tape, const struct model_step *step);

#endif
