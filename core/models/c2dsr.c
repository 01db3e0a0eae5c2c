/* In the order of a step: keys; parameters; the sequences that count, and how the streams stand to each
 * other; item rows from the graph; states; the next-item losses; the contrast; the query. */
#include "core/models/c2dsr.h"
#include "core/catalogue/drawn_loss.h"
#include "core/distinct.h"
#include "core/log.h"
#include "core/models/layers.h"
#include "core/models/mixed_stream.h"
#include "core/models/softmax_head.h"
#include "core/models/stream_encoder.h"
#include "core/models/tables.h"
#include "core/ops/activation.h"
#include "core/ops/drop.h"
#include "core/ops/embedding.h"
#include "core/ops/join.h"
#include "core/ops/linear.h"
#include "core/ops/mix.h"
#include "core/ops/ranges.h"
#include "core/ops/sparse_mean.h"
#include "core/rng.h"
#include <stdio.h>

/* ---- options ---- */

// clang-format off
static const struct option_spec options[] = {
OPTION(struct c2dsr_options, "model.infomax_weight", REAL, infomax, "0.3", "[0, 1]", NULL,
    "weight of the contrast of a domain's sequence with the mixed one; the next-item losses have the "
    "rest of 1"),
OPTION(struct c2dsr_options, "model.last_targets", INTEGER, last, "10", "[1, 1000000]", NULL,
    "latest positions of the mixed stream that are trained on"),
};
// clang-format on

const struct c2dsr_options *c2dsr_options(const struct config *config) {
    return options_own(config, c2dsr.name);
}

static enum status configure(struct config *config) {
    config->model.modalities = (struct names){.count = 1, .name = {"output"}};
    if (config->train.loss == LOSS_EXACT || config->train.loss == LOSS_SAMPLED)
        return STATUS_OK;
    return log_error(STATUS_INPUT, "train.loss: the softmax of c2dsr has a class that is no item, "
                                   "which only exact and sampled know; take one of them");
}

static int64_t learned_width(const struct config *config, int k) {
    (void)k;
    return config->model.dim + 1;
}

/* ---- the model ---- */

enum { INFOMAX = STREAMS }; /* the loss behind those of the streams */

/* The tables of items, FOLLOW_OWN of the domains' streams and FOLLOW_ANY of the mixed one, and the
 * biases of their graph layers: one for each domain, or one. */
struct graph {
    int rows, bias;
};

struct c2dsr {
    struct graph graph[FOLLOWS];
    int none;           /* layer of the class that is no item */
    int agree[DOMAINS]; /* B_s [d, d] and b_s, one after the other; -1: no contrast */
    struct encoder encoder[STREAMS];
};

static void add_graph(struct model *model, const char *name, int biases, struct graph *graph) {
    struct params *p = &model->params;
    int64_t d = model->config->model.dim;
    graph->rows = params_add(p, 2, model->catalogue.items, d, PARAM_NORMAL, d, "embed.%s", name);
    params_of_items(p, graph->rows);
    graph->bias = params_add(p, 2, biases, d, PARAM_FAN_IN, d, "graph.%s.b", name);
}

/* B_s begins as Xavier's uniform distribution for a [1, d, d] tensor has it, as in the code. */
static int add_agreement(struct model *model, int s) {
    int64_t d = model->config->model.dim;
    int b = params_add(&model->params, 2, d, d, PARAM_FAN_IN, (d * (d + 1) + 5) / 6, "infomax.%s.w",
                       stream_names[s]);
    params_add(&model->params, 2, 1, 1, PARAM_ZERO, 1, "infomax.%s.b", stream_names[s]);
    return b;
}

static void add_encoder(struct model *model, int s, struct encoder *encoder) {
    const struct config *config = model->config;
    struct encoder_shape shape = {.dim = config->model.dim,
                                  .max_len = model->catalogue.max_len,
                                  .blocks = (int)config->model.blocks,
                                  .heads = (int)config->model.heads};
    char name[PARAM_NAME];
    snprintf(name, sizeof name, "enc.%s.id", stream_names[s]);
    encoder_add(&model->params, name, &shape, encoder);
}

