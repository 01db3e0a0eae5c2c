#include "core/models/sema_cdr.h"
#include "core/models/layers.h"
#include "core/models/tables.h"
#include "core/models/views.h"
#include "core/ops/activation.h"
#include "core/ops/mix.h"
#include <string.h>

/* What a stream is to a target: the columns of its states' scores. */
enum role { ROLE_TARGET, ROLE_SOURCE, ROLE_MIXED, ROLES };

static enum role role_of(int s, bool target_in_a) {
    if (s == STREAM_MIXED)
        return ROLE_MIXED;
    return (s == STREAM_A) == target_in_a ? ROLE_TARGET : ROLE_SOURCE;
}

struct sema {
    struct views views;
    int stream_layer, stream_score; /* layers of the fusion of streams */
};

static enum status declare(struct model *model) {
    struct sema *sema = model->state;
    int64_t d = model->config->model.dim;
    model->terms = 1; /* e, in place of the id embedding */
    TRY(tables_declare(model));
    views_declare(model);
    scoring_declare(model);
    if (model->config->model.stream_fusion == STREAM_FUSION_ADAPTIVE) {
        sema->stream_layer = layer_add_linear(&model->params, "streams", d, d);
        sema->stream_score = layer_add_linear(&model->params, "streams.score", ROLES, d);
    }
    model_add_encoders(model, 0);
    return STATUS_OK;
}

/* ---- streams ---- */

/* States of a stream and their scores, as a part of the fusion. */
static struct gate_input stream_part(struct model *model, struct tape *tape,
                                     const struct batch *batch, int s, struct tensor *rows,
                                     const int32_t *index, const struct noise *noise) {
    const struct sema *sema = model->state;
    struct params *p = &model->params;
    struct gate_input part = {0};
    part.value = model_encode(model, tape, batch, s, 0, rows, NULL, index, noise);
    if (model->config->model.stream_fusion == STREAM_FUSION_MEAN)
        return part;
    struct tensor *x = layer_linear(p, tape, part.value, sema->stream_layer);
    x = op_activation(tape, x, ACTIVATION_TANH, &dropout_none);
    part.score = layer_linear(p, tape, x, sema->stream_score);
    return part;
}

/* Of every token of the mixed stream, the last token of stream s up to it, -1: none. */
static int32_t *last_before(struct tape *tape, const struct batch *batch, int s, int64_t a_items) {
    const struct stream *mixed = &batch->stream[STREAM_MIXED], *of = &batch->stream[s];
    int32_t *index = arena_alloc(&tape->arena, mixed->tokens, sizeof *index);
    int64_t c = 0; /* sequence of `of` */
    for (int64_t b = 0; b < mixed->sequences; b++) {
        while (c < of->sequences && of->sample[c] < mixed->sample[b])
            c++;
        bool has = c < of->sequences && of->sample[c] == mixed->sample[b];
        int64_t first = has ? of->offsets[c] : 0, at = has ? of->offsets[c + 1] - 1 : -1;
        for (int64_t t = mixed->offsets[b + 1] - 1; t >= mixed->offsets[b]; t--) {
            index[t] = at >= first ? (int32_t)at : -1;
            at -= s == STREAM_MIXED || (mixed->items[t] < a_items) == (s == STREAM_A);
        }
    }
    return index;
}

/* Roles of stream s for the targets of the mixed stream. */
static int32_t *roles_of_targets(struct tape *tape, const struct batch *batch, int s,
                                 int64_t a_items) {
    const struct stream *mixed = &batch->stream[STREAM_MIXED];
    int32_t *role = arena_alloc(&tape->arena, mixed->tokens, sizeof *role);
    for (int64_t t = 0; t < mixed->tokens; t++)
        role[t] = (int32_t)role_of(s, mixed->targets[t] < a_items);
    return role;
}

static int32_t *role_of_all(struct tape *tape, int64_t n, int s, int domain) {
    int32_t *role = arena_alloc(&tape->arena, n, sizeof *role);
    for (int64_t i = 0; i < n; i++)
        role[i] = (int32_t)role_of(s, domain == 0);
    return role;
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
    weight[STREAM_A] = weight[STREAM_B] = 0;
    weight[STREAM_MIXED] = 1;
    weight[LOSS_CONTRAST] = config->model.contrast_weight;
}

/* Candidate sets of the targets: see tables_candidates. */
static struct bounds target_sets(const struct config *config) {
    if (config->train.target != TARGET_BOTH)
        return config->train.target == TARGET_A ? (struct bounds){0, 0} : (struct bounds){1, 1};
    return config->model.mixed_softmax == MIXED_ALL ? (struct bounds){2, 2} : (struct bounds){0, 1};
}

