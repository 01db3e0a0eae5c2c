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

/* The table of `id`. With the sampled loss its gradient comes as rows, unless whole gradients are
 * summed in a fixed order; where items are shared out a rank holds a part. */
static void add_table(struct model *model, int m, const char *name) {
    const struct config *config = model->config;
    struct params *p = &model->params;
    int table = params_add(p, 2, model->shape.items, config->model.dim, PARAM_NORMAL,
                           config->model.dim, "embed.%s", name);
    if (model->shape.peers)
        params_part(p, table, &model->shape.here);
    if (config->train.loss != LOSS_EXACT && !config->train.reproducible)
        params_by_rows(p, table);
    model->modality[m].table = table;
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
        add_table(model, m, name);
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
    if (!shape->peers)
        model->shape.here = (struct parts){{0, shape->x_items}, {shape->x_items, shape->items}};
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

bool model_init_id(struct model *model, const real *rows, int64_t dim) {
    const struct param *id = params_find(&model->params, "embed.id");
    if (dim != id->cols)
        return false;
    real norm = (real)(PARAM_NORMAL_STD * sqrt((double)dim));
    for (int64_t i = 0; i < parts_count(&id->here); i++) {
        const real *row = rows + i * dim;
        bool missing = true;
        for (int64_t c = 0; c < dim; c++)
            missing = missing && row[c] == 0;
        for (int64_t c = 0; c < dim && !missing; c++)
            id->tensor.x[i * dim + c] = norm * row[c];
    }
    return true;
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
    struct tensor *table = learned >= 0
                               ? param(model, tape, learned)
                               : tape_constant(tape, frozen, parts_count(&model->shape.here),
                                               model->shape.table[m].dim);
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

/* Nothing is learned between a table and its item side. */
static bool is_frozen(const struct model *model, int m) {
    return model->modality[m].table < 0 && model->modality[m].proj < 0;
}

/* The exact loss divides the rows of all items by their norms as it goes, so that no second table
 * stands beside a learned one. */
static bool divides_rows(const struct model *model, int m) {
    return model->config->train.loss == LOSS_EXACT && !is_frozen(model, m);
}

/* Rows of all items that are here, which candidates are at unit norm: frozen ones are. */
static struct tensor *candidate_rows(struct model *model, struct tape *tape, int m) {
    return take_rows(model, tape, m, model->shape.table[m].unit, NULL, 0);
}

/* ---- item sets ---- */

bool model_by_rows(const struct model *model) {
    return model->shape.peers || model->config->train.loss != LOSS_EXACT;
}

const real *model_table(const struct model *model, int m, int64_t *width) {
    int learned = model->modality[m].table;
    *width = learned >= 0 ? model->config->model.dim : model->shape.table[m].dim;
    return learned >= 0 ? model->params.list[learned].tensor.x : model->shape.table[m].rows;
}

struct bounds {
    int64_t lo, hi;
};

/* Candidate set 0: X, 1: Y, 2: all. */
static struct bounds candidate_set(const struct model *model, int set) {
    return (struct bounds){set == 1 ? model->shape.x_items : 0,
                           set == 0 ? model->shape.x_items : model->shape.items};
}

/* The rows of the item tables that are here and in a candidate set. */
static struct bounds rows_here(const struct model *model, int set) {
    int64_t n = parts_count(&model->shape.here);
    int64_t x = model->shape.here.hi[0] - model->shape.here.lo[0];
    return (struct bounds){set == 1 ? x : 0, set == 0 ? x : n};
}

/* With train.logq the sum over the n negatives, each exp(z) / (n p) with p the probability of a
 * draw, is an unbiased estimate of the sum over the candidate set (Bengio, Senecal, 2008). */
static void draw_negatives(const struct model *model, struct tape *tape, int64_t step, int set,
                           struct item_negatives *out) {
    const struct sampler *sampler = model->shape.sampler;
    struct bounds b = candidate_set(model, set);
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
        draw_negatives(model, tape, step, c, &set->negatives[c]);
    item_set_collect(&tape->arena, batch, step > 0, set);
    for (int m = 0; m < model->modalities; m++) {
        int64_t width;
        (void)model_table(model, m, &width);
        set->rows[m] = arena_alloc(&tape->arena, set->n * width, sizeof(real));
    }
}

void model_fill_items(const struct model *model, struct item_set *set) {
    for (int m = 0; m < model->modalities; m++) {
        int64_t width;
        const real *table = model_table(model, m, &width);
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

/* The set's rows of modality m on the tape, as the encoders take them: after projection. */
static struct tensor *set_rows(struct model *model, struct tape *tape, int m,
                               struct item_set *set) {
    int64_t width;
    (void)model_table(model, m, &width);
    set->table[m] = tape_constant(tape, set->rows[m], set->n, width);
    set->table[m]->learned = tape->record && model->modality[m].table >= 0;
    return model->modality[m].proj < 0
               ? set->table[m]
               : linear(model, tape, set->table[m], model->modality[m].proj);
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

/* Item rows of a step. */
struct item_side {
    struct tensor *input[OPTION_LIST];                      /* of the encoders */
    struct tensor *positive[OPTION_LIST];                   /* the same rows with unit norm */
    struct tensor *candidates[CANDIDATE_SETS][OPTION_LIST]; /* with unit norm */
    const struct item_set *set; /* whose rows those are; NULL: of all items */
};

static void make_whole(struct model *model, struct tape *tape, struct item_side *side) {
    for (int m = 0; m < model->modalities; m++) {
        side->input[m] = item_rows(model, tape, m, NULL, 0);
        side->positive[m] = is_frozen(model, m) ? candidate_rows(model, tape, m) : side->input[m];
        for (int c = 0; c < CANDIDATE_SETS; c++)
            side->candidates[c][m] = side->positive[m];
    }
}

static void make_set(struct model *model, struct tape *tape, struct item_set *set,
                     struct item_side *side) {
    bool sampled = model->config->train.loss != LOSS_EXACT;
    side->set = set;
    for (int m = 0; m < model->modalities; m++) {
        struct tensor *rows = side->input[m] = set_rows(model, tape, m, set);
        rows = side->positive[m] = is_frozen(model, m) ? rows : op_unit_norm(tape, rows, NORM_EPS);
        struct tensor *here = sampled ? NULL : candidate_rows(model, tape, m);
        for (int c = 0; c < CANDIDATE_SETS; c++)
            side->candidates[c][m] =
                sampled ? op_gather(tape, rows, set->negatives[c].place, set->negatives[c].n)
                        : here;
    }
}

/* Positions of a stream whose target lies in one candidate set. */
struct group {
    int set;
    int64_t n;
    int32_t *row, *target;
    int32_t *positive; /* rows of item_side.positive */
};

static struct group make_group(struct tape *tape, const struct stream *stream,
                               const int32_t *positive, int set, struct bounds b) {
    struct group g = {.set = set};
    g.row = arena_alloc(&tape->arena, stream->tokens, sizeof *g.row);
    g.target = arena_alloc(&tape->arena, stream->tokens, sizeof *g.target);
    g.positive = arena_alloc(&tape->arena, stream->tokens, sizeof *g.positive);
    for (int64_t t = 0; t < stream->tokens; t++)
        if (stream->targets[t] >= b.lo && stream->targets[t] < b.hi) {
            g.row[g.n] = (int32_t)t;
            g.positive[g.n] = positive[t];
            g.target[g.n++] = stream->targets[t];
        }
    return g;
}

/* Columns are the items of the candidate set that are here. */
static void exact_candidates(const struct model *model, struct tape *tape, const struct group *g,
                             struct catalogue_loss *loss) {
    const struct model_shape *shape = &model->shape;
    struct bounds b = rows_here(model, g->set);
    loss->lo = b.lo;
    loss->candidates = b.hi - b.lo;
    if (shape->peers) {
        loss->peers = shape->peers;
        loss->most = (g->set != 1 ? shape->most[0] : 0) + (g->set != 0 ? shape->most[1] : 0);
        loss->target = g->target;
        loss->here = &shape->here;
        return;
    }
    struct catalogue_hit *hits = arena_alloc(&tape->arena, g->n, sizeof *hits);
    catalogue_hits_of_targets(g->target, g->n, b.lo, hits);
    loss->hits = hits;
    loss->hit_count = g->n;
}

/* beta of gSASRec, eq. 7: with K of C candidates drawn and the target one more, the drawn share is
 * a = K / (C - 1), and beta = a (t (1 - 1 / a) + 1 / a). */
static double gbce_exponent(const struct model *model, int set) {
    struct bounds b = candidate_set(model, set);
    double t = model->config->train.gbce_t, others = (double)(b.hi - b.lo - 1);
    double share = fmin(1, (double)model->config->train.negatives / fmax(others, 1));
    return t * share + 1 - t;
}

static void sampled_candidates(struct tape *tape, const struct group *g,
                               const struct item_negatives *negatives,
                               struct catalogue_loss *loss) {
    loss->candidates = negatives->n;
    loss->bias = negatives->bias;
    loss->hits = catalogue_hits_of_negatives(&tape->arena, negatives->item, negatives->n, g->target,
                                             g->n, &loss->hit_count);
}

static double group_loss(struct model *model, struct tape *tape, const struct group *g,
                         const struct item_side *side, struct tensor *const *q, double weight) {
    const struct config *config = model->config;
    struct catalogue_loss loss = {.terms = model->modalities,
                                  .fusion = (enum fusion)config->model.fusion,
                                  .positions = g->n,
                                  .row = g->row,
                                  .positive = g->positive,
                                  .weight = weight};
    double mean = 1; /* gBCE is the mean over the target and its negatives */
    (void)options_fusion_weights(config, loss.weights);
    if (model->fusion >= 0)
        loss.fusion_logits = param(model, tape, model->fusion);
    if (config->train.loss != LOSS_EXACT)
        sampled_candidates(tape, g, &side->set->negatives[g->set], &loss);
    else
        exact_candidates(model, tape, g, &loss);
    for (int m = 0; m < model->modalities; m++)
        loss.term[m] = (struct catalogue_term){q[m], side->candidates[g->set][m], side->positive[m],
                                               divides_rows(model, m) ? NORM_EPS : 0};
    if (config->train.loss == LOSS_GBCE) {
        loss.gbce = gbce_exponent(model, g->set);
        mean = 1 / (double)(config->train.negatives + 1);
        loss.weight *= mean;
    }
    return mean * catalogue_loss(tape, &loss);
}

/* A rank without tokens of a stream has no rows, but takes part in the others' softmax. */
static void stream_queries(struct model *model, struct tape *tape, const struct stream *stream,
                           int s, const struct item_side *side, const struct noise *noise,
                           struct tensor *q[OPTION_LIST]) {
    const int32_t *index = side->set ? side->set->input[s] : stream->items;
    for (int m = 0; m < model->modalities; m++)
        q[m] = stream->tokens == 0
                   ? tape_tensor(tape, 0, model->modality[m].dim, false)
                   : query(model, tape, m,
                           encode(model, tape, stream, s, m, side->input[m], index, noise));
}

static double stream_loss(struct model *model, struct tape *tape, const struct stream *stream,
                          int s, const struct item_side *side, struct tensor *const *q,
                          double weight) {
    bool all = s == STREAM_XY && model->config->model.mixed_softmax == MIXED_ALL;
    int first = all ? 2 : s == STREAM_Y ? 1 : 0, last = all ? 2 : s == STREAM_X ? 0 : 1;
    const int32_t *positive = side->set ? side->set->target[s] : stream->targets;
    double sum = 0;
    for (int set = first; set <= last; set++) {
        struct group g = make_group(tape, stream, positive, set, candidate_set(model, set));
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
    if (step->items)
        make_set(model, tape, step->items, &side);
    else
        make_whole(model, tape, &side);
    bool together = model->shape.peers && model->config->train.loss == LOSS_EXACT;
    for (int s = 0; s < STREAMS; s++) {
        const struct stream *stream = &batch->stream[s];
        struct noise noise = {tape->record ? model->config->model.dropout : 0,
                              (uint64_t)model->config->run.seed, (uint64_t)step->step,
                              stream->keys};
        struct tensor *q[OPTION_LIST];
        sum[s] = 0;
        if ((together ? step->count[s] : stream->tokens) == 0 || weight[s] == 0)
            continue;
        stream_queries(model, tape, stream, s, &side, &noise, q);
        enum phase before = phases_enter(phases, PHASE_LOSS);
        sum[s] = stream_loss(model, tape, stream, s, &side, q, weight[s] / (double)step->count[s]);
        phases_enter(phases, before);
    }
    for (int m = 0; m < model->modalities; m++)
        if (tape->record && divides_rows(model, m))
            unit_norm_gradient(side.candidates[0][m], NORM_EPS);
}

/* ---- states and ranking ---- */

void model_stream_states(struct model *model, struct tape *tape, const struct batch *batch,
                         struct item_set *items, enum stream_name s,
                         struct tensor *h[OPTION_LIST]) {
    struct noise noise = {0};
    const struct stream *stream = &batch->stream[s];
    for (int m = 0; m < model->modalities; m++) {
        /* Of whole tables, a projection is of the tokens' rows. */
        bool project = model->modality[m].proj >= 0;
        const int32_t *take = project ? stream->items : NULL,
                      *index = project ? NULL : stream->items;
        struct tensor *rows = items ? set_rows(model, tape, m, items)
                                    : item_rows(model, tape, m, take, stream->tokens);
        h[m] = encode(model, tape, stream, s, m, rows, items ? items->input[s] : index, &noise);
    }
}

void model_item_rows(struct model *model, struct tape *tape, const real *rows[OPTION_LIST]) {
    for (int m = 0; m < model->modalities; m++)
        rows[m] = candidate_rows(model, tape, m)->x;
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
        r->stream[s].hi = s == STREAM_XY && all ? rows_here(model, 2).hi : r->hi;
    }
    fill_fusion(model, r->weights);
}

/* The last state of each sequence, spread to one row per sample; rows of empty streams are zero. */
static void fill_stream(struct model *model, struct tape *tape, const struct batch *batch,
                        struct item_set *items, int s, struct ranking *r) {
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
        model_stream_states(model, tape, batch, items, (enum stream_name)s, h);
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
                   struct item_set *items, const int32_t *target, int domain, struct ranking *r) {
    struct bounds b = rows_here(model, domain);
    r->terms = model->modalities;
    r->fusion = (enum fusion)model->config->model.fusion;
    r->samples = batch->samples;
    r->target = target;
    r->peers = model->shape.peers;
    r->here = &model->shape.here;
    r->lo = b.lo;
    r->hi = b.hi;
    for (int m = 0; m < model->modalities; m++) {
        r->dim[m] = model->modality[m].dim;
        r->eps[m] = is_frozen(model, m) ? 0 : NORM_EPS;
    }
    fill_weights(model, domain, r);
    for (int s = 0; s < STREAMS; s++)
        fill_stream(model, tape, batch, items, s, r);
}