static enum status open_c2dsr(struct model *model) {
    double infomax = c2dsr_options(model->config)->infomax;
    struct c2dsr *own = model->state;
    add_graph(model, "own", DOMAINS, &own->graph[FOLLOW_OWN]);
    add_graph(model, "mixed", 1, &own->graph[FOLLOW_ANY]);
    tables_declare(model);
    TRY(softmax_head_add(model, 0, 0, SIMILARITY_DOT, "output"));
    for (int s = 0; s < STREAMS; s++)
        model_add_loss(model, stream_names[s], 1 - infomax);
    if (infomax > 0)
        model_add_loss(model, "infomax", infomax);
    own->none = layer_add_linear(&model->params, "none", 1, model->config->model.dim);
    for (int s = 0; s < DOMAINS; s++)
        own->agree[s] = infomax > 0 ? add_agreement(model, s) : -1;
    for (int s = 0; s < STREAMS; s++)
        add_encoder(model, s, &own->encoder[s]);
    return STATUS_OK;
}

/* ---- sequences that count ---- */

/* How the domains' streams stand to the mixed one. A sample counts if it has tokens, and so targets, of
 * both domains that are tokens of the mixed stream too. */
struct alignment {
    int32_t *mixed[DOMAINS];            /* [tokens] the mixed one, -1: it is older than all */
    int32_t *lo[DOMAINS], *hi[DOMAINS]; /* [samples] those that are in the mixed stream */
    bool *counts;                       /* [samples] */
    int64_t n;                          /* samples that count */
    int32_t *sample;                    /* [n] which they are */
};

static void align_domain(struct tape *tape, const struct batch *batch, int s, struct alignment *a) {
    const struct stream *own = &batch->stream[s];
    a->mixed[s] = stream_latest(tape, batch, s, STREAM_MIXED);
    a->lo[s] = arena_alloc(&tape->arena, batch->samples, sizeof **a->lo);
    a->hi[s] = arena_alloc(&tape->arena, batch->samples, sizeof **a->hi);
    for (int64_t i = 0; i < batch->samples; i++)
        a->lo[s][i] = a->hi[s][i] = 0;
    for (int64_t b = 0; b < own->sequences; b++) {
        int64_t at = own->offsets[b], i = own->sample[b];
        while (at < own->offsets[b + 1] && a->mixed[s][at] < 0)
            at++;
        a->lo[s][i] = (int32_t)at, a->hi[s][i] = (int32_t)own->offsets[b + 1];
    }
}

static struct alignment align(struct tape *tape, const struct batch *batch) {
    struct alignment a = {.counts = arena_alloc(&tape->arena, batch->samples, sizeof *a.counts),
                          .sample = arena_alloc(&tape->arena, batch->samples, sizeof *a.sample)};
    for (int s = 0; s < DOMAINS; s++)
        align_domain(tape, batch, s, &a);
    for (int64_t i = 0; i < batch->samples; i++) {
        a.counts[i] = a.hi[0][i] > a.lo[0][i] && a.hi[1][i] > a.lo[1][i];
        if (a.counts[i])
            a.sample[a.n++] = (int32_t)i;
    }
    return a;
}

static void count(const struct model *model, const struct batch *batch, int64_t out[LOSS_TERMS]) {
    struct tape scratch = {0};
    int64_t n = align(&scratch, batch).n;
    for (int k = 0; k < model->losses; k++)
        out[k] = k == INFOMAX ? n : n * c2dsr_options(model->config)->last;
    tape_free(&scratch);
}

/* ---- rows of items ---- */

/* Places of dropout, a graph's each, apart from those of the encoders. */
enum { AT_GRAPH = 1 << 20 };

/* Rows of n items as neighbours of others: an item that is dropped is so for all of them. */
static struct tensor *neighbours(const struct model *model, const struct pass *pass, int kind,
                                 struct tensor *table, const int32_t *item, int64_t n) {
    struct tape *tape = pass->tape;
    const struct config *config = model->config;
    struct tensor *x = op_gather(tape, table, item, n);
    if (pass->step == 0 || config->model.dropout <= 0)
        return x;
    uint64_t *item_key = arena_alloc(&tape->arena, n, sizeof *item_key);
    for (int64_t i = 0; i < n; i++)
        item_key[i] = (uint64_t)item[i];
    uint64_t key = rng_key((uint64_t)config->run.seed, RNG_DROPOUT, (uint64_t)pass->step,
                           (uint64_t)(AT_GRAPH + kind));
    struct dropout drop = dropout_make(config->model.dropout, key, item_key);
    return op_drop(tape, x, &drop);
}

