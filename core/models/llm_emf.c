/* LLM-EMF in the order of a step: its keys; parameters (tables, a head per table, fusion weights,
 * encoders); the training losses, one per stream, each over the heads' softmaxes; the query, a term per
 * stream with the last state of every head. */
#include "core/models/llm_emf.h"
#include "core/log.h"
#include "core/models/mixed_stream.h"
#include "core/models/output_table.h"
#include "core/models/softmax_head.h"
#include "core/models/tables.h"
#include <math.h>

/* ---- options ---- */

// clang-format off
static const struct option_spec options[] = {
OPTION(struct emf_options, "model.fusion", CHOICE, fusion, "probability", "probability|logit", NULL,
    "what the modalities' weights mix: softmax probabilities or logits"),
OPTION(struct emf_options, "model.fusion_weights", NUMBERS, fusion_weights, "learned", "[0, inf)", "learned",
    "one weight per modality, scaled to sum 1"),
OPTION(struct emf_options, "model.lambda1", REAL, lambda1, "0.3", "[0, inf)", NULL,
    "weight of the other domain's stream"),
OPTION(struct emf_options, "model.lambda2", REAL, lambda2, "1", "[0, inf)", NULL,
    "weight of the mixed stream"),
OPTION(struct emf_options, "eval.lambda1", REAL, eval_lambda1, "null", "[0, inf)", "null",
    "weight of the other domain's stream in the score; null: model.lambda1"),
OPTION(struct emf_options, "eval.lambda2", REAL, eval_lambda2, "null", "[0, inf)", "null",
    "weight of the mixed stream in the score; null: model.lambda2"),
};
// clang-format on

const struct emf_options *emf_options(const struct config *config) {
    return options_own(config, llm_emf.name);
}

bool emf_fusion_weights(const struct config *config, double weights[OPTION_LIST]) {
    const struct numbers *w = &emf_options(config)->fusion_weights;
    double sum = 0;
    for (int i = 0; i < w->count; i++)
        sum += w->value[i];
    for (int i = 0; i < w->count; i++)
        weights[i] = w->value[i] / sum;
    return w->count > 0;
}

static enum status check_fusion_weights(const struct numbers *w, int modalities) {
    double sum = 0;
    if (w->count == 0)
        return STATUS_OK;
    if (w->count != modalities)
        return log_error(STATUS_INPUT, "model.fusion_weights: %d weights for the %d modalities",
                         w->count, modalities);
    for (int i = 0; i < w->count; i++)
        sum += w->value[i];
    if (sum > 0 && isfinite(sum))
        return STATUS_OK;
    return log_error(STATUS_INPUT, "model.fusion_weights: the weights sum to %g", sum);
}

enum status emf_configure(struct config *config) {
    const struct emf_options *own = emf_options(config);
    TRY(output_table_configure(config));
    int modalities = output_table_inputs(config);
    if (config->train.loss == LOSS_GBCE && modalities > 1 && own->fusion != FUSION_LOGIT)
        return log_error(STATUS_INPUT, "train.loss: gbce has one score per item; set "
                                       "model.fusion=logit, or one modality");
    return check_fusion_weights(&own->fusion_weights, modalities);
}

/* The mixed stream would repeat the one that there is. */
void emf_use_one_domain(struct config *config) {
    struct emf_options *own = options_own(config, llm_emf.name);
    own->lambda2 = 0;
    own->eval_lambda1 = own->eval_lambda2 = NAN;
}

/* ---- parameters ---- */

static int add_fusion(struct model *model) {
    const struct emf_options *own = emf_options(model->config);
    bool learned =
        own->fusion == FUSION_PROBABILITY && !own->fusion_weights.count && model->heads > 1;
    return learned ? params_add(&model->params, 1, 1, model->heads, PARAM_ZERO, 1, "fusion.w") : -1;
}

/* One loss per stream, weighted as in eq. 10 by what the stream is to train.target. */
static void add_losses(struct model *model) {
    const struct emf_options *own = emf_options(model->config);
    int target = model->config->train.target;
    model_add_loss(model, stream_names[STREAM_A], target == TARGET_B ? own->lambda1 : 1);
    model_add_loss(model, stream_names[STREAM_B], target == TARGET_A ? own->lambda1 : 1);
    model_add_loss(model, stream_names[STREAM_MIXED], own->lambda2);
}

enum status emf_open(struct model *model, int tags, bool attend) {
    const struct config *config = model->config;
    struct emf *emf = model->state;
    output_table_declare(model);
    for (int m = 0; m < output_table_inputs(config); m++)
        TRY(softmax_head_add(model, output_table_scored(model, m), 0, SIMILARITY_COSINE,
                             config->model.modalities.name[m]));
    emf->tags = tags;
    emf->fusion = add_fusion(model);
    add_losses(model);
    stream_encoders_add(model, emf->encoder, attend ? model->table[tags].dim : 0);
    return STATUS_OK;
}

static enum status open_plain(struct model *model) {
    return emf_open(model, -1, false);
}

/* ---- training losses ---- */

void emf_states(struct model *model, const struct pass *pass, enum stream_name s,
                struct tensor *h[OPTION_LIST]) {
    const struct emf *emf = model->state;
    const struct item_view *items = pass->items;
    struct tensor *tags = emf->tags < 0 ? NULL : items->rows[emf->tags];
    for (int m = 0; m < model->heads; m++)
        h[m] = stream_encoder_run(model, &emf->encoder[s][m], pass, (int)s, m,
                                  output_table_read(model, pass, m), tags,
                                  view_inputs(items, pass->batch, (int)s));
}

