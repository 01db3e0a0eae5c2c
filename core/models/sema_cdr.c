#include "core/models/sema_cdr.h"
#include "core/models/layers.h"
#include "core/models/tables.h"
#include "core/ops/activation.h"
#include "core/ops/embedding.h"
#include "core/ops/linear.h"
#include "core/ops/mix.h"
#include "core/ops/norm.h"
#include <string.h>

/* The modalities, as options_complete orders them. */
enum view { VIEW_ID, VIEW_AGNOSTIC, VIEW_SPECIFIC };

/* ---- parameters ---- */

static void add_views(struct model *model) {
    struct params *p = &model->params;
    int64_t d = model->config->model.dim;
    static const char *const first[VIEWS] = {NULL, "view.agnostic.1", "view.specific.1"},
                             *const second[VIEWS] = {NULL, "view.agnostic.2", "view.specific.2"},
                             *const gate[VIEWS] = {"gate.id", "gate.agnostic", "gate.specific"};
    for (int v = VIEW_AGNOSTIC; v < VIEWS; v++) {
        model->view[v].first = layer_add_linear(p, first[v], d, model->modality[v].dim);
        model->view[v].second = layer_add_linear(p, second[v], d, d);
    }
    for (int v = 0; v < VIEWS; v++)
        model->view[v].gate = layer_add_linear(p, gate[v], 1, d);
}

static enum status declare(struct model *model) {
    int64_t d = model->config->model.dim;
    model->terms = 1; /* e, in place of the id embedding */
    TRY(tables_declare(model));
    add_views(model);
    scoring_declare(model);
    if (model->config->model.stream_fusion == STREAM_FUSION_ADAPTIVE) {
        model->stream_layer = layer_add_linear(&model->params, "streams", d, d);
        model->stream_score =
            params_add(&model->params, 2, 1, d, PARAM_FAN_IN, d, "streams.score.w");
    }
    model_add_encoders(model);
    return STATUS_OK;
}

/* ---- items ---- */

static struct tensor *adapt(struct model *model, struct tape *tape, int v, struct tensor *rows) {
    struct params *p = &model->params;
    struct tensor *x = layer_linear(p, tape, rows, model->view[v].first);
    x = op_activation(tape, x, ACTIVATION_GELU, &dropout_none);
    return layer_linear(p, tape, x, model->view[v].second);
}

static bool is_zero(const real *x, int64_t n) {
    int64_t i = 0;
    while (i < n && x[i] == 0)
        i++;
    return i == n;
}

/* Row numbers, -1 of rows that are missing. */
static int32_t *present(struct tape *tape, const struct tensor *rows) {
    int32_t *index = arena_alloc(&tape->arena, rows->rows, sizeof *index);
    for (int64_t i = 0; i < rows->rows; i++)
        index[i] = is_zero(rows->x + i * rows->cols, rows->cols) ? -1 : (int32_t)i;
    return index;
}

static struct tensor *fuse_views(struct model *model, struct tape *tape,
                                 struct tensor *const rows[VIEWS]) {
    struct mix_part part[VIEWS];
    for (int v = 0; v < VIEWS; v++) {
        struct tensor *value = v == VIEW_ID ? rows[v] : adapt(model, tape, v, rows[v]);
        part[v] =
            (struct mix_part){value, layer_linear(&model->params, tape, value, model->view[v].gate),
                              v == VIEW_ID ? NULL : present(tape, rows[v])};
    }
    return op_mix(tape, part, VIEWS, rows[VIEW_ID]->rows, rows[VIEW_ID]->cols);
}

static struct tensor *all_rows(struct model *model, struct tape *tape, int m) {
    struct tensor *rows[VIEWS];
    (void)m;
    for (int v = 0; v < VIEWS; v++)
        rows[v] = tables_rows(model, tape, v);
    return fuse_views(model, tape, rows);
}

static struct tensor *set_rows(struct model *model, struct tape *tape, int m,
                               struct item_set *set) {
    struct tensor *rows[VIEWS];
    (void)m;
    for (int v = 0; v < VIEWS; v++)
        rows[v] = tables_set_rows(model, tape, v, set);
    return fuse_views(model, tape, rows);
}

/* ---- contrast of the views ---- */

/* Items of the set that have both views. */
static int64_t with_both(struct tape *tape, struct tensor *const view[VIEWS], int32_t *out) {
    const int32_t *a = present(tape, view[VIEW_AGNOSTIC]), *s = present(tape, view[VIEW_SPECIFIC]);
    int64_t n = 0;
    for (int64_t i = 0; i < view[VIEW_AGNOSTIC]->rows; i++)
        if (a[i] >= 0 && s[i] >= 0)
            out[n++] = (int32_t)i;
    return n;
}

