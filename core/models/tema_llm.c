#include "core/models/tema_llm.h"
#include "core/models/layers.h"
#include "core/models/llm_emf.h"
#include "core/models/tables.h"
#include <string.h>

struct tema {
    struct emf emf;
    int u; /* parameter, -1: tags have uniform weights */
};

static enum status open_tema(struct model *model) {
    const struct config *config = model->config;
    struct tema *tema = model->state;
    int tags = -1;
    for (int k = 0; k < config->model.modalities.count; k++)
        if (!strcmp(config->model.modalities.name[k], OPTION_TAGS))
            tags = k;
    tema->u =
        tags >= 0 && config->model.tags == TAGS_LEARNED
            ? params_add(&model->params, 1, 1, model->catalogue.tags.dim, PARAM_ZERO, 1, "tag.u")
            : -1;
    return emf_open(model, tags);
}

/* The items of a view; NULL: the rows of the tags are those of the items. Tags are known of all
 * items; where those are shared out, rows are made of the local ones. */
static const int32_t *items_of(const struct model *model, struct tape *tape,
                               const struct item_view *view) {
    if (view->set)
        return view->set->item;
    if (!model->catalogue.collectives)
        return NULL;
    int32_t *item = arena_alloc(&tape->arena, view->n, sizeof *item);
    for (int64_t k = 0; k < view->n; k++)
        item[k] = (int32_t)item_block_item(&model->catalogue.local, k);
    return item;
}

static struct tensor *item_rows(struct model *model, struct tape *tape,
                                const struct item_view *view, int m) {
    const struct tema *tema = model->state;
    if (m != tema->emf.tags)
        return tables_rows(model, tape, view, m);
    struct tensor *u = tema->u < 0 ? NULL : tape_param(tape, &model->params, tema->u);
    struct tensor *rows = op_tags(tape, &model->catalogue.tags, items_of(model, tape, view),
                                  view->n, u, model->config->model.tag_kappa, NORM_EPS);
    return tables_project(model, tape, m, rows);
}

const struct model_ops tema_llm = {
    .name = "tema_llm",
    .state_size = sizeof(struct tema),
    .open = open_tema,
    .item_rows = item_rows,
    .forward = emf_forward,
    .query = emf_query,
};