/* E + G = 3/2 E + 1/2 (mean + g) of n items, ascending. */
static struct tensor *smoothed(struct model *model, const struct pass *pass, int kind,
                               const int32_t *item, int64_t n) {
    const struct graph *graph = &((const struct c2dsr *)model->state)->graph[kind];
    struct tape *tape = pass->tape;
    struct tensor *table = tape_param(tape, &model->params, graph->rows);
    struct sparse *next = arena_alloc(&tape->arena, 1, sizeof *next);
    int32_t *column, *bias = arena_alloc(&tape->arena, n, sizeof *bias);
    successors_select(&model->catalogue.successors->next[kind], &tape->arena, item, n, next,
                      &column);
    for (int64_t i = 0; i < n; i++)
        bias[i] = kind == FOLLOW_OWN && item[i] >= model->catalogue.a_items;
    struct tensor *mean =
        op_sparse_mean(tape, neighbours(model, pass, kind, table, column, next->columns), next);
    mean = op_embed(tape, mean, NULL, tape_param(tape, &model->params, graph->bias), bias, n, 1,
                    &dropout_none);
    return op_residual(tape, op_scale(tape, op_gather(tape, table, item, n), (real)1.5),
                       op_scale(tape, mean, (real)0.5), &dropout_none);
}

/* The rows of the items of `tokens` tokens, each once: token t has row (*place)[t]. */
static struct tensor *rows_of(struct model *model, const struct pass *pass, int kind,
                              const int32_t *item, int64_t tokens, int32_t **place) {
    struct arena *arena = &pass->tape->arena;
    int32_t *which = arena_alloc(arena, tokens, sizeof *which);
    *place = arena_alloc(arena, tokens, sizeof **place);
    return smoothed(model, pass, kind, which, distinct(arena, item, tokens, which, *place));
}

/* ---- states ---- */

/* Mixed sequences that are encoded: as they are, and with the items of one domain kept. */
enum { KEEP_A, KEEP_B, AS_IT_IS, VARIANTS };

/* Items of the mixed stream as a variant has them: of each token that is not kept a random item of its
 * domain, drawn for (step, sequence, place), whatever ranks there are. */
static void corrupt(const struct model *model, const struct pass *pass, int variant, int32_t *out) {
    const struct stream *mixed = &pass->batch->stream[STREAM_MIXED];
    uint64_t seed = (uint64_t)model->config->run.seed;
    for (int64_t b = 0; b < mixed->sequences; b++) {
        uint64_t key = rng_key(seed, RNG_CORRUPTION, (uint64_t)pass->step, (uint64_t)mixed->id[b]);
        for (int64_t t = mixed->offsets[b]; t < mixed->offsets[b + 1]; t++) {
            int domain = mixed->items[t] >= model->catalogue.a_items;
            struct bounds of = tables_candidates(model, domain);
            out[t] =
                variant == AS_IT_IS || variant == domain
                    ? mixed->items[t]
                    : (int32_t)(of.lo + rng_below(key, (uint64_t)mixed->places[t], of.hi - of.lo));
        }
    }
}

/* Of all variants from `first` on. There are tokens. */
static void mixed_states(struct model *model, const struct pass *pass, int first,
                         struct tensor *h[VARIANTS]) {
    const struct c2dsr *own = model->state;
    int64_t tokens = pass->batch->stream[STREAM_MIXED].tokens;
    int32_t *item = arena_alloc(&pass->tape->arena, (VARIANTS - first) * tokens, sizeof *item),
            *place;
    for (int v = first; v < VARIANTS; v++)
        corrupt(model, pass, v, item + (v - first) * tokens);
    struct tensor *rows =
        rows_of(model, pass, FOLLOW_ANY, item, (VARIANTS - first) * tokens, &place);
    for (int v = first; v < VARIANTS; v++)
        h[v] = stream_encoder_run(model, &own->encoder[STREAM_MIXED], pass, STREAM_MIXED,
                                  AS_IT_IS - v, rows, NULL, place + (v - first) * tokens);
}

/* Of a domain's stream; NULL: it has no tokens. */
static struct tensor *own_states(struct model *model, const struct pass *pass, int s) {
    const struct c2dsr *own = model->state;
    const struct stream *stream = &pass->batch->stream[s];
    int32_t *place;
    if (stream->tokens == 0)
        return NULL;
    struct tensor *rows = rows_of(model, pass, FOLLOW_OWN, stream->items, stream->tokens, &place);
    return stream_encoder_run(model, &own->encoder[s], pass, s, 0, rows, NULL, place);
}

/* ---- next-item losses ---- */