/* Sum over the rows lo .. hi - 1 of -log softmax_j(<q_i, k_j>)_i. */
static double one_way(struct tape *tape, struct tensor *q, struct tensor *k, int64_t lo, int64_t hi,
                      double weight) {
    int32_t *row = arena_alloc(&tape->arena, hi - lo, sizeof *row);
    struct catalogue_hit *hits = arena_alloc(&tape->arena, hi - lo, sizeof *hits);
    for (int64_t i = lo; i < hi; i++)
        row[i - lo] = (int32_t)i;
    catalogue_hits_of_targets(row, hi - lo, 0, hits);
    struct catalogue_loss loss = {.terms = 1,
                                  .term = {{q, k, k}},
                                  .weights = {1},
                                  .positions = hi - lo,
                                  .row = row,
                                  .positive = row,
                                  .candidates = k->rows,
                                  .hits = hits,
                                  .hit_count = hi - lo,
                                  .weight = weight};
    return catalogue_loss(tape, &loss);
}

/* This part's share of the rows, so that the parts of a batch add up to the whole. */
static double contrast(struct model *model, struct tape *tape, const struct model_step *step) {
    const struct config *config = model->config;
    struct tensor *view[VIEWS], *unit[VIEWS], *scaled[VIEWS];
    int32_t *both = arena_alloc(&tape->arena, step->whole->n, sizeof *both);
    for (int v = VIEW_AGNOSTIC; v < VIEWS; v++)
        view[v] = tables_set_rows(model, tape, v, step->whole);
    int64_t n = with_both(tape, view, both);
    int64_t lo = n * step->part / step->parts, hi = n * (step->part + 1) / step->parts;
    if (n == 0)
        return 0;
    for (int v = VIEW_AGNOSTIC; v < VIEWS; v++) {
        unit[v] =
            op_unit_norm(tape, adapt(model, tape, v, op_gather(tape, view[v], both, n)), NORM_EPS);
        scaled[v] = op_scale(tape, unit[v], (real)(1 / config->model.contrast_temperature));
    }
    double weight = config->model.contrast_weight / (2 * (double)n);
    double sum = one_way(tape, scaled[VIEW_AGNOSTIC], unit[VIEW_SPECIFIC], lo, hi, weight) +
                 one_way(tape, scaled[VIEW_SPECIFIC], unit[VIEW_AGNOSTIC], lo, hi, weight);
    return sum / (2 * (double)n);
}

/* ---- streams ---- */

/* States of a stream and their scores, as a part of the fusion. */
static struct mix_part stream_part(struct model *model, struct tape *tape,
                                   const struct batch *batch, int s, struct tensor *rows,
                                   const int32_t *index, const struct noise *noise) {
    struct params *p = &model->params;
    struct mix_part part = {0};
    part.value = model_encode(model, tape, batch, s, 0, &rows, index, noise);
    if (model->config->model.stream_fusion == STREAM_FUSION_MEAN)
        return part;
    struct tensor *x = layer_linear(p, tape, part.value, model->stream_layer);
    x = op_activation(tape, x, ACTIVATION_TANH, &dropout_none);
    part.score = op_linear(tape, x, tape_param(tape, p, model->stream_score), NULL);
    return part;
}

/* Of every token of the mixed stream, the last token of stream s up to it, -1: none. */
static int32_t *last_before(struct tape *tape, const struct batch *batch, int s, int64_t x_items) {
    const struct stream *mixed = &batch->stream[STREAM_XY], *of = &batch->stream[s];
    int32_t *index = arena_alloc(&tape->arena, mixed->tokens, sizeof *index);
    int64_t c = 0; /* sequence of `of` */
    for (int64_t b = 0; b < mixed->sequences; b++) {
        while (c < of->sequences && of->sample[c] < mixed->sample[b])
            c++;
        bool has = c < of->sequences && of->sample[c] == mixed->sample[b];
        int64_t first = has ? of->offsets[c] : 0, at = has ? of->offsets[c + 1] - 1 : -1;
        for (int64_t t = mixed->offsets[b + 1] - 1; t >= mixed->offsets[b]; t--) {
            index[t] = at >= first ? (int32_t)at : -1;
            at -= s == STREAM_XY || (mixed->items[t] < x_items) == (s == STREAM_X);
        }
    }
    return index;
}

/* The last token of each sample's sequence in stream s, -1: none. */
static int32_t *last_of_samples(struct tape *tape, const struct batch *batch, int s) {
    const struct stream *of = &batch->stream[s];
    int32_t *index = arena_alloc(&tape->arena, batch->samples, sizeof *index);
    memset(index, -1, (size_t)batch->samples * sizeof *index);
    for (int64_t c = 0; c < of->sequences; c++)
        index[of->sample[c]] = (int32_t)(of->offsets[c + 1] - 1);
    return index;
}

/* ---- training and ranking ---- */

