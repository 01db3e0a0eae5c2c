/* SemaCDR in the order of a step: its keys; parameters; the streams' states as inputs of their fusion;
 * for each position of the mixed stream the indices of the other streams' last states and the roles that
 * choose the columns of the scores; the next-item loss and the contrast; the query. */
#include "core/models/sema_cdr.h"
#include "core/log.h"
#include "core/models/layers.h"
#include "core/models/mixed_stream.h"
#include "core/models/softmax_head.h"
#include "core/models/stream_encoder.h"
#include "core/models/tables.h"
#include "core/models/views.h"
#include "core/ops/activation.h"
#include "core/ops/mix.h"
#include <string.h>

/* ---- options ---- */

// clang-format off
static const struct option_spec options[] = {
OPTION(struct sema_options, "model.agnostic", TEXT, agnostic, "agnostic", "", NULL,
    "feature table of what does not depend on the domain"),
OPTION(struct sema_options, "model.specific", TEXT, specific, "specific", "", NULL,
    "feature table of what does"),
OPTION(struct sema_options, "model.contrast_weight", REAL, contrast_weight, "0.1", "[0, inf)", NULL,
    "weight of the contrast between the two views of an item; 0: none"),
OPTION(struct sema_options, "model.contrast_temperature", REAL, contrast_temperature, "0.1", "(0, inf)", NULL,
    "the views' cosines are divided by this"),
OPTION(struct sema_options, "model.stream_fusion", CHOICE, stream_fusion, "adaptive", "adaptive|mean", NULL,
    "learned weights of the streams' states, or the same for all"),
};
// clang-format on

const struct sema_options *sema_options(const struct config *config) {
    return options_own(config, sema_cdr.name);
}

/* The modalities are the views; `specific` comes first of the tables, see model.id_init. */
static enum status configure(struct config *config) {
    const struct sema_options *own = sema_options(config);
    struct names *views = &config->model.modalities;
    *views = (struct names){.count = 3, .name = {"id"}};
    memcpy(views->name[1], own->specific, OPTION_NAME);
    memcpy(views->name[2], own->agnostic, OPTION_NAME);
    if (config->model.feature_proj)
        return log_error(STATUS_INPUT, "model.feature_proj: sema_cdr has adapters of its own; "
                                       "leave it at 0");
    return STATUS_OK;
}

/* ---- the model ---- */

/* What a stream is to a target: the columns of its states' scores. */
enum role { ROLE_TARGET, ROLE_SOURCE, ROLE_MIXED, ROLES };

static enum role role_of(int s, bool target_in_a) {
    if (s == STREAM_MIXED)
        return ROLE_MIXED;
    return (s == STREAM_A) == target_in_a ? ROLE_TARGET : ROLE_SOURCE;
}

struct sema {
    struct views views;
    struct encoder encoder[STREAMS][OPTION_LIST];
    int stream_layer, stream_score; /* layers of the fusion of streams */
};

enum { NEXT_ITEM, CONTRAST }; /* losses */

static enum status open_sema(struct model *model) {
    const struct config *config = model->config;
    const struct sema_options *own = sema_options(config);
    struct sema *sema = model->state;
    int64_t d = config->model.dim;
    tables_declare(model);
    views_declare(model, &sema->views);
    TRY(softmax_head_add(model, -1, d, SIMILARITY_COSINE, config->model.modalities.name[0]));
    model_add_loss(model, stream_names[STREAM_MIXED], 1);
    if (own->contrast_weight > 0) {
        model_add_loss(model, "contrast", own->contrast_weight);
        model_reads_whole_batch(model);
    }
    if (own->stream_fusion == STREAM_FUSION_ADAPTIVE) {
        sema->stream_layer = layer_add_linear(&model->params, "streams", d, d);
        sema->stream_score = layer_add_linear(&model->params, "streams.score", ROLES, d);
    }
    stream_encoders_add(model, sema->encoder, 0);
    return STATUS_OK;
}

static struct tensor *item_rows(struct model *model, struct tape *tape,
                                const struct item_view *view, int m) {
    const struct sema *sema = model->state;
    (void)m;
    return views_rows(model, &sema->views, tape, view);
}

