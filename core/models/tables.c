/* Item tables. Parameters: a learned table per `id`, a projection per frozen table. Rows: of all local
 * items or of an item set, behind one function. Item sets: which items a step reads, negatives drawn
 * among them, room for their rows, and where the gradients of learned rows go. */
#include "core/models/tables.h"
#include "core/models/layers.h"
#include "core/models/model.h"
#include "core/rng.h"
#include <stdio.h>
#include <string.h>

/* ---- parameters ---- */

/* Learned rows. With a sampled loss their gradient comes as rows, unless whole gradients are
 * summed in a fixed order; where items are shared out a rank holds a part. */
static int add_rows(struct model *model, const char *name, int64_t width) {
    const struct config *config = model->config;
    struct params *p = &model->params;
    int param =
        params_add(p, 2, model->catalogue.items, width, PARAM_NORMAL, width, "embed.%s", name);
    params_of_items(p, param);
    if (model->catalogue.collectives)
        params_local(p, param, &model->catalogue.local);
    if (config->train.loss != LOSS_EXACT && !config->train.reproducible)
        params_by_rows(p, param);
    return param;
}

static struct item_table add_table(struct model *model, int k) {
    const struct config *config = model->config;
    const struct frozen_table *frozen = &model->catalogue.table[k];
    const char *name = config->model.modalities.name[k];
    int64_t proj = config->model.feature_proj, learned = model_learned_width(config, k);
    char layer[PARAM_NAME];
    struct item_table table = {.given = frozen->dim, .dim = proj, .param = -1, .proj = -1};
    snprintf(layer, sizeof layer, "proj.%s", name);
    if (learned) {
        table.source = TABLE_LEARNED;
        table.given = table.dim = learned;
        table.param = add_rows(model, name, learned);
        return table;
    }
    table.source = frozen->rows ? TABLE_FROZEN : TABLE_COMPUTED;
    if (proj)
        table.proj = layer_add_linear(&model->params, layer, proj, frozen->dim);
    else
        table.dim = frozen->dim;
    return table;
}

void tables_declare(struct model *model) {
    model->tables = model->config->model.modalities.count;
    for (int k = 0; k < model->tables; k++)
        model->table[k] = add_table(model, k);
}

/* ---- rows ---- */

struct tensor *tables_project(struct model *model, struct tape *tape, int k, struct tensor *rows) {
    int proj = model->table[k].proj;
    return proj < 0 ? rows : layer_linear(&model->params, tape, rows, proj);
}

static struct tensor *rows_of_all(struct model *model, struct tape *tape, int k) {
    const struct frozen_table *frozen = &model->catalogue.table[k];
    return model->table[k].source == TABLE_LEARNED
               ? tape_param(tape, &model->params, model->table[k].param)
               : tape_constant(tape, frozen->rows, item_block_count(&model->catalogue.local),
                               frozen->dim);
}

/* The set keeps the tensor, the same for all who read it: of a learned table it holds the gradient
 * of the rows. */
static struct tensor *rows_of_set(struct model *model, struct tape *tape, struct item_set *set,
                                  int k) {
    if (set->table[k])
        return set->table[k];
    set->table[k] = tape_constant(tape, set->rows[k], set->n, model->table[k].given);
    set->table[k]->learned = tape->record && model->table[k].source == TABLE_LEARNED;
    return set->table[k];
}

struct tensor *tables_rows(struct model *model, struct tape *tape, const struct item_view *view,
                           int k) {
    return tables_project(model, tape, k,
                          view->set ? rows_of_set(model, tape, view->set, k)
                                    : rows_of_all(model, tape, k));
}

struct tensor *tables_unit(const struct model *model, struct tape *tape, int k) {
    return tape_constant(tape, model->catalogue.table[k].unit,
                         item_block_count(&model->catalogue.local), model->table[k].given);
}

/* ---- views ---- */

void model_view(struct model *model, struct tape *tape, struct item_set *set,
                struct item_view *view) {
    *view = (struct item_view){.set = set,
                               .n = set ? set->n : item_block_count(&model->catalogue.local)};
    for (int m = 0; m < model->heads; m++)
        view->rows[m] = model->ops->item_rows
                            ? model->ops->item_rows(model, tape, view, m)
                            : tables_rows(model, tape, view, model->head[m].table);
    if (!set && model->ops->view)
        model->ops->view(model, tape, view);
}

