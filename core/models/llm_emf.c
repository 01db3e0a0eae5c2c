#include "core/models/llm_emf.h"
#include "core/log.h"
#include "core/ops/activation.h"
#include "core/ops/attention.h"
#include "core/ops/embedding.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"
#include "core/rng.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define NORM_EPS ((real)1e-8)
#define SCALE_LIMIT 4.60517018598809136804 /* ln 100 */

/* ---- parameters ---- */

/* A linear layer `prefix`.w [out, in] and .b [out]; returns the index of w, b follows it. */
static int add_linear(struct params *p, const char *prefix, int64_t out, int64_t in) {
    int w = params_add(p, 2, out, in, PARAM_FAN_IN, in, "%s.w", prefix);
    params_add(p, 1, 1, out, PARAM_FAN_IN, in, "%s.b", prefix);
    return w;
}

/* A layer norm `prefix`.g and .b [d]; returns the index of g, b follows it. */
static int add_norm(struct params *p, const char *prefix, int64_t d) {
    int g = params_add(p, 1, 1, d, PARAM_ONE, d, "%s.g", prefix);
    params_add(p, 1, 1, d, PARAM_ZERO, d, "%s.b", prefix);
    return g;
}

static void add_block(struct params *p, struct encoder_block *block, const char *encoder, int b,
                      int64_t d) {
    char name[6][PARAM_NAME];
    const char *layer[6] = {"ln1", "attn.qkv", "attn.out", "ln2", "ffn.1", "ffn.2"};
    for (int i = 0; i < 6; i++)
        snprintf(name[i], sizeof name[i], "%.96s.%d.%s", encoder, b, layer[i]);
    block->ln1 = add_norm(p, name[0], d);
    block->qkv = add_linear(p, name[1], 3 * d, d);
    block->out = add_linear(p, name[2], d, d);
    block->ln2 = add_norm(p, name[3], d);
    block->ffn1 = add_linear(p, name[4], d, d);
    block->ffn2 = add_linear(p, name[5], d, d);
}

static void add_encoder(struct model *model, struct encoder *e, const char *stream, int m) {
    const char *modality = model->config->model.modalities.name[m];
    struct params *p = &model->params;
    int64_t d = model->modality[m].dim;
    char name[PARAM_NAME], norm[PARAM_NAME];
    snprintf(name, sizeof name, "enc.%s.%s", stream, modality);
    snprintf(norm, sizeof norm, "enc.%s.%s.ln", stream, modality);
    e->pos = params_add(p, 2, model->shape.max_len, d, PARAM_NORMAL, d, "%s.pos", name);
    for (int b = 0; b < model->config->model.blocks; b++)
        add_block(p, &e->block[b], name, b, d);
    e->ln = add_norm(p, norm, d);
}

static void add_modality(struct model *model, int m) {
    const struct config *config = model->config;
    const char *name = config->model.modalities.name[m];
    int64_t given = model->shape.table[m].dim, proj = config->model.feature_proj;
    bool id = !model->shape.table[m].rows;
    char full[PARAM_NAME];
    model->modality[m].table = model->modality[m].proj = -1;
    model->modality[m].dim = id ? config->model.dim : proj ? proj : given;
    snprintf(full, sizeof full, "proj.%s", name);
    if (id)
        model->modality[m].table =
            params_add(&model->params, 2, model->shape.items, config->model.dim, PARAM_NORMAL,
                       config->model.dim, "embed.%s", name);
    else if (proj)
        model->modality[m].proj = add_linear(&model->params, full, proj, given);
}

static void add_encoders(struct model *model) {
    bool shared = model->config->model.share_encoders == SHARE_STREAMS;
    for (int s = 0; s < STREAMS; s++)
        for (int m = 0; m < model->modalities; m++) {
            struct encoder *e = model->modality[m].encoder;
            if (shared && s > 0)
                e[s] = e[0];
            else
                add_encoder(model, &e[s], shared ? "shared" : stream_names[s], m);
        }
}

