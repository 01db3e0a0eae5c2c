/* ABXI in the order of a step: its keys; parameters; layers with their dropout; the states of a stream;
 * for the targets of a domain the mixed stream's state and the own one's, and their join; the loss with
 * what each target counts; the query. */
#include "core/models/abxi.h"
#include "core/models/encoder.h"
#include "core/models/layers.h"
#include "core/models/mixed_stream.h"
#include "core/models/softmax_head.h"
#include "core/models/tables.h"
#include "core/ops/activation.h"
#include "core/ops/attention.h"
#include "core/ops/embedding.h"
#include "core/ops/linear.h"
#include "core/ops/mix.h"
#include "core/ops/swiglu.h"
#include "core/rng.h"
#include <stdio.h>
#include <string.h>

/* ---- options ---- */

// clang-format off
static const struct option_spec options[] = {
OPTION(struct abxi_options, "model.ffn_dim", INTEGER, ffn_dim, "680", "[1, 1000000]", NULL,
    "width of the hidden layer of SwiGLU feed-forward layers"),
OPTION(struct abxi_options, "model.dlora_rank", INTEGER, dlora_rank, "16", "[0, 65536]", NULL,
    "rank of the low-rank map of each stream; 0: none"),
OPTION(struct abxi_options, "model.ilora_rank", INTEGER, ilora_rank, "64", "[0, 65536]", NULL,
    "rank of the low-rank map from the mixed stream to each domain; 0: none"),
};
// clang-format on

const struct abxi_options *abxi_options(const struct config *config) {
    return options_own(config, abxi.name);
}

/* Items of each domain that a position draws, in C. */
enum { NEGATIVES = 128 };

static enum status configure(struct config *config) {
    config->model.modalities = (struct names){.count = 1, .name = {"id"}};
    if (config->model.mixed_softmax == MIXED_AUTO)
        config->model.mixed_softmax = MIXED_ALL;
    if (config->train.bce_negatives == 0)
        config->train.bce_negatives = NEGATIVES;
    return STATUS_OK;
}

/* ---- parameters ---- */

/* Layers, see core/models/layers.h; of a SwiGLU layer and of a low-rank map the first of two
 * parameters, -1: none. */
struct block {
    int qkv, out, ln, ffn;
    int lora[STREAMS], stream_ln[STREAMS];
};

/* From the states to a domain. */
struct output {
    int lora, invariant_ln, own, own_ln;
};

struct abxi {
    int pos, invariant;
    struct output output[DOMAINS];
    struct block block[MODEL_BLOCKS];
};

/* W1 and W2, one above the other, then W3. */
static int add_swiglu(struct params *p, const char *prefix, int64_t width, int64_t d) {
    int in = params_add(p, 2, 2 * width, d, PARAM_NORMAL, d, "%s.in.w", prefix);
    params_add(p, 2, d, width, PARAM_NORMAL, width, "%s.out.w", prefix);
    return in;
}

static int add_lora(struct params *p, const char *prefix, int64_t rank, int64_t d) {
    if (rank == 0)
        return -1;
    int down = params_add(p, 2, rank, d, PARAM_ZERO, d, "%s.b", prefix);
    params_add(p, 2, d, rank, PARAM_NORMAL, rank, "%s.a", prefix);
    return down;
}

/* The name `of`.`layer`. */
static const char *layer_name(char name[PARAM_NAME], const char *of, const char *layer) {
    snprintf(name, PARAM_NAME, "%.60s.%.60s", of, layer);
    return name;
}

static void add_output(struct model *model, struct output *output, const char *domain) {
    const struct abxi_options *own = abxi_options(model->config);
    struct params *p = &model->params;
    int64_t d = model->config->model.dim;
    char prefix[PARAM_NAME], name[PARAM_NAME];
    layer_name(prefix, "output", domain);
    output->lora = add_lora(p, layer_name(name, prefix, "lora"), own->ilora_rank, d);
    output->invariant_ln = layer_add_norm(p, layer_name(name, prefix, "invariant_ln"), d);
    output->own = add_swiglu(p, layer_name(name, prefix, "own"), own->ffn_dim, d);
    output->own_ln = layer_add_norm(p, layer_name(name, prefix, "own_ln"), d);
}