const int32_t *view_inputs(const struct item_view *view, const struct batch *batch, int s) {
    return view->set ? view->set->input[s] : batch->stream[s].items;
}

const int32_t *view_targets(const struct item_view *view, const struct batch *batch, int s) {
    return view->set ? view->set->target[s] : batch->stream[s].targets;
}

/* ---- item sets ---- */

bool model_by_rows(const struct model *model) {
    return model->catalogue.collectives || model->config->train.loss != LOSS_EXACT;
}

bool model_ranks_by_rows(const struct model *model) {
    return model->catalogue.collectives;
}

bool model_table_by_rows(const struct model *model, int k) {
    int param = model->table[k].param;
    return param >= 0 && model->params.list[param].by_rows;
}

const real *model_table(const struct model *model, int k, int64_t *width) {
    const struct item_table *table = &model->table[k];
    *width = table->source == TABLE_COMPUTED ? 0 : table->given;
    return table->source == TABLE_LEARNED ? model->params.list[table->param].tensor.x
                                          : model->catalogue.table[k].rows;
}

struct bounds tables_candidates(const struct model *model, int set) {
    return (struct bounds){set == 1 ? model->catalogue.a_items : 0,
                           set == 0 ? model->catalogue.a_items : model->catalogue.items};
}

struct bounds tables_local(const struct model *model, int set) {
    int64_t n = item_block_count(&model->catalogue.local);
    int64_t of_a = item_block_rows(&model->catalogue.local, 0);
    return (struct bounds){set == 1 ? of_a : 0, set == 0 ? of_a : n};
}

/* With train.logq the sum over the n negatives, each exp(z) / (n p) with p the probability of a
 * draw, is an unbiased estimate of the sum over the candidate set (Bengio, Senecal, 2008). */
static void draw_negatives(const struct model *model, struct tape *tape, int64_t step, int set,
                           struct item_negatives *out) {
    const struct sampler *sampler = model->catalogue.sampler;
    struct bounds b = tables_candidates(model, set);
    uint64_t key =
        rng_key((uint64_t)model->config->run.seed, RNG_NEGATIVES, (uint64_t)step, (uint64_t)set);
    out->n = model->config->train.negatives;
    out->item = arena_alloc(&tape->arena, out->n, sizeof *out->item);
    for (int64_t k = 0; k < out->n; k++)
        out->item[k] = sampler_draw(sampler, b.lo, b.hi, key, (uint64_t)k);
    if (!model->config->train.logq)
        return;
    out->bias = arena_alloc(&tape->arena, out->n, sizeof *out->bias);
    for (int64_t k = 0; k < out->n; k++)
        out->bias[k] = (real)(-log((double)out->n) -
                              sampler_log_probability(sampler, b.lo, b.hi, out->item[k]));
}

static void draw_shared(const struct model *model, struct tape *tape, int64_t step,
                        struct item_set *set) {
    int sets = model->config->model.mixed_softmax == MIXED_ALL ? 3 : 2;
    for (int c = 0; c < sets; c++)
        if (tables_candidates(model, c).lo < tables_candidates(model, c).hi)
            draw_negatives(model, tape, step, c, &set->negatives[c]);
}

/* Is the item an input or a target of the tokens [lo, hi) of a stream? */
static bool occurs(const struct stream *stream, int64_t lo, int64_t hi, int32_t item) {
    for (int64_t t = lo; t < hi; t++)
        if (stream->items[t] == item || stream->targets[t] == item)
            return true;
    return false;
}

/* An item that the sequence has not got, as far as a hundred draws find one. */
static int32_t draw_other(const struct model *model, const struct stream *stream, int64_t sequence,
                          struct bounds b, uint64_t key, uint64_t counter) {
    enum { DRAWS = 100 };
    int64_t lo = stream->offsets[sequence], hi = stream->offsets[sequence + 1];
    int32_t item = 0;
    for (uint64_t k = 0; k < DRAWS; k++) {
        item = sampler_draw(model->catalogue.sampler, b.lo, b.hi, key, counter * DRAWS + k);
        if (!occurs(stream, lo, hi, item))
            break;
    }
    return item;
}

