#include "core/models/forward.h"
#include "core/models/softmax_head.h"
#include "core/models/tables.h"
#include <string.h>

void model_forward(struct model *model, struct pass *pass, struct item_set *set) {
    struct tape *tape = pass->tape;
    struct item_view view;
    tape->bf16 = model->config->train.precision == PRECISION_BF16;
    tape->replicas = set ? 1 : pass->shares; /* rows of whole tables are the same in all */
    tape->peers = set ? NULL : pass->peers;
    model_view(model, tape, set, &view);
    softmax_head_rows(model, tape, &view);
    tape->replicas = 1;
    tape->peers = NULL;
    pass->items = &view;
    memset(pass->loss, 0, sizeof pass->loss);
    model->ops->forward(model, pass);
    softmax_head_finish(model, tape, &view);
    pass->items = NULL;
}

struct tensor *model_states(struct model *model, struct pass *pass, struct item_set *set) {
    struct item_view *view = arena_alloc(&pass->tape->arena, 1, sizeof *view);
    pass->tape->bf16 = model->config->train.precision == PRECISION_BF16;
    model_view(model, pass->tape, set, view);
    pass->items = view;
    struct tensor *states = model->ops->states(model, pass);
    pass->items = NULL;
    return states;
}

void model_query(struct model *model, struct pass *pass, const struct item_view *all, int domain,
                 struct query *query) {
    struct bounds b = tables_local(model, domain);
    *query = (struct query){.samples = pass->batch->samples,
                            .lo = b.lo,
                            .hi = b.hi,
                            .collectives = model->catalogue.collectives,
                            .local = &model->catalogue.local};
    pass->all = all;
    model->ops->query(model, pass, domain, query);
}