static void weights(const struct config *config, double weight[LOSS_PARTS]) {
    weight[STREAM_X] = weight[STREAM_Y] = 0;
    weight[STREAM_XY] = 1;
    weight[LOSS_CONTRAST] = config->model.contrast_weight;
}

/* Candidate sets of the targets: see tables_candidates. */
static struct bounds target_sets(const struct config *config) {
    if (config->train.target != TARGET_BOTH)
        return config->train.target == TARGET_X ? (struct bounds){0, 0} : (struct bounds){1, 1};
    return config->model.mixed_softmax == MIXED_ALL ? (struct bounds){2, 2} : (struct bounds){0, 1};
}

static void count(const struct model *model, const struct batch *batch, int64_t out[STREAMS]) {
    const struct stream *mixed = &batch->stream[STREAM_XY];
    int target = model->config->train.target;
    out[STREAM_X] = out[STREAM_Y] = out[STREAM_XY] = 0;
    for (int64_t t = 0; t < mixed->tokens; t++)
        out[STREAM_XY] += target == TARGET_BOTH ||
                          (mixed->targets[t] < model->shape.x_items) == (target == TARGET_X);
}

static struct tensor *queries(struct model *model, struct tape *tape, const struct batch *batch,
                              const struct model_step *step, const struct item_side *side) {
    struct mix_part part[STREAMS];
    int64_t n = batch->stream[STREAM_XY].tokens;
    int parts = 0;
    if (n == 0)
        return tape_tensor(tape, 0, model->modality[0].dim, false);
    for (int s = 0; s < STREAMS; s++) {
        struct noise noise = model_noise(model, tape, batch, step, s);
        if (batch->stream[s].tokens == 0)
            continue;
        part[parts] =
            stream_part(model, tape, batch, s, side->input[0], side_index(side, batch, s), &noise);
        part[parts++].index = last_before(tape, batch, s, model->shape.x_items);
    }
    return scoring_query(model, tape, 0, op_mix(tape, part, parts, n, model->modality[0].dim));
}

static void loss(struct model *model, struct tape *tape, const struct batch *batch,
                 const struct model_step *step, const struct item_side *side, struct phases *phases,
                 double sum[LOSS_PARTS]) {
    struct bounds sets = target_sets(model->config);
    bool together = model->shape.peers && model->config->train.loss == LOSS_EXACT;
    enum phase before = phases->now;
    sum[STREAM_X] = sum[STREAM_Y] = sum[STREAM_XY] = 0;
    if ((together ? step->count[STREAM_XY] : batch->stream[STREAM_XY].tokens) > 0) {
        struct tensor *q = queries(model, tape, batch, step, side);
        phases_enter(phases, PHASE_LOSS);
        sum[STREAM_XY] = scoring_loss(model, tape, batch, STREAM_XY, (int)sets.lo, (int)sets.hi,
                                      side, &q, 1 / (double)step->count[STREAM_XY]);
    }
    phases_enter(phases, PHASE_LOSS);
    sum[LOSS_CONTRAST] = step->whole ? contrast(model, tape, step) : 0;
    phases_enter(phases, before);
}

/* One score, whose softmax is over the domain: it ranks as the logits do. */
static void ranking(struct model *model, struct tape *tape, const struct batch *batch,
                    struct item_set *items, int domain, struct ranking *r) {
    struct mix_part part[STREAMS];
    struct tensor *rows = set_rows(model, tape, 0, items);
    bool *there = arena_alloc(&tape->arena, batch->samples, sizeof *there);
    int64_t d = model->modality[0].dim;
    int parts = 0;
    (void)domain;
    memset(there, 0, (size_t)batch->samples * sizeof *there);
    for (int s = 0; s < STREAMS; s++) {
        if (batch->stream[s].tokens == 0)
            continue;
        part[parts] =
            stream_part(model, tape, batch, s, rows, items->input[s], &(struct noise){.p = 0});
        part[parts++].index = last_of_samples(tape, batch, s);
    }
    for (int64_t b = 0; b < batch->stream[STREAM_XY].sequences; b++)
        there[batch->stream[STREAM_XY].sample[b]] = true;
    struct tensor *u = op_mix(tape, part, parts, batch->samples, d);
    r->stream[STREAM_XY].q[0] = scoring_query(model, tape, 0, u)->x;
    r->stream[STREAM_XY].present = there;
    r->stream[STREAM_XY].weight = 1;
    r->weights[0] = 1;
}

const struct model_kind sema_cdr = {
    .name = "sema_cdr",
    .computes_rows = true,
    .mixed_batch = true,
    .contrasts = true,
    .declare = declare,
    .rows = all_rows,
    .set_rows = set_rows,
    .weights = weights,
    .count = count,
    .loss = loss,
    .ranking = ranking,
};
