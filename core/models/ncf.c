/* Parameters: tables, then the tower from its first layer on. Training: the first layer's two parts, of
 * tokens and of items; their sums over the pairs of a target or a drawn item with its token; the other
 * layers; the loss of the scores. Ranking: a state is the user's part, the tower does the rest. */
#include "core/models/ncf.h"
#include "core/catalogue/drawn_loss.h"
#include "core/catalogue/tower.h"
#include "core/log.h"
#include "core/models/layers.h"
#include "core/models/mixed_stream.h"
#include "core/models/softmax_head.h"
#include "core/models/tables.h"
#include "core/models/user_vectors.h"
#include "core/ops/activation.h"
#include "core/ops/embedding.h"
#include "core/ops/linear.h"
#include <stdio.h>

enum { NEXT_ITEM }; /* losses */

struct ncf {
    struct user_vectors users;
    int user, item; /* the first layer: weights of its user part, layer of its item part */
    int hidden, layer[TOWER_LAYERS]; /* the layers behind it, the score's the last */
};

// clang-format off
static const struct option_spec options[] = {
OPTION(struct ncf_options, "model.tower", NUMBERS, tower, "[32, 16, 8]", "[1, 4096]", NULL,
    "widths of the hidden layers over a user's and an item's vectors"),
};
// clang-format on

const struct ncf_options *ncf_options(const struct config *config) {
    return options_own(config, ncf.name);
}

static int64_t width(const struct config *config, int k) {
    const struct numbers *tower = &ncf_options(config)->tower;
    return k < tower->count ? (int64_t)tower->value[k] : 1;
}

/* ---- parameters ---- */

/* There are no attention heads, and no logits to be scaled. */
static enum status configure(struct config *config) {
    config->model.modalities = (struct names){.count = 1, .name = {"id"}};
    config->model.heads = 1;
    config->model.scale = 1;
    if (config->model.user == USER_AUTO)
        config->model.user = USER_MEAN;
    if (config->train.bce_negatives == 0)
        config->train.bce_negatives = 4;
    for (int k = 0; k < ncf_options(config)->tower.count; k++)
        if (ncf_options(config)->tower.value[k] != (double)width(config, k))
            return log_error(STATUS_INPUT, "model.tower: %g is not an integer",
                             ncf_options(config)->tower.value[k]);
    if (options_loss_draws_own(config))
        return STATUS_OK;
    return log_error(STATUS_INPUT, "train.loss: the tower is not trained over all items, nor over "
                                   "items that all positions share; take bce or bpr");
}

/* Declare `prefix`.w [out, in] and .b [out] of a layer of the tower whose input is `fan_in` wide. They start
 * as in the authors' code; with a linear layer's usual start, and a random bias, all rectifiers of the last
 * hidden layer may be off for every pair from the start. */
static int add_layer(struct model *model, const char *prefix, int64_t out, int64_t in,
                     int64_t fan_in) {
    int w = params_add(&model->params, 2, out, in, PARAM_LECUN, fan_in, "%s.w", prefix);
    params_add(&model->params, 1, 1, out, PARAM_ZERO, 1, "%s.b", prefix);
    return w;
}

static void add_layers(struct model *model, struct ncf *n) {
    char name[PARAM_NAME];
    int64_t d = model->config->model.dim, first = width(model->config, 0);
    n->user = params_add(&model->params, 2, first, d, PARAM_LECUN, 2 * d, "tower.0.user.w");
    n->item = add_layer(model, "tower.0.item", first, d, 2 * d);
    for (int k = 1; k <= ncf_options(model->config)->tower.count; k++) {
        int64_t in = width(model->config, k - 1);
        snprintf(name, sizeof name, "tower.%d", k);
        n->layer[n->hidden++] = add_layer(model, name, width(model->config, k), in, in);
    }
}

static enum status open_ncf(struct model *model) {
    struct ncf *n = model->state;
    tables_declare(model);
    user_vectors_add(model, &n->users, model->config->model.dim);
    TRY(softmax_head_add(model, -1, width(model->config, 0), SIMILARITY_DOT, "id"));
    model_add_loss(model, stream_names[STREAM_MIXED], 1);
    add_layers(model, n);
    return STATUS_OK;
}

/* The item's part of the first layer, [items, first width]. */
static struct tensor *item_rows(struct model *model, struct tape *tape,
                                const struct item_view *view, int m) {
    const struct ncf *n = model->state;
    (void)m;
    return layer_linear(&model->params, tape, tables_rows(model, tape, view, 0), n->item);
}

