#include "core/models/tables.h"
#include "core/log.h"
#include "core/models/kind.h"
#include "core/models/layers.h"
#include "core/ops/embedding.h"
#include "core/rng.h"
#include <stdio.h>
#include <string.h>

/* ---- parameters ---- */

/* The table of `id`. With the sampled loss its gradient comes as rows, unless whole gradients are
 * summed in a fixed order; where items are shared out a rank holds a part. */
static void add_table(struct model *model, int m, const char *name) {
    const struct config *config = model->config;
    struct params *p = &model->params;
    int table = params_add(p, 2, model->catalogue.items, config->model.dim, PARAM_NORMAL,
                           config->model.dim, "embed.%s", name);
    params_of_items(p, table);
    if (model->catalogue.collectives)
        params_local(p, table, &model->catalogue.local);
    if (config->train.loss != LOSS_EXACT && !config->train.reproducible)
        params_by_rows(p, table);
    model->modality[m].table = table;
}

static void add_modality(struct model *model, int m) {
    const struct config *config = model->config;
    const char *name = config->model.modalities.name[m];
    int64_t given = model->catalogue.table[m].dim, proj = config->model.feature_proj;
    bool id = !given;
    char full[PARAM_NAME];
    model->modality[m].table = model->modality[m].proj = -1;
    model->modality[m].dim = id ? config->model.dim : proj ? proj : given;
    snprintf(full, sizeof full, "proj.%s", name);
    if (id)
        add_table(model, m, name);
    else if (proj)
        model->modality[m].proj = layer_add_linear(&model->params, full, proj, given);
    model->modality[m].frozen = model->catalogue.table[m].rows && !proj;
}

static enum status check_widths(const struct model *model) {
    for (int m = 0; m < model->terms; m++)
        if (model->modality[m].dim % model->config->model.heads)
            return log_error(STATUS_INPUT,
                             "model.heads: %lld heads do not divide the width %lld of modality "
                             "'%s'; choose a divisor",
                             (long long)model->config->model.heads,
                             (long long)model->modality[m].dim,
                             model->config->model.modalities.name[m]);
    return STATUS_OK;
}

enum status tables_declare(struct model *model) {
    for (int m = 0; m < model->modalities; m++)
        add_modality(model, m);
    return check_widths(model);
}

/* ---- rows ---- */

struct tensor *tables_project(struct model *model, struct tape *tape, int m, struct tensor *rows) {
    int proj = model->modality[m].proj;
    return proj < 0 ? rows : layer_linear(&model->params, tape, rows, proj);
}

static struct tensor *table_of(struct model *model, struct tape *tape, int m) {
    int learned = model->modality[m].table;
    const struct frozen_table *frozen = &model->catalogue.table[m];
    return learned >= 0 ? tape_param(tape, &model->params, learned)
                        : tape_constant(tape, frozen->rows,
                                        item_block_count(&model->catalogue.local), frozen->dim);
}

struct tensor *tables_rows(struct model *model, struct tape *tape, int m) {
    return tables_project(model, tape, m, table_of(model, tape, m));
}

struct tensor *tables_take(struct model *model, struct tape *tape, int m, const int32_t *index,
                           int64_t n) {
    return tables_project(model, tape, m, op_gather(tape, table_of(model, tape, m), index, n));
}

struct tensor *tables_unit(const struct model *model, struct tape *tape, int m) {
    return tape_constant(tape, model->catalogue.table[m].unit,
                         item_block_count(&model->catalogue.local), model->catalogue.table[m].dim);
}

/* ---- item sets ---- */

bool model_by_rows(const struct model *model) {
    return model->catalogue.collectives || model->config->train.loss != LOSS_EXACT;
}

bool model_ranks_by_rows(const struct model *model) {
    return model->catalogue.collectives || model->kind->computes_rows;
}

const real *model_table(const struct model *model, int m, int64_t *width) {
    int learned = model->modality[m].table;
    const struct frozen_table *frozen = &model->catalogue.table[m];
    *width = learned >= 0 ? model->config->model.dim : frozen->rows ? frozen->dim : 0;
    return learned >= 0 ? model->params.list[learned].tensor.x : frozen->rows;
}

struct bounds tables_candidates(const struct model *model, int set) {
    return (struct bounds){set == 1 ? model->catalogue.a_items : 0,
                           set == 0 ? model->catalogue.a_items : model->catalogue.items};
}

struct bounds tables_local(const struct model *model, int set) {
    int64_t n = item_block_count(&model->catalogue.local);
    int64_t x = model->catalogue.local.hi[0] - model->catalogue.local.lo[0];
    return (struct bounds){set == 1 ? x : 0, set == 0 ? x : n};
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

void model_items(const struct model *model, struct tape *tape, const struct batch *batch,
                 int64_t step, struct item_set *set) {
    bool all = model->config->model.mixed_softmax == MIXED_ALL;
    bool sampled = step > 0 && model->config->train.loss != LOSS_EXACT;
    *set = (struct item_set){0};
    for (int c = 0; sampled && c < (all ? 3 : 2); c++)
        if (tables_candidates(model, c).lo < tables_candidates(model, c).hi)
            draw_negatives(model, tape, step, c, &set->negatives[c]);
    item_set_collect(&tape->arena, batch, step > 0, set);
    for (int m = 0; m < model->modalities; m++) {
        int64_t width;
        (void)model_table(model, m, &width);
        if (width)
            set->rows[m] = arena_numbers(&tape->arena, set->n * width, sizeof(real));
    }
}

bool model_contrasts(const struct model *model) {
    return model->kind->contrasts && model->config->model.contrast_weight > 0;
}

void model_whole_items(const struct model *model, struct tape *tape, const int32_t *item, int64_t n,
                       struct item_set *set) {
    *set = (struct item_set){.n = n, .item = (int32_t *)(uintptr_t)item};
    for (int m = 0; m < model->modalities; m++)
        if (model->catalogue.table[m].rows)
            set->rows[m] =
                arena_numbers(&tape->arena, n * model->catalogue.table[m].dim, sizeof(real));
}

void model_fill_items(const struct model *model, struct item_set *set) {
    for (int m = 0; m < model->modalities; m++) {
        int64_t width;
        const real *table = model_table(model, m, &width);
        if (!set->rows[m])
            continue;
#pragma omp parallel for schedule(static) if (set->n * width > 10000)
        for (int64_t k = 0; k < set->n; k++)
            memcpy(set->rows[m] + k * width, table + set->item[k] * width,
                   (size_t)width * sizeof *table);
    }
}

void model_scatter_items(struct model *model, const struct item_set *set) {
    for (int m = 0; m < model->modalities; m++) {
        int index = model->modality[m].table;
        if (index < 0 || !set->table[m]->g)
            continue;
        const struct row_grad grad = {set->n, set->item, set->table[m]->g};
        row_grad_add(&grad, &model->params.list[index].tensor);
    }
}

struct tensor *tables_set_rows(struct model *model, struct tape *tape, int m,
                               struct item_set *set) {
    int64_t width;
    (void)model_table(model, m, &width);
    set->table[m] = tape_constant(tape, set->rows[m], set->n, width);
    set->table[m]->learned = tape->record && model->modality[m].table >= 0;
    return tables_project(model, tape, m, set->table[m]);
}