/* What the tokens of stream s count: 1 at the last positions of a sequence that counts. */
static double *shares(const struct model *model, struct tape *tape, const struct batch *batch,
                      int s, const struct alignment *a) {
    const struct stream *stream = &batch->stream[s];
    const int32_t *last = stream_last_tokens(tape, batch, STREAM_MIXED);
    double *share = arena_alloc(&tape->arena, stream->tokens, sizeof *share);
    for (int64_t b = 0; b < stream->sequences; b++)
        for (int64_t t = stream->offsets[b]; t < stream->offsets[b + 1]; t++) {
            int32_t i = stream->sample[b];
            int64_t at = s == STREAM_MIXED ? t : a->mixed[s][t]; /* in the mixed stream */
            share[t] = a->counts[i] && at >= 0 && last[i] - at < c2dsr_options(model->config)->last;
        }
    return share;
}

/* The loss of stream s from states q, beside whose items there is none with the score of `none`. */
static void next_item(struct model *model, struct pass *pass, int s, const struct alignment *a,
                      struct tensor *q, struct tensor *none) {
    const struct c2dsr *own = model->state;
    struct tape *tape = pass->tape;
    struct tensor *z = softmax_head_query(model, tape, 0, append_one(tape, q));
    struct tensor *other = layer_linear(&model->params, tape, none, own->none);
    struct token_terms terms = {.share = shares(model, tape, pass->batch, s, a),
                                .other = softmax_head_query(model, tape, 0, other)};
    bool mixed = s == STREAM_MIXED;
    enum phase before = tape_enter(tape, pass->phases, PHASE_LOSS);
    pass->loss[s] = softmax_head_loss_terms(model, pass, s, mixed ? 0 : s, mixed ? 1 : s, &z, NULL,
                                            model->loss[s].weight / (double)pass->count[s], &terms);
    tape_enter(tape, pass->phases, before);
}

/* ---- the contrast ---- */

/* Means over the positions of domain s of every sequence that counts: of x [tokens of its stream], in
 * `times` such pieces one after another. */
static struct tensor *means(struct tape *tape, const struct alignment *a, int s, int64_t tokens,
                            int times, struct tensor *x) {
    int64_t n = times * a->n;
    int32_t *lo = arena_alloc(&tape->arena, n, sizeof *lo),
            *hi = arena_alloc(&tape->arena, n, sizeof *hi);
    for (int64_t j = 0; j < n; j++) {
        int32_t piece = (int32_t)(j / a->n * tokens), i = a->sample[j % a->n];
        lo[j] = piece + a->lo[s][i];
        hi[j] = piece + a->hi[s][i];
    }
    struct row_ranges ranges = ranges_make(tape, lo, hi, n);
    return op_range_mean(tape, x, &ranges);
}

/* Of the positions of domain s: the means of the mixed states, then of those of sequences of which
 * only the items of s are kept. */
static struct tensor *views(const struct model *model, struct tape *tape, const struct batch *batch,
                            const struct alignment *a, int s, struct tensor *const h[VARIANTS]) {
    const int variant[2] = {AS_IT_IS, s};
    int64_t tokens = batch->stream[s].tokens;
    struct gate_input input[2];
    for (int k = 0; k < 2; k++) {
        int32_t *index = arena_alloc(&tape->arena, 2 * tokens, sizeof *index);
        for (int64_t t = 0; t < 2 * tokens; t++)
            index[t] = t / tokens == k ? a->mixed[s][t % tokens] : -1;
        input[k] = (struct gate_input){.value = h[variant[k]], .index = index};
    }
    return means(tape, a, s, tokens, 2,
                 op_mix(tape, input, 2, 2 * tokens, model->config->model.dim));
}

/* [B_s x + b_s], against which [y 1] is D_s(x, y). */
static struct tensor *agreement(struct model *model, struct tape *tape, int s, struct tensor *x) {
    const struct c2dsr *own = model->state;
    struct params *p = &model->params;
    int32_t *first = arena_alloc(&tape->arena, x->rows, sizeof *first);
    for (int64_t i = 0; i < x->rows; i++)
        first[i] = 0;
    return op_join(tape, op_linear(tape, x, tape_param(tape, p, own->agree[s]), NULL),
                   op_gather(tape, tape_param(tape, p, own->agree[s] + 1), first, x->rows));
}