static void add_block(struct model *model, struct block *block, int b) {
    const struct abxi_options *own = abxi_options(model->config);
    struct params *p = &model->params;
    int64_t d = model->config->model.dim;
    char prefix[PARAM_NAME], stream[PARAM_NAME], name[PARAM_NAME];
    snprintf(prefix, sizeof prefix, "enc.%d", b);
    block->qkv = layer_add_linear(p, layer_name(name, prefix, "attn.qkv"), 3 * d, d);
    block->out = layer_add_linear(p, layer_name(name, prefix, "attn.out"), d, d);
    block->ln = layer_add_norm(p, layer_name(name, prefix, "ln"), d);
    block->ffn = add_swiglu(p, layer_name(name, prefix, "ffn"), own->ffn_dim, d);
    for (int s = 0; s < STREAMS; s++) {
        layer_name(stream, prefix, stream_names[s]);
        block->lora[s] = add_lora(p, layer_name(name, stream, "lora"), own->dlora_rank, d);
        block->stream_ln[s] = layer_add_norm(p, layer_name(name, stream, "ln"), d);
    }
}

enum { NEXT_ITEM }; /* losses */

static enum status open_abxi(struct model *model) {
    struct abxi *state = model->state;
    int64_t d = model->config->model.dim;
    tables_declare(model);
    TRY(softmax_head_add(model, 0, 0, SIMILARITY_DOT, "id"));
    model_add_loss(model, stream_names[STREAM_MIXED], 1);
    state->invariant =
        add_swiglu(&model->params, "output.invariant", abxi_options(model->config)->ffn_dim, d);
    for (int domain = 0; domain < DOMAINS; domain++)
        add_output(model, &state->output[domain], stream_names[domain]);
    state->pos =
        params_add(&model->params, 2, model->catalogue.max_len, d, PARAM_NORMAL, d, "enc.pos");
    for (int b = 0; b < model->config->model.blocks; b++)
        add_block(model, &state->block[b], b);
    return STATUS_OK;
}

/* ---- layers ---- */

/* Where a layer stands: its block (the outputs': behind the last) and the keys of its rows. */
struct at {
    struct model *model;
    const struct pass *pass;
    int block;
    const uint64_t *keys;
};

/* Places of dropout in a block. */
enum place {
    AT_INPUT,
    AT_ATTENTION,
    AT_FORWARD,
    AT_LORA,
    AT_INVARIANT,
    AT_INVARIANT_LORA,
    AT_OWN,
    PLACES
};

static struct dropout dropout_at(const struct at *at, enum place place) {
    const struct config *config = at->model->config;
    uint64_t layer = (uint64_t)at->block * PLACES + (uint64_t)place;
    if (at->pass->step == 0 || config->model.dropout <= 0)
        return dropout_none;
    return dropout_make(
        config->model.dropout,
        rng_key((uint64_t)config->run.seed, RNG_DROPOUT, (uint64_t)at->pass->step, layer),
        at->keys);
}

static struct tensor *linear(const struct at *at, struct tensor *x, int param) {
    return op_linear(at->pass->tape, x, tape_param(at->pass->tape, &at->model->params, param),
                     NULL);
}

/* x + Drop(W3 ( silu(W1 y) * W2 y )). */
static struct tensor *add_forward(const struct at *at, struct tensor *x, struct tensor *y,
                                  int layer, enum place place) {
    struct dropout drop = dropout_at(at, place);
    struct tensor *hidden = op_swiglu(at->pass->tape, linear(at, y, layer));
    return op_residual(at->pass->tape, x, linear(at, hidden, layer + 1), &drop);
}

/* x + Drop(A B y); x where there is no such map. */
static struct tensor *add_low_rank(const struct at *at, struct tensor *x, struct tensor *y,
                                   int layer, enum place place) {
    struct dropout drop = dropout_at(at, place);
    if (layer < 0)
        return x;
    return op_residual(at->pass->tape, x, linear(at, linear(at, y, layer), layer + 1), &drop);
}

static struct tensor *norm(const struct at *at, struct tensor *x, int layer) {
    return layer_norm(&at->model->params, at->pass->tape, x, layer);
}

/* ---- streams ---- */

/* Of every token, how many follow it in its sequence. */
static int32_t *positions_from_end(struct tape *tape, const struct stream *stream) {
    int32_t *at = arena_alloc(&tape->arena, stream->tokens, sizeof *at);
    for (int64_t b = 0; b < stream->sequences; b++)
        for (int64_t t = stream->offsets[b]; t < stream->offsets[b + 1]; t++)
            at[t] = (int32_t)(stream->offsets[b + 1] - 1 - t);
    return at;
}

