/* From a batch to losses, and from histories to a query: what is done for every model around its
 * own forward and query. */
#ifndef CORE_MODELS_FORWARD_H
#define CORE_MODELS_FORWARD_H
#include "core/models/model.h"

/* Forward of a training batch on a tape that records or not, in train.precision, up to the losses;
 * gradients of the losses are on the tape, tape_backward does the rest. `set` has the rows of the
 * batch's items, NULL unless model_by_rows. Fills in pass->items and pass->loss; all else of `pass`
 * is given. Collective in the exact loss where items are shared out. */
void model_forward(struct model *model, struct pass *pass, struct item_set *set);

/* The states of this share that the losses of all shares read (model_ops.states), [n, width]; the
 * model's state_width is not 0. `set` has the rows of the batch's inputs, NULL unless model_by_rows.
 * Fills in pass->items. Memory is the tape's, which does not record. */
struct tensor *model_states(struct model *model, struct pass *pass, struct item_set *set);

/* What the histories in pass->batch ask of the items of domain 0 or 1, its candidates. `all` is the
 * view of all local items; pass->items that of the histories' items, the same unless
 * model_ranks_by_rows. Memory is the tape's. */
void model_query(struct model *model, struct pass *pass, const struct item_view *all, int domain,
                 struct query *query);

#endif