static void add_scalars(struct model *model) {
    const struct config *config = model->config;
    bool learned = config->model.fusion == FUSION_PROBABILITY &&
                   !config->model.fusion_weights.count && model->modalities > 1;
    for (int m = 0; m < model->modalities; m++)
        model->modality[m].scale = config->model.scale.count
                                       ? -1
                                       : params_add(&model->params, 0, 1, 1, PARAM_LN10, 1,
                                                    "scale.%s", config->model.modalities.name[m]);
    model->fusion =
        learned ? params_add(&model->params, 1, 1, model->modalities, PARAM_ZERO, 1, "fusion.w")
                : -1;
}

static enum status check_widths(const struct model *model) {
    for (int m = 0; m < model->modalities; m++)
        if (model->modality[m].dim % model->config->model.heads)
            return log_error(STATUS_INPUT,
                             "model.heads: %lld heads do not divide the width %lld of modality "
                             "'%s'; choose a divisor",
                             (long long)model->config->model.heads,
                             (long long)model->modality[m].dim,
                             model->config->model.modalities.name[m]);
    return STATUS_OK;
}

enum status model_create(struct model *model, const struct config *config,
                         const struct model_shape *shape, bool training) {
    *model = (struct model){.config = config,
                            .shape = *shape,
                            .modalities = config->model.modalities.count,
                            .fusion = -1};
    if (config->model.blocks > MODEL_BLOCKS)
        return log_error(STATUS_INPUT, "model.blocks: at most %d blocks", (int)MODEL_BLOCKS);
    for (int m = 0; m < model->modalities; m++)
        add_modality(model, m);
    enum status status = check_widths(model);
    if (status != STATUS_OK) {
        params_free(&model->params);
        return status;
    }
    /* The reduction starts from the last parameter: encoders in the order backward completes them.
     */
    add_scalars(model);
    add_encoders(model);
    params_allocate(&model->params, (uint64_t)config->run.seed, training);
    return STATUS_OK;
}

void model_free(struct model *model) {
    params_free(&model->params);
    *model = (struct model){0};
}

/* ---- items ---- */

static struct tensor *param(struct model *model, struct tape *tape, int index) {
    return tape_param(tape, &model->params, index);
}

/* Layers whose parameters follow one another: w, b and gain, bias. */
static struct tensor *linear(struct model *model, struct tape *tape, struct tensor *x, int w) {
    return op_linear(tape, x, param(model, tape, w), param(model, tape, w + 1));
}

static struct tensor *layer_norm(struct model *model, struct tape *tape, struct tensor *x,
                                 int gain) {
    return op_layer_norm(tape, x, param(model, tape, gain), param(model, tape, gain + 1), NORM_EPS);
}

/* Rows of a table of modality m after projection: all (index NULL) or chosen ones. */
static struct tensor *take_rows(struct model *model, struct tape *tape, int m, const real *frozen,
                                const int32_t *index, int64_t n) {
    int learned = model->modality[m].table;
    struct tensor *table =
        learned >= 0 ? param(model, tape, learned)
                     : tape_constant(tape, frozen, model->shape.items, model->shape.table[m].dim);
    if (index)
        table = op_gather(tape, table, index, n);
    return model->modality[m].proj < 0 ? table
                                       : linear(model, tape, table, model->modality[m].proj);
}

/* Inputs of the encoders. */
static struct tensor *item_rows(struct model *model, struct tape *tape, int m, const int32_t *index,
                                int64_t n) {
    return take_rows(model, tape, m, model->shape.table[m].rows, index, n);
}

/* Unit-norm rows of the item side. `rows` (may be NULL) are the same rows as encoder inputs. */
static struct tensor *unit_rows(struct model *model, struct tape *tape, int m, struct tensor *rows,
                                const int32_t *index, int64_t n) {
    bool frozen = model->modality[m].table < 0 && model->modality[m].proj < 0;
    if (frozen || !rows)
        rows = take_rows(model, tape, m, model->shape.table[m].unit, index, n);
    return frozen ? rows : op_unit_norm(tape, rows, NORM_EPS);
}