static struct tensor *attend(const struct at *at, const struct stream *stream,
                             const struct block *block, struct tensor *x) {
    struct params *p = &at->model->params;
    struct tape *tape = at->pass->tape;
    struct dropout drop = dropout_at(at, AT_ATTENTION);
    struct tensor *a =
        op_attention(tape, layer_linear(p, tape, x, block->qkv), stream->offsets, stream->sequences,
                     (int)at->model->config->model.heads, ATTEND_CAUSAL, &dropout_none);
    a = op_residual(tape, x, layer_linear(p, tape, a, block->out), &drop);
    return norm(at, a, block->ln);
}

/* States of stream s; NULL: it has no tokens. */
static struct tensor *states(struct model *model, const struct pass *pass, int s) {
    const struct abxi *state = model->state;
    const struct stream *stream = &pass->batch->stream[s];
    struct at at = {model, pass, 0, stream->keys};
    struct dropout drop = dropout_at(&at, AT_INPUT);
    if (stream->tokens == 0)
        return NULL;
    struct tensor *x =
        op_embed(pass->tape, pass->items->rows[0], view_inputs(pass->items, pass->batch, s),
                 tape_param(pass->tape, &model->params, state->pos),
                 positions_from_end(pass->tape, stream), stream->tokens, 1, &drop);
    for (; at.block < model->config->model.blocks; at.block++) {
        const struct block *block = &state->block[at.block];
        struct tensor *h = attend(&at, stream, block, x);
        x = add_forward(&at, h, h, block->ffn, AT_FORWARD);
        x = norm(&at, add_low_rank(&at, x, h, block->lora[s], AT_LORA), block->stream_ln[s]);
    }
    return x;
}

/* ---- the join ---- */

/* u [n, dim] for targets in `domain` from states of the mixed and of its own stream. */
static struct tensor *join(const struct at *at, int domain, struct tensor *mixed,
                           struct tensor *own) {
    const struct abxi *state = at->model->state;
    const struct output *output = &state->output[domain];
    struct tensor *x = add_forward(at, mixed, mixed, state->invariant, AT_INVARIANT);
    x = add_low_rank(at, x, mixed, output->lora, AT_INVARIANT_LORA);
    return op_residual(at->pass->tape, norm(at, x, output->invariant_ln),
                       norm(at, add_forward(at, own, own, output->own, AT_OWN), output->own_ln),
                       &dropout_none);
}

/* ---- training ---- */

static bool is_trained_for(const struct model *model, int domain) {
    int target = model->config->train.target;
    return target == TARGET_BOTH || (domain == 0) == (target == TARGET_A);
}

static int domain_of(const struct model *model, int32_t item) {
    return item >= model->catalogue.a_items;
}

/* Targets of the mixed stream in one domain: tokens of the mixed stream, their keys, the tokens of
 * the own stream with the same target (-1: none); and of every token its place among them, -1. */
struct targets {
    int64_t n;
    int32_t *mixed, *own, *place;
    uint64_t *keys;
};

/* The n-th last token of the own stream has the n-th last target of the domain. */
static void find_own(const struct batch *batch, int domain, struct targets *targets) {
    const struct stream *mixed = &batch->stream[STREAM_MIXED], *own = &batch->stream[domain];
    int64_t c = own->sequences - 1, i = targets->n - 1; /* sequence of `own`; target */
    for (int64_t b = mixed->sequences - 1; b >= 0; b--) {
        while (c >= 0 && own->sample[c] > mixed->sample[b])
            c--;
        bool has = c >= 0 && own->sample[c] == mixed->sample[b];
        int64_t first = has ? own->offsets[c] : 0, at = has ? own->offsets[c + 1] - 1 : -1;
        for (; i >= 0 && targets->mixed[i] >= mixed->offsets[b]; i--, at--)
            targets->own[i] = at >= first ? (int32_t)at : -1;
    }
}

static struct targets find_targets(const struct model *model, struct tape *tape,
                                   const struct batch *batch, int domain) {
    const struct stream *mixed = &batch->stream[STREAM_MIXED];
    int64_t tokens = mixed->tokens;
    struct targets targets = {.mixed = arena_alloc(&tape->arena, tokens, sizeof(int32_t)),
                              .own = arena_alloc(&tape->arena, tokens, sizeof(int32_t)),
                              .place = arena_alloc(&tape->arena, tokens, sizeof(int32_t)),
                              .keys = arena_alloc(&tape->arena, tokens, sizeof(uint64_t))};
    for (int64_t t = 0; t < tokens; t++) {
        targets.place[t] = -1;
        if (domain_of(model, mixed->targets[t]) != domain)
            continue;
        targets.mixed[targets.n] = (int32_t)t;
        targets.keys[targets.n] = mixed->keys[t];
        targets.place[t] = (int32_t)targets.n++;
    }
    find_own(batch, domain, &targets);
    return targets;
}

