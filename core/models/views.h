/* Items of several views (SemaCDR): the id embedding, and the feature tables model.agnostic and
 * model.specific through adapters, v = W2 GELU(W1 t + b1) + b2. Not collective.
 *     e = sum_v g_v v, g = softmax_v(w_v . v + b_v) over the views that the item has */
#ifndef CORE_MODELS_VIEWS_H
#define CORE_MODELS_VIEWS_H
#include "core/models/model.h"

enum { VIEWS = 3 };

/* Layers. */
struct views {
    struct {
        int first, second, gate;
    } view[VIEWS];
};

/* The tables are declared: id, specific, agnostic. */
void views_declare(struct model *model, struct views *views);

/* e of the items of a view. */
struct tensor *views_rows(struct model *model, const struct views *views, struct tape *tape,
                          const struct item_view *view);

/* The symmetric InfoNCE of the agnostic and the specific view over the items of the whole batch
 * that have both: this share of the rows, so that the shares of a batch add up to the whole.
 * Gradients of `weight` times it go to the tape. Source: van den Oord, Li, Vinyals, "Representation
 * learning with contrastive predictive coding", 2018. */
double views_contrast(struct model *model, const struct views *views, const struct pass *pass,
                      double temperature, double weight);

#endif