/* Are the items of stream s drawn from both domains? */
static bool draws_from_both(const struct model *model, int s) {
    return s == STREAM_MIXED && model->config->model.mixed_softmax == MIXED_ALL;
}

int64_t tables_own(const struct model *model, int s) {
    bool both = model->config->train.loss == LOSS_INFONCE && draws_from_both(model, s);
    return model->config->train.bce_negatives * (both ? DOMAINS : 1);
}

/* The candidate set of item k of those drawn for a target in `domain` in stream s. InfoNCE takes as
 * many from either domain. */
static int own_set(const struct model *model, int s, int domain, int64_t k) {
    if (!draws_from_both(model, s))
        return domain;
    return model->config->train.loss == LOSS_INFONCE ? k >= model->config->train.bce_negatives : 2;
}

/* Negatives of every position, keyed by it, so that they do not depend on the batch. */
static void draw_own(const struct model *model, struct tape *tape, const struct batch *batch, int s,
                     int64_t step, struct item_negatives *out) {
    const struct stream *stream = &batch->stream[s];
    int64_t each = tables_own(model, s);
    out->n = stream->tokens * each;
    out->item = arena_alloc(&tape->arena, out->n, sizeof *out->item);
    for (int64_t b = 0; b < stream->sequences; b++)
        for (int64_t t = stream->offsets[b]; t < stream->offsets[b + 1]; t++) {
            int domain = stream->targets[t] >= model->catalogue.a_items;
            uint64_t key = rng_key((uint64_t)model->config->run.seed, RNG_NEGATIVES, (uint64_t)step,
                                   stream->keys[t]);
            for (int64_t k = 0; k < each; k++)
                out->item[t * each + k] = draw_other(
                    model, stream, b, tables_candidates(model, own_set(model, s, domain, k)), key,
                    (uint64_t)k);
        }
}

static void draw(const struct model *model, struct tape *tape, const struct batch *batch,
                 int64_t step, struct item_set *set) {
    if (!options_loss_draws_own(model->config)) {
        draw_shared(model, tape, step, set);
        return;
    }
    for (int s = 0; s < STREAMS; s++)
        if (batch->stream[s].aimed)
            draw_own(model, tape, batch, s, step, &set->own[s]);
}

void model_items(const struct model *model, struct tape *tape, const struct batch *batch,
                 int64_t step, struct item_set *set) {
    *set = (struct item_set){0};
    if (step > 0 && model->config->train.loss != LOSS_EXACT)
        draw(model, tape, batch, step, set);
    if (model->ops->further)
        model->ops->further(model, tape, batch, step, set);
    item_set_collect(&tape->arena, batch, step > 0, set);
    for (int k = 0; k < model->tables; k++) {
        int64_t width;
        (void)model_table(model, k, &width);
        if (width)
            set->rows[k] = arena_numbers(&tape->arena, set->n * width, sizeof(real));
    }
}

void model_whole_items(const struct model *model, struct tape *tape, const int32_t *item, int64_t n,
                       struct item_set *set) {
    *set = (struct item_set){.n = n, .item = (int32_t *)(uintptr_t)item};
    for (int k = 0; k < model->tables; k++)
        if (model->catalogue.table[k].rows)
            set->rows[k] =
                arena_numbers(&tape->arena, n * model->catalogue.table[k].dim, sizeof(real));
}

void model_fill_items(const struct model *model, struct item_set *set) {
    for (int k = 0; k < model->tables; k++) {
        int64_t width;
        const real *table = model_table(model, k, &width);
        if (!set->rows[k])
            continue;
#pragma omp parallel for schedule(static) if (set->n * width > 10000)
        for (int64_t i = 0; i < set->n; i++)
            memcpy(set->rows[k] + i * width, table + set->item[i] * width,
                   (size_t)width * sizeof *table);
    }
}

void model_scatter_items(struct model *model, const struct item_set *set) {
    for (int k = 0; k < model->tables; k++) {
        int index = model->table[k].param;
        const real *g = item_set_gradient(set, k);
        if (index < 0 || !g)
            continue;
        const struct row_grad grad = {set->n, set->item, g};
        row_grad_add(&grad, &model->params.list[index].tensor);
    }
}