/* A rank without tokens of a stream has no rows, but takes part in the others' softmax. */
static void stream_queries(struct model *model, struct pass *pass, int s,
                           struct tensor *q[OPTION_LIST]) {
    bool empty = pass->batch->stream[s].tokens == 0;
    if (!empty)
        emf_states(model, pass, (enum stream_name)s, q);
    for (int m = 0; m < model->heads; m++)
        q[m] = empty ? tape_tensor(pass->tape, 0, model->head[m].dim, false)
                     : softmax_head_query(model, pass->tape, m, q[m]);
}

static double stream_loss(struct model *model, struct pass *pass, int s, struct tensor *const *q) {
    const struct emf *emf = model->state;
    bool all = s == STREAM_MIXED && model->config->model.mixed_softmax == MIXED_ALL;
    int first = all ? 2 : s == STREAM_B ? 1 : 0, last = all ? 2 : s == STREAM_A ? 0 : 1;
    struct head_fusion fusion = {.fusion = (enum fusion)emf_options(model->config)->fusion};
    (void)emf_fusion_weights(model->config, fusion.weights);
    if (emf->fusion >= 0)
        fusion.logits = tape_param(pass->tape, &model->params, emf->fusion);
    return softmax_head_loss(model, pass, s, first, last, q, &fusion,
                             model->loss[s].weight / (double)pass->count[s]);
}

void emf_forward(struct model *model, struct pass *pass) {
    bool together = model->catalogue.collectives && model->config->train.loss == LOSS_EXACT;
    for (int s = 0; s < STREAMS; s++) {
        struct tensor *q[OPTION_LIST];
        int64_t positions = together ? pass->count[s] : pass->batch->stream[s].tokens;
        if (positions == 0 || model->loss[s].weight == 0)
            continue;
        stream_queries(model, pass, s, q);
        enum phase before = tape_enter(pass->tape, pass->phases, PHASE_LOSS);
        pass->loss[s] = stream_loss(model, pass, s, q);
        tape_enter(pass->tape, pass->phases, before);
    }
}

/* ---- ranking ---- */

/* w of eq. 8, sum 1; logit fusion has no weights. */
static void fusion_weights(const struct model *model, const struct tape *tape,
                           double weight[OPTION_LIST]) {
    const struct emf *emf = model->state;
    double sum = 0;
    if (emf->fusion < 0) {
        for (int m = 0; m < model->heads; m++)
            weight[m] = 1;
        if (emf_options(model->config)->fusion == FUSION_PROBABILITY)
            (void)emf_fusion_weights(model->config, weight);
        return;
    }
    const real *logits = model->params.list[emf->fusion].tensor.x;
    for (int m = 0; m < model->heads; m++)
        sum += weight[m] = tape->dry ? 1 : exp((double)logits[m]);
    for (int m = 0; m < model->heads; m++)
        weight[m] /= sum;
}

/* lambda of eq. 11. */
static double stream_weight(const struct emf_options *own, int s, int domain) {
    double l1 = isnan(own->eval_lambda1) ? own->lambda1 : own->eval_lambda1;
    double l2 = isnan(own->eval_lambda2) ? own->lambda2 : own->eval_lambda2;
    return s == STREAM_MIXED ? l2 : s == domain ? 1 : l1;
}

/* A term for each stream, a head for each modality. */
static void add_stream(struct model *model, struct pass *pass, int s, double weight,
                       const double fusion[OPTION_LIST], struct query *query) {
    struct tensor *h[OPTION_LIST] = {NULL};
    bool all = s == STREAM_MIXED && model->config->model.mixed_softmax == MIXED_ALL;
    struct query_term *term =
        query_add_term(query, weight, stream_present(pass->tape, pass->batch, s),
                       (enum fusion)emf_options(model->config)->fusion);
    if (pass->batch->stream[s].tokens > 0)
        emf_states(model, pass, (enum stream_name)s, h);
    for (int m = 0; m < model->heads; m++) {
        const real *q = softmax_head_last(model, pass, m, s, h[m]);
        struct query_head *head = softmax_head_compare(model, pass, m, q, query, term);
        head->weight = fusion[m];
        if (all) {
            head->lo = 0;
            head->hi = tables_local(model, 2).hi;
        }
    }
}

void emf_query(struct model *model, struct pass *pass, int domain, struct query *query) {
    double fusion[OPTION_LIST];
    fusion_weights(model, pass->tape, fusion);
    for (int s = 0; s < STREAMS; s++) {
        double weight = stream_weight(emf_options(model->config), s, domain);
        if (weight != 0)
            add_stream(model, pass, s, weight, fusion, query);
    }
}

const struct model_ops llm_emf = {
    .name = "llm_emf",
    .time = TIME_IF_KNOWN,
    .state_size = sizeof(struct emf),
    .scale = 9,
    .share_encoders = SHARE_STREAMS,
    .attention = ATTENTION_IDENTITY,
    .lr = 0.0007,
    .schedule = SCHEDULE_PLATEAU,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .options_size = sizeof(struct emf_options),
    .configure = emf_configure,
    .use_one_domain = emf_use_one_domain,
    .learned_width = output_table_width,
    .open = open_plain,
    .forward = emf_forward,
    .query = emf_query,
};