/* ---- encoder (methods, section 2) ---- */

/* What the dropout layers of one stream's encoders share. */
struct noise {
    double p;
    uint64_t seed, step;
    const uint64_t *token_key;
};

/* Layers are numbered across streams, modalities, blocks. */
static struct dropout noise_layer(const struct noise *noise, int stream, int m, int block,
                                  int place) {
    uint64_t layer =
        (((uint64_t)stream * OPTION_LIST + (uint64_t)m) * (MODEL_BLOCKS + 1) + (uint64_t)block) *
            4 +
        (uint64_t)place;
    if (noise->p <= 0)
        return dropout_none;
    return dropout_make(noise->p, rng_key(noise->seed, RNG_DROPOUT, noise->step, layer),
                        noise->token_key);
}

static struct tensor *encode(struct model *model, struct tape *tape, const struct stream *stream,
                             int s, int m, struct tensor *table, const int32_t *index,
                             const struct noise *noise) {
    const struct encoder *e = &model->modality[m].encoder[s];
    int64_t d = model->modality[m].dim;
    int blocks = (int)model->config->model.blocks, heads = (int)model->config->model.heads;
    struct dropout drop = noise_layer(noise, s, m, blocks, 0);
    struct tensor *x = op_embed(tape, table, index, param(model, tape, e->pos), stream->positions,
                                stream->tokens, REAL_F(sqrt)((real)d), &drop);
    for (int b = 0; b < blocks; b++) {
        struct tensor *n = layer_norm(model, tape, x, e->block[b].ln1);
        struct tensor *qkv = linear(model, tape, n, e->block[b].qkv);
        drop = noise_layer(noise, s, m, b, 0);
        struct tensor *a =
            op_attention(tape, qkv, stream->offsets, stream->sequences, heads, &drop);
        drop = noise_layer(noise, s, m, b, 1);
        x = op_residual(tape, x, linear(model, tape, a, e->block[b].out), &drop);
        n = layer_norm(model, tape, x, e->block[b].ln2);
        drop = noise_layer(noise, s, m, b, 2);
        struct tensor *f =
            op_activation(tape, linear(model, tape, n, e->block[b].ffn1), ACTIVATION_RELU, &drop);
        drop = noise_layer(noise, s, m, b, 3);
        x = op_residual(tape, x, linear(model, tape, f, e->block[b].ffn2), &drop);
    }
    return layer_norm(model, tape, x, e->ln);
}

/* Scaled unit states q = exp(tau) h / |h|: <q, e> is the logit (methods 3.1, 3.2). */
static struct tensor *query(struct model *model, struct tape *tape, int m, struct tensor *h) {
    struct tensor *unit = op_unit_norm(tape, h, NORM_EPS);
    if (model->modality[m].scale < 0)
        return op_scale(tape, unit, (real)model->config->model.scale.value[0]);
    return op_exp_scale(tape, unit, param(model, tape, model->modality[m].scale),
                        (real)SCALE_LIMIT);
}

/* ---- training loss ---- */

void model_loss_weights(const struct config *config, double weight[STREAMS]) {
    double l1 = config->model.lambda1;
    weight[STREAM_X] = config->train.target == TARGET_Y ? l1 : 1;
    weight[STREAM_Y] = config->train.target == TARGET_X ? l1 : 1;
    weight[STREAM_XY] = config->model.lambda2;
}

/* Item rows of a step. Exact: the whole tables. Sampled: the negatives of each candidate set. */
struct item_side {
    bool sampled;
    struct tensor
        *raw[OPTION_LIST]; /* inputs of the encoders; NULL: gather and project per stream */
    struct tensor *unit[3][OPTION_LIST]; /* by candidate set: X, Y, all */
    int32_t *negatives[3];
    int64_t count;
};

