#include "core/models/tema_llm.h"
#include "core/models/layers.h"
#include "core/models/llm_emf.h"
#include "core/models/tables.h"
#include <string.h>

struct tema {
    struct emf emf;
    int u; /* parameter, -1: tags have uniform weights */
};

static enum status declare(struct model *model) {
    const struct config *config = model->config;
    struct tema *tema = model->state;
    int tags = -1;
    for (int m = 0; m < model->modalities; m++)
        if (!strcmp(config->model.modalities.name[m], OPTION_TAGS))
            tags = m;
    tema->u =
        tags >= 0 && config->model.tags == TAGS_LEARNED
            ? params_add(&model->params, 1, 1, model->catalogue.tags.dim, PARAM_ZERO, 1, "tag.u")
            : -1;
    return emf_declare(model, tags);
}

static struct tensor *fuse(struct model *model, struct tape *tape, const int32_t *item, int64_t n) {
    const struct tema *tema = model->state;
    struct tensor *u = tema->u < 0 ? NULL : tape_param(tape, &model->params, tema->u);
    struct tensor *rows =
        op_tags(tape, &model->catalogue.tags, item, n, u, model->config->model.tag_kappa, NORM_EPS);
    return tables_project(model, tape, tema->emf.tags, rows);
}

/* Tags are known of all items; with items shared out, rows are made of those that are here. */
static struct tensor *all_rows(struct model *model, struct tape *tape, int m) {
    const struct tema *tema = model->state;
    int64_t n = item_block_count(&model->catalogue.local);
    int32_t *item = NULL;
    if (m != tema->emf.tags)
        return tables_rows(model, tape, m);
    if (model->catalogue.collectives) {
        item = arena_alloc(&tape->arena, n, sizeof *item);
        for (int64_t k = 0; k < n; k++)
            item[k] = (int32_t)item_block_item(&model->catalogue.local, k);
    }
    return fuse(model, tape, item, n);
}

static struct tensor *set_rows(struct model *model, struct tape *tape, int m,
                               struct item_set *set) {
    const struct tema *tema = model->state;
    return m == tema->emf.tags ? fuse(model, tape, set->item, set->n)
                               : tables_set_rows(model, tape, m, set);
}

const struct model_kind tema_llm = {
    .name = "tema_llm",
    .state_size = sizeof(struct tema),
    .computes_rows = true,
    .declare = declare,
    .rows = all_rows,
    .set_rows = set_rows,
    .weights = emf_weights,
    .loss = emf_loss,
    .ranking = emf_ranking,
};
