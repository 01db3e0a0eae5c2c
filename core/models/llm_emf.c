#include "core/models/llm_emf.h"
#include "core/models/softmax_head.h"
#include "core/models/tables.h"
#include "core/ops/embedding.h"
#include <math.h>
#include <string.h>

/* ---- parameters ---- */

static int add_fusion(struct model *model) {
    const struct config *config = model->config;
    bool learned = config->model.fusion == FUSION_PROBABILITY &&
                   !config->model.fusion_weights.count && model->heads > 1;
    return learned ? params_add(&model->params, 1, 1, model->heads, PARAM_ZERO, 1, "fusion.w") : -1;
}

/* One loss per stream, weighted as in eq. 10 by what the stream is to train.target. */
static void add_losses(struct model *model) {
    const struct config *config = model->config;
    double l1 = config->model.lambda1;
    model_add_loss(model, stream_names[STREAM_A], config->train.target == TARGET_B ? l1 : 1);
    model_add_loss(model, stream_names[STREAM_B], config->train.target == TARGET_A ? l1 : 1);
    model_add_loss(model, stream_names[STREAM_MIXED], config->model.lambda2);
}

enum status emf_open(struct model *model, int tags) {
    const struct config *config = model->config;
    struct emf *emf = model->state;
    bool attend = tags >= 0 && config->model.tag_attention == TAG_ATTENTION_ON;
    tables_declare(model);
    for (int k = 0; k < model->tables; k++)
        TRY(softmax_head_add(model, k, 0, SIMILARITY_COSINE, config->model.modalities.name[k]));
    emf->tags = tags;
    emf->fusion = add_fusion(model);
    add_losses(model);
    stream_encoders_add(model, emf->encoder, attend ? model->table[tags].dim : 0);
    return STATUS_OK;
}

static enum status open_plain(struct model *model) {
    return emf_open(model, -1);
}

/* ---- training losses ---- */

void emf_states(struct model *model, const struct pass *pass, enum stream_name s,
                struct tensor *h[OPTION_LIST]) {
    const struct emf *emf = model->state;
    const struct item_view *items = pass->items;
    struct tensor *tags = emf->tags < 0 ? NULL : items->rows[emf->tags];
    for (int m = 0; m < model->heads; m++)
        h[m] = stream_encoder_run(model, &emf->encoder[s][m], pass, (int)s, m, items->rows[m], tags,
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
    struct tensor *w = emf->fusion < 0 ? NULL : tape_param(pass->tape, &model->params, emf->fusion);
    return softmax_head_loss(model, pass, s, first, last, q, w,
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

/* w of eq. 8, sum 1; in logit fusion there is one softmax, of weight 1. */
static void fill_fusion(const struct model *model, const struct tape *tape,
                        double weights[CATALOGUE_TERMS]) {
    const struct emf *emf = model->state;
    double sum = 0;
    weights[0] = 1;
    if (emf->fusion < 0) {
        if (model->config->model.fusion == FUSION_PROBABILITY)
            (void)options_fusion_weights(model->config, weights);
        return;
    }
    const real *logits = model->params.list[emf->fusion].tensor.x;
    for (int m = 0; m < model->heads; m++)
        sum += weights[m] = tape->dry ? 1 : exp((double)logits[m]);
    for (int m = 0; m < model->heads; m++)
        weights[m] /= sum;
}

static void fill_weights(const struct model *model, const struct tape *tape, int domain,
                         struct ranking *r) {
    const struct config *config = model->config;
    double l1 = isnan(config->eval.lambda1) ? config->model.lambda1 : config->eval.lambda1;
    double l2 = isnan(config->eval.lambda2) ? config->model.lambda2 : config->eval.lambda2;
    bool all = config->model.mixed_softmax == MIXED_ALL;
    for (int s = 0; s < STREAMS; s++) {
        r->stream[s].weight = s == STREAM_MIXED ? l2 : s == domain ? 1 : l1;
    }
    if (all) {
        r->stream[STREAM_MIXED].lo = 0;
        r->stream[STREAM_MIXED].hi = tables_local(model, 2).hi;
    }
    fill_fusion(model, tape, r->weights);
}

/* The last state of each sequence; rows of empty streams are zero. */
static void fill_stream(struct model *model, struct pass *pass, int s, struct ranking *r) {
    struct tape *tape = pass->tape;
    const struct batch *batch = pass->batch;
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
        emf_states(model, pass, (enum stream_name)s, h);
    for (int m = 0; m < model->heads; m++) {
        struct tensor *q = NULL;
        if (stream->tokens)
            q = softmax_head_query(model, tape, m, op_gather(tape, h[m], last, stream->sequences));
        r->stream[s].q[m] =
            softmax_head_spread(tape, batch, q, stream->sample,
                                stream->tokens ? stream->sequences : 0, model->head[m].dim);
    }
}

void emf_query(struct model *model, struct pass *pass, int domain, struct ranking *r) {
    fill_weights(model, pass->tape, domain, r);
    for (int s = 0; s < STREAMS; s++)
        fill_stream(model, pass, s, r);
}

const struct model_ops llm_emf = {
    .name = "llm_emf",
    .state_size = sizeof(struct emf),
    .open = open_plain,
    .forward = emf_forward,
    .query = emf_query,
};