struct bounds {
    int64_t lo, hi;
};

/* Candidate set 0: X, 1: Y, 2: all. */
static struct bounds candidate_set(const struct model *model, int set) {
    return (struct bounds){set == 1 ? model->shape.x_items : 0,
                           set == 0 ? model->shape.x_items : model->shape.items};
}

static void draw_negatives(const struct model *model, struct tape *tape, int64_t step, int set,
                           struct item_side *side) {
    struct bounds b = candidate_set(model, set);
    uint64_t key =
        rng_key((uint64_t)model->config->run.seed, RNG_NEGATIVES, (uint64_t)step, (uint64_t)set);
    side->negatives[set] = arena_alloc(&tape->arena, side->count, sizeof(int32_t));
    for (int64_t k = 0; k < side->count; k++)
        side->negatives[set][k] = (int32_t)(b.lo + rng_below(key, (uint64_t)k, b.hi - b.lo));
}

static void make_items(struct model *model, struct tape *tape, int64_t step,
                       struct item_side *side) {
    side->sampled = model->config->train.loss == LOSS_SAMPLED;
    side->count = model->config->train.negatives;
    bool all = model->config->model.mixed_softmax == MIXED_ALL;
    for (int set = 0; side->sampled && set < (all ? 3 : 2); set++)
        draw_negatives(model, tape, step, set, side);
    for (int m = 0; m < model->modalities; m++) {
        bool project = model->modality[m].proj >= 0;
        side->raw[m] = project && side->sampled ? NULL : item_rows(model, tape, m, NULL, 0);
        for (int set = 0; set < 3; set++)
            if (!side->sampled)
                side->unit[set][m] =
                    set ? side->unit[0][m] : unit_rows(model, tape, m, side->raw[m], NULL, 0);
            else if (side->negatives[set])
                side->unit[set][m] =
                    unit_rows(model, tape, m, NULL, side->negatives[set], side->count);
    }
}

/* Positions of a stream whose target lies in one candidate set. */
struct group {
    int set;
    int64_t n;
    int32_t *row, *target;
};

static struct group make_group(struct tape *tape, const struct stream *stream, int set,
                               struct bounds b) {
    struct group g = {.set = set};
    g.row = arena_alloc(&tape->arena, stream->tokens, sizeof *g.row);
    g.target = arena_alloc(&tape->arena, stream->tokens, sizeof *g.target);
    for (int64_t t = 0; t < stream->tokens; t++)
        if (stream->targets[t] >= b.lo && stream->targets[t] < b.hi) {
            g.row[g.n] = (int32_t)t;
            g.target[g.n++] = stream->targets[t];
        }
    return g;
}

static void exact_candidates(struct tape *tape, const struct group *g, struct bounds b,
                             struct catalogue_loss *loss) {
    struct catalogue_hit *hits = arena_alloc(&tape->arena, g->n, sizeof *hits);
    catalogue_hits_of_targets(g->target, g->n, b.lo, hits);
    loss->positive = g->target;
    loss->lo = b.lo;
    loss->candidates = b.hi - b.lo;
    loss->hits = hits;
    loss->hit_count = g->n;
}

static void sampled_candidates(struct tape *tape, const struct group *g,
                               const struct item_side *side, struct catalogue_loss *loss) {
    int32_t *identity = arena_alloc(&tape->arena, g->n, sizeof *identity);
    for (int64_t t = 0; t < g->n; t++)
        identity[t] = (int32_t)t;
    loss->positive = identity;
    loss->candidates = side->count;
    loss->hits = catalogue_hits_of_negatives(&tape->arena, side->negatives[g->set], side->count,
                                             g->target, g->n, &loss->hit_count);
}

