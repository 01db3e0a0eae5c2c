#include "core/models/tema_llm.h"
#include "core/log.h"
#include "core/models/layers.h"
#include "core/models/llm_emf.h"
#include "core/models/output_table.h"
#include "core/models/tables.h"
#include <string.h>

/* ---- options ---- */

// clang-format off
static const struct option_spec options[] = {
OPTION(struct tema_options, "model.tags", CHOICE, tags, "learned", "none|uniform|learned", NULL,
    "how an item's tags weigh in its tag vector; none: no tags at all"),
OPTION(struct tema_options, "model.tag_kappa", REAL, tag_kappa, "1", "(0, inf)", NULL,
    "the data set's tag weights are divided by this in their softmax"),
OPTION(struct tema_options, "model.tag_vectors", TEXT, tag_vectors, "text", "", NULL,
    "vectors of the tags, made by `cdsr features --vocabulary` under this name"),
OPTION(struct tema_options, "model.tag_attention", CHOICE, tag_attention, "on", "on|off", NULL,
    "a second attention, to tags, in every block"),
};
// clang-format on

const struct tema_options *tema_options(const struct config *config) {
    return options_own(config, tema_llm.name);
}

/* The modality made of tags, -1: there is none. */
static int find_tags(const struct names *modalities) {
    return names_find(modalities, "tags");
}

static enum status drop_tags(struct names *modalities) {
    for (int k; (k = find_tags(modalities)) >= 0;)
        memmove(modalities->name[k], modalities->name[k + 1],
                (size_t)(--modalities->count - k) * OPTION_NAME);
    if (modalities->count > 0)
        return STATUS_OK;
    return log_error(STATUS_INPUT, "model.modalities: without tags there is none left");
}

/* Tags are a modality behind the others, unless they are given a place or there are none. */
static enum status configure(struct config *config) {
    if (tema_options(config)->tags == TAGS_NONE)
        TRY(drop_tags(&config->model.modalities));
    else
        TRY(model_add_modality(config, "tags"));
    return emf_configure(config);
}

static const char *tag_vectors(const struct config *config, int k) {
    bool tags = k == find_tags(&config->model.modalities);
    return tags ? tema_options(config)->tag_vectors : NULL;
}

/* ---- the model ---- */

struct tema {
    struct emf emf;
    int u; /* parameter, -1: tags have uniform weights */
};

static enum status open_tema(struct model *model) {
    const struct tema_options *own = tema_options(model->config);
    struct tema *tema = model->state;
    int tags = find_tags(&model->config->model.modalities);
    tema->u =
        tags >= 0 && own->tags == TAGS_LEARNED
            ? params_add(&model->params, 1, 1, model->catalogue.tags.dim, PARAM_ZERO, 1, "tag.u")
            : -1;
    return emf_open(model, tags, tags >= 0 && own->tag_attention == TAG_ATTENTION_ON);
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
        return tables_rows(model, tape, view, model->head[m].table);
    struct tensor *u = tema->u < 0 ? NULL : tape_param(tape, &model->params, tema->u);
    struct tensor *rows = op_tags(tape, &model->catalogue.tags, items_of(model, tape, view),
                                  view->n, u, tema_options(model->config)->tag_kappa, NORM_EPS);
    return tables_project(model, tape, m, rows);
}

const struct model_ops tema_llm = {
    .name = "tema_llm",
    .time = TIME_IF_KNOWN,
    .state_size = sizeof(struct tema),
    .scale = 9,
    .share_encoders = SHARE_STREAMS,
    .attention = ATTENTION_IDENTITY,
    .lr = 0.0007,
    .schedule = SCHEDULE_PLATEAU,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .options_size = sizeof(struct tema_options),
    .configure = configure,
    .use_one_domain = emf_use_one_domain,
    .tag_vectors = tag_vectors,
    .learned_width = output_table_width,
    .open = open_tema,
    .item_rows = item_rows,
    .forward = emf_forward,
    .query = emf_query,
};