/* The user's part of every token, [tokens, first width]. */
static struct tensor *user_rows(struct model *model, struct pass *pass) {
    const struct ncf *n = model->state;
    struct tensor *items = tables_rows(model, pass->tape, pass->items, 0);
    return op_linear(pass->tape, user_vectors_run(&n->users, model, pass, items),
                     tape_param(pass->tape, &model->params, n->user), NULL);
}

/* ---- training ---- */

static void count(const struct model *model, const struct batch *batch, int64_t out[LOSS_TERMS]) {
    out[NEXT_ITEM] = mixed_stream_count(model, batch);
}

/* A target and the items drawn for it, position by position: rows of the tokens and of the items. */
struct pairs {
    int64_t positions, each;
    int32_t *token, *item; /* [positions, each + 1] */
};

static struct pairs make_pairs(const struct model *model, const struct pass *pass) {
    const struct batch *batch = pass->batch;
    const int32_t *target = view_targets(pass->items, batch, STREAM_MIXED);
    const int32_t *drawn = pass->items->set->own[STREAM_MIXED].place;
    struct pairs p = {.each = tables_own(model, STREAM_MIXED)};
    int32_t *position = mixed_stream_positions(model, pass->tape, batch, &p.positions);
    p.token = arena_alloc(&pass->tape->arena, p.positions * (p.each + 1), sizeof *p.token);
    p.item = arena_alloc(&pass->tape->arena, p.positions * (p.each + 1), sizeof *p.item);
    for (int64_t k = 0; k < p.positions * (p.each + 1); k++) {
        int64_t t = position[k / (p.each + 1)], j = k % (p.each + 1);
        p.token[k] = (int32_t)t;
        p.item[k] = j == 0 ? target[t] : drawn[t * p.each + j - 1];
    }
    return p;
}

/* Scores of pairs, [positions (each + 1), 1]. */
static struct tensor *pair_scores(struct model *model, struct pass *pass, const struct pairs *p) {
    const struct ncf *n = model->state;
    struct tape *tape = pass->tape;
    int64_t pairs = p->positions * (p->each + 1);
    struct tensor *user = op_gather(tape, user_rows(model, pass), p->token, pairs);
    struct tensor *item = op_gather(tape, pass->items->rows[0], p->item, pairs);
    struct tensor *h = op_residual(tape, user, item, &dropout_none);
    for (int k = 0; k < n->hidden; k++)
        h = layer_linear(&model->params, tape,
                         op_activation(tape, h, ACTIVATION_RELU, &dropout_none), n->layer[k]);
    return h;
}

static void forward(struct model *model, struct pass *pass) {
    if (!mixed_stream_has_loss(model, pass, NEXT_ITEM))
        return;
    struct pairs pairs = make_pairs(model, pass);
    struct tensor *z = pair_scores(model, pass, &pairs);
    enum drawn_kind kind = drawn_kind_of(model->config->train.loss);
    enum phase before = tape_enter(pass->tape, pass->phases, PHASE_LOSS);
    pass->loss[NEXT_ITEM] =
        drawn_loss_of_scores(pass->tape, kind, z, pairs.each,
                             model->loss[NEXT_ITEM].weight / (double)pass->count[NEXT_ITEM]);
    tape_enter(pass->tape, pass->phases, before);
}

/* ---- ranking ---- */

static void add_query(struct model *model, struct pass *pass, int domain, struct query *query) {
    const struct ncf *n = model->state;
    const struct param *param = model->params.list;
    struct tower *tower = arena_alloc(&pass->tape->arena, 1, sizeof *tower);
    (void)domain;
    *tower = (struct tower){
        .items = pass->all->rows[0]->x, .width = width(model->config, 0), .layers = n->hidden};
    for (int k = 0; k < n->hidden; k++)
        tower->layer[k] = (struct tower_layer){.out = param[n->layer[k]].rows,
                                               .in = param[n->layer[k]].cols,
                                               .w = param[n->layer[k]].tensor.x,
                                               .b = param[n->layer[k] + 1].tensor.x};
    query->scorer = tower_scorer(tower, &pass->tape->arena);
    query->scorer.state = softmax_head_last(model, pass, 0, STREAM_MIXED, user_rows(model, pass));
}

const struct model_ops ncf = {
    .name = "ncf",
    .state_size = sizeof(struct ncf),
    .batch = BATCH_ONE,
    .loss = LOSS_BCE,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .options_size = sizeof(struct ncf_options),
    .configure = configure,
    .open = open_ncf,
    .item_rows = item_rows,
    .count = count,
    .forward = forward,
    .query = add_query,
};