/* Of every token 1 / the number of its sequence's targets in the domain of its own. */
static double *shares_of_user(const struct model *model, struct tape *tape,
                              const struct stream *mixed) {
    double *share = arena_alloc(&tape->arena, mixed->tokens, sizeof *share);
    for (int64_t b = 0; b < mixed->sequences; b++) {
        int64_t count[DOMAINS] = {0};
        for (int64_t t = mixed->offsets[b]; t < mixed->offsets[b + 1]; t++)
            count[domain_of(model, mixed->targets[t])]++;
        for (int64_t t = mixed->offsets[b]; t < mixed->offsets[b + 1]; t++)
            share[t] = 1 / (double)count[domain_of(model, mixed->targets[t])];
    }
    return share;
}

/* u [tokens of the mixed stream, dim], each for its own target. */
static struct tensor *queries(struct model *model, const struct pass *pass) {
    struct tape *tape = pass->tape;
    struct gate_input input[DOMAINS];
    int64_t d = model->config->model.dim, tokens = pass->batch->stream[STREAM_MIXED].tokens;
    struct tensor *mixed = states(model, pass, STREAM_MIXED);
    int inputs = 0;
    for (int domain = 0; domain < DOMAINS; domain++) {
        struct targets targets = find_targets(model, tape, pass->batch, domain);
        struct at at = {model, pass, (int)model->config->model.blocks, targets.keys};
        if (targets.n == 0 || !is_trained_for(model, domain))
            continue;
        struct tensor *own =
            stream_pick(tape, states(model, pass, domain), targets.own, targets.n, d);
        input[inputs++] = (struct gate_input){
            .value = join(&at, domain, op_gather(tape, mixed, targets.mixed, targets.n), own),
            .index = targets.place};
    }
    return op_mix(tape, input, inputs, tokens, d);
}

/* Users, whose means the loss is the mean of. */
static void count(const struct model *model, const struct batch *batch, int64_t out[LOSS_TERMS]) {
    (void)model;
    out[NEXT_ITEM] = batch->stream[STREAM_MIXED].sequences;
}

static void forward(struct model *model, struct pass *pass) {
    const struct stream *mixed = &pass->batch->stream[STREAM_MIXED];
    if (!mixed_stream_has_loss(model, pass, NEXT_ITEM))
        return;
    struct tensor *u = mixed->tokens ? queries(model, pass)
                                     : tape_tensor(pass->tape, 0, model->head[0].dim, false);
    struct tensor *q = softmax_head_query(model, pass->tape, 0, u);
    struct token_terms terms = {.share = shares_of_user(model, pass->tape, mixed)};
    pass->loss[NEXT_ITEM] = mixed_stream_loss_terms(model, pass, NEXT_ITEM, q, &terms);
}

/* ---- ranking ---- */

/* Of every sample the last state of stream s, zero where it has none. */
static struct tensor *last_states(struct model *model, const struct pass *pass, int s) {
    const int32_t *last = stream_last_tokens(pass->tape, pass->batch, s);
    return stream_pick(pass->tape, states(model, pass, s), last, pass->batch->samples,
                       model->config->model.dim);
}

static void add_query(struct model *model, struct pass *pass, int domain, struct query *query) {
    struct at at = {model, pass, (int)model->config->model.blocks, NULL};
    const bool *present = stream_present(pass->tape, pass->batch, STREAM_MIXED);
    struct tensor *u =
        join(&at, domain, last_states(model, pass, STREAM_MIXED), last_states(model, pass, domain));
    softmax_head_compare(model, pass, 0, softmax_head_query(model, pass->tape, 0, u)->x, query,
                         query_add_term(query, 1, present, FUSION_PROBABILITY));
}

const struct model_ops abxi = {
    .name = "abxi",
    .state_size = sizeof(struct abxi),
    .batch = BATCH_ALIGNED,
    .loss = LOSS_INFONCE,
    .scale = 1 / 0.75,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .options_size = sizeof(struct abxi_options),
    .two_domains = true,
    .configure = configure,
    .open = open_abxi,
    .count = count,
    .forward = forward,
    .query = add_query,
};