static double group_loss(struct model *model, struct tape *tape, const struct group *g,
                         const struct item_side *side, struct tensor *const *q, double weight) {
    const struct config *config = model->config;
    struct catalogue_loss loss = {.terms = model->modalities,
                                  .fusion = (enum fusion)config->model.fusion,
                                  .positions = g->n,
                                  .row = g->row,
                                  .weight = weight};
    if (g->n == 0)
        return 0;
    (void)options_fusion_weights(config, loss.weights);
    if (model->fusion >= 0)
        loss.fusion_logits = param(model, tape, model->fusion);
    if (side->sampled)
        sampled_candidates(tape, g, side, &loss);
    else
        exact_candidates(tape, g, candidate_set(model, g->set), &loss);
    for (int m = 0; m < model->modalities; m++) {
        struct tensor *items = side->unit[g->set][m], *positives = items;
        if (side->sampled)
            positives = unit_rows(model, tape, m, NULL, g->target, g->n);
        loss.term[m] = (struct catalogue_term){q[m], items, positives};
    }
    return catalogue_loss(tape, &loss);
}

static void stream_queries(struct model *model, struct tape *tape, const struct stream *stream,
                           int s, const struct item_side *side, const struct noise *noise,
                           struct tensor *q[OPTION_LIST]) {
    for (int m = 0; m < model->modalities; m++) {
        struct tensor *table = side->raw[m];
        const int32_t *index = stream->items;
        if (!table) {
            table = item_rows(model, tape, m, stream->items, stream->tokens);
            index = NULL;
        }
        q[m] = query(model, tape, m, encode(model, tape, stream, s, m, table, index, noise));
    }
}

static double stream_loss(struct model *model, struct tape *tape, const struct stream *stream,
                          int s, const struct item_side *side, struct tensor *const *q,
                          double weight) {
    bool all = s == STREAM_XY && model->config->model.mixed_softmax == MIXED_ALL;
    int first = all ? 2 : s == STREAM_Y ? 1 : 0, last = all ? 2 : s == STREAM_X ? 0 : 1;
    double sum = 0;
    for (int set = first; set <= last; set++) {
        struct group g = make_group(tape, stream, set, candidate_set(model, set));
        sum += group_loss(model, tape, &g, side, q, weight);
    }
    return sum;
}

void model_loss(struct model *model, struct tape *tape, const struct batch *batch,
                const struct model_step *step, struct phases *phases, double sum[STREAMS]) {
    struct item_side side = {0};
    double weight[STREAMS];
    tape->bf16 = model->config->train.precision == PRECISION_BF16;
    model_loss_weights(model->config, weight);
    make_items(model, tape, step->step, &side);
    for (int s = 0; s < STREAMS; s++) {
        const struct stream *stream = &batch->stream[s];
        struct noise noise = {tape->record ? model->config->model.dropout : 0,
                              (uint64_t)model->config->run.seed, (uint64_t)step->step,
                              stream->keys};
        struct tensor *q[OPTION_LIST];
        sum[s] = 0;
        if (stream->tokens == 0 || weight[s] == 0)
            continue;
        stream_queries(model, tape, stream, s, &side, &noise, q);
        enum phase before = phases_enter(phases, PHASE_LOSS);
        sum[s] = stream_loss(model, tape, stream, s, &side, q, weight[s] / (double)step->count[s]);
        phases_enter(phases, before);
    }
}

/* ---- states and ranking ---- */

void model_stream_states(struct model *model, struct tape *tape, const struct batch *batch,
                         enum stream_name s, struct tensor *h[OPTION_LIST]) {
    struct noise noise = {0};
    const struct stream *stream = &batch->stream[s];
    for (int m = 0; m < model->modalities; m++) {
        /* A projection is of the tokens' rows, not of the whole table. */
        bool project = model->modality[m].proj >= 0;
        const int32_t *take = project ? stream->items : NULL,
                      *index = project ? NULL : stream->items;
        h[m] = encode(model, tape, stream, s, m, item_rows(model, tape, m, take, stream->tokens),
                      index, &noise);
    }
}