static void count(const struct model *model, const struct batch *batch, int64_t out[STREAMS]) {
    const struct stream *mixed = &batch->stream[STREAM_MIXED];
    int target = model->config->train.target;
    out[STREAM_A] = out[STREAM_B] = out[STREAM_MIXED] = 0;
    for (int64_t t = 0; t < mixed->tokens; t++)
        out[STREAM_MIXED] += target == TARGET_BOTH ||
                             (mixed->targets[t] < model->catalogue.a_items) == (target == TARGET_A);
}

static struct tensor *queries(struct model *model, struct tape *tape, const struct batch *batch,
                              const struct model_step *step, const struct item_side *side) {
    struct gate_input part[STREAMS];
    int64_t n = batch->stream[STREAM_MIXED].tokens;
    int parts = 0;
    if (n == 0)
        return tape_tensor(tape, 0, model->modality[0].dim, false);
    for (int s = 0; s < STREAMS; s++) {
        struct noise noise = model_noise(model, tape, batch, step, s);
        if (batch->stream[s].tokens == 0)
            continue;
        part[parts] =
            stream_part(model, tape, batch, s, side->input[0], side_index(side, batch, s), &noise);
        part[parts].column = roles_of_targets(tape, batch, s, model->catalogue.a_items);
        part[parts++].index = last_before(tape, batch, s, model->catalogue.a_items);
    }
    return scoring_query(model, tape, 0, op_mix(tape, part, parts, n, model->modality[0].dim));
}

static void loss(struct model *model, struct tape *tape, const struct batch *batch,
                 const struct model_step *step, const struct item_side *side, struct phases *phases,
                 double sum[LOSS_PARTS]) {
    struct bounds sets = target_sets(model->config);
    bool together = model->catalogue.collectives && model->config->train.loss == LOSS_EXACT;
    enum phase before = phases->now;
    sum[STREAM_A] = sum[STREAM_B] = sum[STREAM_MIXED] = 0;
    if ((together ? step->count[STREAM_MIXED] : batch->stream[STREAM_MIXED].tokens) > 0) {
        struct tensor *q = queries(model, tape, batch, step, side);
        tape_enter(tape, phases, PHASE_LOSS);
        sum[STREAM_MIXED] =
            scoring_loss(model, tape, batch, STREAM_MIXED, (int)sets.lo, (int)sets.hi, side, &q,
                         NULL, 1 / (double)step->count[STREAM_MIXED]);
    }
    tape_enter(tape, phases, PHASE_LOSS);
    sum[LOSS_CONTRAST] = step->whole ? views_contrast(model, tape, step) : 0;
    tape_enter(tape, phases, before);
}

/* One score, whose softmax is over the domain: it ranks as the logits do. */
static void ranking(struct model *model, struct tape *tape, const struct batch *batch,
                    struct item_set *items, int domain, struct ranking *r) {
    struct gate_input part[STREAMS];
    struct tensor *rows = views_set_rows(model, tape, 0, items);
    bool *there = arena_alloc(&tape->arena, batch->samples, sizeof *there);
    int64_t d = model->modality[0].dim;
    int parts = 0;
    memset(there, 0, (size_t)batch->samples * sizeof *there);
    for (int s = 0; s < STREAMS; s++) {
        if (batch->stream[s].tokens == 0)
            continue;
        part[parts] =
            stream_part(model, tape, batch, s, rows, items->input[s], &(struct noise){.p = 0});
        part[parts].column = role_of_all(tape, batch->samples, s, domain);
        part[parts++].index = last_of_samples(tape, batch, s);
    }
    for (int64_t b = 0; b < batch->stream[STREAM_MIXED].sequences; b++)
        there[batch->stream[STREAM_MIXED].sample[b]] = true;
    struct tensor *u = op_mix(tape, part, parts, batch->samples, d);
    r->stream[STREAM_MIXED].q[0] = scoring_query(model, tape, 0, u)->x;
    r->stream[STREAM_MIXED].present = there;
    r->stream[STREAM_MIXED].weight = 1;
    r->weights[0] = 1;
}

const struct model_kind sema_cdr = {
    .name = "sema_cdr",
    .state_size = sizeof(struct sema),
    .computes_rows = true,
    .mixed_batch = true,
    .contrasts = true,
    .declare = declare,
    .rows = views_all_rows,
    .set_rows = views_set_rows,
    .weights = weights,
    .count = count,
    .loss = loss,
    .ranking = ranking,
};