/* The binary cross-entropy of D_s: of n sequences the view as it is, against the corrupted one. */
static double infomax(struct model *model, struct pass *pass, int s, struct tensor *own,
                      struct tensor *view) {
    struct tape *tape = pass->tape;
    int64_t n = own->rows;
    int32_t *row = arena_alloc(&tape->arena, 2 * n, sizeof *row);
    for (int64_t j = 0; j < 2 * n; j++)
        row[j] = (int32_t)j;
    struct drawn_loss loss = {.kind = DRAWN_BCE,
                              .q = agreement(model, tape, s, own),
                              .items = append_one(tape, view),
                              .positions = n,
                              .each = 1,
                              .row = row,
                              .positive = row,
                              .negative = row + n,
                              .weight = model->loss[INFOMAX].weight / (double)pass->count[INFOMAX]};
    enum phase before = tape_enter(tape, pass->phases, PHASE_LOSS);
    double sum = drawn_loss(tape, &loss);
    tape_enter(tape, pass->phases, before);
    return sum;
}

static void contrast(struct model *model, struct pass *pass, const struct alignment *a,
                     struct tensor *const own[DOMAINS], struct tensor *const h[VARIANTS]) {
    for (int s = 0; s < DOMAINS; s++)
        pass->loss[INFOMAX] += infomax(
            model, pass, s, means(pass->tape, a, s, pass->batch->stream[s].tokens, 1, own[s]),
            views(model, pass->tape, pass->batch, a, 1 - s, h));
}

/* ---- training ---- */

/* Where ranks share out the items, all take part in the losses, also one whose share has no sequence
 * that counts. */
static void take_part(struct model *model, struct pass *pass, const struct alignment *a) {
    struct tensor *none = tape_tensor(pass->tape, 0, model->config->model.dim, false);
    for (int s = 0; s < STREAMS; s++)
        next_item(model, pass, s, a, none, none);
}

static void forward(struct model *model, struct pass *pass) {
    struct tape *tape = pass->tape;
    const struct batch *batch = pass->batch;
    struct alignment a = align(tape, batch);
    bool contrasts = c2dsr_options(model->config)->infomax > 0;
    struct tensor *h[VARIANTS], *own[DOMAINS];
    if (pass->count[STREAM_MIXED] == 0)
        return;
    if (a.n == 0) {
        take_part(model, pass, &a);
        return;
    }
    mixed_states(model, pass, contrasts ? 0 : AS_IT_IS, h);
    next_item(model, pass, STREAM_MIXED, &a, h[AS_IT_IS], h[AS_IT_IS]);
    for (int s = 0; s < DOMAINS; s++) {
        own[s] = own_states(model, pass, s);
        struct tensor *mixed = stream_pick(tape, h[AS_IT_IS], a.mixed[s], batch->stream[s].tokens,
                                           model->config->model.dim);
        next_item(model, pass, s, &a, op_residual(tape, own[s], mixed, &dropout_none), own[s]);
    }
    if (contrasts)
        contrast(model, pass, &a, own, h);
}

/* ---- ranking ---- */

/* h_m + h_s of every sample, [samples, d]. */
static struct tensor *last_states(struct model *model, struct pass *pass, int s) {
    struct tape *tape = pass->tape;
    const struct batch *batch = pass->batch;
    int64_t d = model->config->model.dim;
    struct tensor *h[VARIANTS] = {NULL}, *own = own_states(model, pass, s);
    if (batch->stream[STREAM_MIXED].tokens > 0)
        mixed_states(model, pass, AS_IT_IS, h);
    return op_residual(
        tape,
        stream_pick(tape, h[AS_IT_IS], stream_last_tokens(tape, batch, STREAM_MIXED),
                    batch->samples, d),
        stream_pick(tape, own, stream_last_tokens(tape, batch, s), batch->samples, d),
        &dropout_none);
}

static void add_query(struct model *model, struct pass *pass, int domain, struct query *query) {
    struct tape *tape = pass->tape;
    const bool *present = stream_present(tape, pass->batch, STREAM_MIXED);
    struct tensor *q =
        softmax_head_query(model, tape, 0, append_one(tape, last_states(model, pass, domain)));
    softmax_head_compare(model, pass, 0, q->x, query,
                         query_add_term(query, 1, present, FUSION_PROBABILITY));
}

const struct model_ops c2dsr = {
    .name = "c2dsr",
    .state_size = sizeof(struct c2dsr),
    .batch = BATCH_BOTH,
    .loss = LOSS_EXACT,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .options_size = sizeof(struct c2dsr_options),
    .two_domains = true,
    .successors = true,
    .configure = configure,
    .learned_width = learned_width,
    .open = open_c2dsr,
    .count = count,
    .forward = forward,
    .query = add_query,
};