void model_item_rows(struct model *model, struct tape *tape, const real *rows[OPTION_LIST]) {
    for (int m = 0; m < model->modalities; m++)
        rows[m] = unit_rows(model, tape, m, NULL, NULL, 0)->x;
}

/* w of eq. 8, sum 1; in logit fusion there is one softmax, of weight 1. */
static void fill_fusion(const struct model *model, double weights[CATALOGUE_TERMS]) {
    double sum = 0;
    weights[0] = 1;
    if (model->fusion < 0) {
        if (model->config->model.fusion == FUSION_PROBABILITY)
            (void)options_fusion_weights(model->config, weights);
        return;
    }
    const real *logits = model->params.list[model->fusion].tensor.x;
    for (int m = 0; m < model->modalities; m++)
        sum += weights[m] = exp((double)logits[m]);
    for (int m = 0; m < model->modalities; m++)
        weights[m] /= sum;
}

static void fill_weights(const struct model *model, int domain, struct ranking *r) {
    const struct config *config = model->config;
    double l1 = isnan(config->eval.lambda1) ? config->model.lambda1 : config->eval.lambda1;
    double l2 = isnan(config->eval.lambda2) ? config->model.lambda2 : config->eval.lambda2;
    bool all = config->model.mixed_softmax == MIXED_ALL;
    for (int s = 0; s < STREAMS; s++) {
        r->stream[s].weight = s == STREAM_XY ? l2 : s == domain ? 1 : l1;
        r->stream[s].lo = s == STREAM_XY && all ? 0 : r->lo;
        r->stream[s].hi = s == STREAM_XY && all ? model->shape.items : r->hi;
    }
    fill_fusion(model, r->weights);
}

/* The last state of each sequence, spread to one row per sample; rows of empty streams are zero. */
static void fill_stream(struct model *model, struct tape *tape, const struct batch *batch, int s,
                        struct ranking *r) {
    const struct stream *stream = &batch->stream[s];
    bool *present = arena_alloc(&tape->arena, batch->samples, sizeof *present);
    int32_t *last = arena_alloc(&tape->arena, stream->sequences, sizeof *last);
    struct tensor *h[OPTION_LIST] = {NULL};
    memset(present, 0, (size_t)batch->samples * sizeof *present);
    for (int64_t b = 0; b < stream->sequences; b++) {
        present[stream->sample[b]] = true;
        last[b] = (int32_t)(stream->offsets[b + 1] - 1);
    }
    r->stream[s].present = present;
    if (stream->tokens)
        model_stream_states(model, tape, batch, (enum stream_name)s, h);
    for (int m = 0; m < model->modalities; m++) {
        int64_t d = model->modality[m].dim;
        real *rows = arena_alloc(&tape->arena, batch->samples * d, sizeof *rows);
        memset(rows, 0, (size_t)(batch->samples * d) * sizeof *rows);
        if (stream->tokens) {
            struct tensor *q =
                query(model, tape, m, op_gather(tape, h[m], last, stream->sequences));
            for (int64_t b = 0; b < stream->sequences; b++)
                memcpy(rows + stream->sample[b] * d, q->x + b * d, (size_t)d * sizeof *rows);
        }
        r->stream[s].q[m] = rows;
    }
}

void model_ranking(struct model *model, struct tape *tape, const struct batch *batch,
                   const int32_t *target, int domain, struct ranking *r) {
    struct bounds b = candidate_set(model, domain);
    r->terms = model->modalities;
    r->fusion = (enum fusion)model->config->model.fusion;
    r->samples = batch->samples;
    r->target = target;
    r->lo = b.lo;
    r->hi = b.hi;
    for (int m = 0; m < model->modalities; m++)
        r->dim[m] = model->modality[m].dim;
    fill_weights(model, domain, r);
    for (int s = 0; s < STREAMS; s++)
        fill_stream(model, tape, batch, s, r);
}