/* ---- streams ---- */

/* States of a stream and their scores, as an input of the fusion. */
static struct gate_input stream_input(struct model *model, const struct pass *pass, int s) {
    const struct sema *sema = model->state;
    struct params *p = &model->params;
    struct gate_input input = {0};
    input.value = stream_encoder_run(model, &sema->encoder[s][0], pass, s, 0, pass->items->rows[0],
                                     NULL, view_inputs(pass->items, pass->batch, s));
    if (sema_options(model->config)->stream_fusion == STREAM_FUSION_MEAN)
        return input;
    struct tensor *x = layer_linear(p, pass->tape, input.value, sema->stream_layer);
    x = op_activation(pass->tape, x, ACTIVATION_TANH, &dropout_none);
    input.score = layer_linear(p, pass->tape, x, sema->stream_score);
    return input;
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

/* ---- training and ranking ---- */

static void count(const struct model *model, const struct batch *batch, int64_t out[LOSS_TERMS]) {
    out[NEXT_ITEM] = mixed_stream_count(model, batch);
}

static struct tensor *queries(struct model *model, const struct pass *pass) {
    struct gate_input input[STREAMS];
    const struct batch *batch = pass->batch;
    int64_t n = batch->stream[STREAM_MIXED].tokens, a_items = model->catalogue.a_items;
    int inputs = 0;
    if (n == 0)
        return tape_tensor(pass->tape, 0, model->head[0].dim, false);
    for (int s = 0; s < STREAMS; s++) {
        if (batch->stream[s].tokens == 0)
            continue;
        input[inputs] = stream_input(model, pass, s);
        input[inputs].column = roles_of_targets(pass->tape, batch, s, a_items);
        input[inputs++].index = stream_latest(pass->tape, batch, STREAM_MIXED, s);
    }
    return softmax_head_query(model, pass->tape, 0,
                              op_mix(pass->tape, input, inputs, n, model->head[0].dim));
}

static void forward(struct model *model, struct pass *pass) {
    const struct sema *sema = model->state;
    if (mixed_stream_has_loss(model, pass, NEXT_ITEM))
        pass->loss[NEXT_ITEM] = mixed_stream_loss(model, pass, NEXT_ITEM, queries(model, pass));
    if (!pass->whole)
        return;
    enum phase before = tape_enter(pass->tape, pass->phases, PHASE_LOSS);
    pass->loss[CONTRAST] =
        views_contrast(model, &sema->views, pass, sema_options(model->config)->contrast_temperature,
                       model->loss[CONTRAST].weight);
    tape_enter(pass->tape, pass->phases, before);
}

/* One score, whose softmax is over the domain: it ranks as the logits do. */
static void add_query(struct model *model, struct pass *pass, int domain, struct query *query) {
    struct gate_input input[STREAMS];
    struct tape *tape = pass->tape;
    const struct batch *batch = pass->batch;
    int inputs = 0;
    for (int s = 0; s < STREAMS; s++) {
        if (batch->stream[s].tokens == 0)
            continue;
        input[inputs] = stream_input(model, pass, s);
        input[inputs].column = role_of_all(tape, batch->samples, s, domain);
        input[inputs++].index = stream_last_tokens(tape, batch, s);
    }
    struct tensor *u = op_mix(tape, input, inputs, batch->samples, model->head[0].dim);
    const bool *present = stream_present(tape, batch, STREAM_MIXED);
    softmax_head_compare(model, pass, 0, softmax_head_query(model, tape, 0, u)->x, query,
                         query_add_term(query, 1, present, FUSION_PROBABILITY));
}

const struct model_ops sema_cdr = {
    .name = "sema_cdr",
    .time = TIME_IF_KNOWN,
    .state_size = sizeof(struct sema),
    .batch = BATCH_MIXED,
    .scale = 9,
    .lr = 0.0007,
    .schedule = SCHEDULE_PLATEAU,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .options_size = sizeof(struct sema_options),
    .two_domains = true,
    .configure = configure,
    .open = open_sema,
    .item_rows = item_rows,
    .count = count,
    .forward = forward,
    .query = add_query,
};
