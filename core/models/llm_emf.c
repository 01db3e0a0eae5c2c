#include "core/models/llm_emf.h"
#include "core/models/tables.h"
#include "core/ops/embedding.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- parameters ---- */

static int add_fusion(struct model *model) {
    const struct config *config = model->config;
    bool learned = config->model.fusion == FUSION_PROBABILITY &&
                   !config->model.fusion_weights.count && model->terms > 1;
    return learned ? params_add(&model->params, 1, 1, model->terms, PARAM_ZERO, 1, "fusion.w") : -1;
}

enum status emf_declare(struct model *model, int tags) {
    struct emf *emf = model->state;
    bool attend = tags >= 0 && model->config->model.tag_attention == TAG_ATTENTION_ON;
    model->terms = model->modalities;
    TRY(tables_declare(model));
    scoring_declare(model);
    *emf = (struct emf){.fusion = add_fusion(model), .tags = tags};
    model_add_encoders(model, attend ? model->modality[tags].dim : 0);
    return STATUS_OK;
}

static enum status declare(struct model *model) {
    return emf_declare(model, -1);
}

/* ---- training loss ---- */

void emf_weights(const struct config *config, double weight[LOSS_PARTS]) {
    double l1 = config->model.lambda1;
    weight[STREAM_A] = config->train.target == TARGET_B ? l1 : 1;
    weight[STREAM_B] = config->train.target == TARGET_A ? l1 : 1;
    weight[STREAM_MIXED] = config->model.lambda2;
    weight[LOSS_CONTRAST] = 0;
}

/* Tag rows, by the rows of all terms. */
static struct tensor *tags_of(const struct model *model, struct tensor *const *rows) {
    const struct emf *emf = model->state;
    return emf->tags < 0 ? NULL : rows[emf->tags];
}

/* A rank without tokens of a stream has no rows, but takes part in the others' softmax. */
static void stream_queries(struct model *model, struct tape *tape, const struct batch *batch, int s,
                           const struct item_side *side, const struct noise *noise,
                           struct tensor *q[OPTION_LIST]) {
    const struct stream *stream = &batch->stream[s];
    const int32_t *index = side_index(side, batch, s);
    struct tensor *tags = tags_of(model, side->input);
    for (int m = 0; m < model->terms; m++)
        q[m] = stream->tokens == 0
                   ? tape_tensor(tape, 0, model->modality[m].dim, false)
                   : scoring_query(model, tape, m,
                                   model_encode(model, tape, batch, s, m, side->input[m], tags,
                                                index, noise));
}

static double stream_loss(struct model *model, struct tape *tape, const struct batch *batch, int s,
                          const struct item_side *side, struct tensor *const *q, double weight) {
    bool all = s == STREAM_MIXED && model->config->model.mixed_softmax == MIXED_ALL;
    int first = all ? 2 : s == STREAM_B ? 1 : 0, last = all ? 2 : s == STREAM_A ? 0 : 1;
    const struct emf *emf = model->state;
    struct tensor *w = emf->fusion < 0 ? NULL : tape_param(tape, &model->params, emf->fusion);
    return scoring_loss(model, tape, batch, s, first, last, side, q, w, weight);
}

void emf_loss(struct model *model, struct tape *tape, const struct batch *batch,
              const struct model_step *step, const struct item_side *side, struct phases *phases,
              double sum[LOSS_PARTS]) {
    double weight[LOSS_PARTS];
    sum[LOSS_CONTRAST] = 0;
    emf_weights(model->config, weight);
    bool together = model->catalogue.collectives && model->config->train.loss == LOSS_EXACT;
    for (int s = 0; s < STREAMS; s++) {
        struct noise noise = model_noise(model, tape, batch, step, s);
        struct tensor *q[OPTION_LIST];
        sum[s] = 0;
        if ((together ? step->count[s] : batch->stream[s].tokens) == 0 || weight[s] == 0)
            continue;
        stream_queries(model, tape, batch, s, side, &noise, q);
        enum phase before = tape_enter(tape, phases, PHASE_LOSS);
        sum[s] = stream_loss(model, tape, batch, s, side, q, weight[s] / (double)step->count[s]);
        tape_enter(tape, phases, before);
    }
}

/* ---- states and ranking ---- */

void emf_states(struct model *model, struct tape *tape, const struct batch *batch,
                struct item_set *items, enum stream_name s, struct tensor *h[OPTION_LIST]) {
    const struct stream *stream = &batch->stream[s];
    struct tensor *rows[OPTION_LIST];
    for (int m = 0; items && m < model->terms; m++)
        rows[m] = model->kind->set_rows(model, tape, m, items);
    for (int m = 0; m < model->terms; m++) {
        /* Of whole tables, a projection is of the tokens' rows. */
        bool take = !items && model->modality[m].proj >= 0;
        if (!items)
            rows[m] = take ? tables_take(model, tape, m, stream->items, stream->tokens)
                           : model->kind->rows(model, tape, m);
        const int32_t *index = items ? items->input[s] : take ? NULL : stream->items;
        h[m] = model_encode(model, tape, batch, s, m, rows[m], tags_of(model, rows), index,
                            &(struct noise){.p = 0});
    }
}

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
    for (int m = 0; m < model->terms; m++)
        sum += weights[m] = tape->dry ? 1 : exp((double)logits[m]);
    for (int m = 0; m < model->terms; m++)
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
        emf_states(model, tape, batch, items, (enum stream_name)s, h);
    for (int m = 0; m < model->terms; m++) {
        struct tensor *q = NULL;
        if (stream->tokens)
            q = scoring_query(model, tape, m, op_gather(tape, h[m], last, stream->sequences));
        r->stream[s].q[m] =
            scoring_spread(tape, batch, q, stream->sample, stream->tokens ? stream->sequences : 0,
                           model->modality[m].dim);
    }
}

void emf_ranking(struct model *model, struct tape *tape, const struct batch *batch,
                 struct item_set *items, int domain, struct ranking *r) {
    fill_weights(model, tape, domain, r);
    for (int s = 0; s < STREAMS; s++)
        fill_stream(model, tape, batch, items, s, r);
}

const struct model_kind llm_emf = {
    .name = "llm_emf",
    .state_size = sizeof(struct emf),
    .declare = declare,
    .rows = tables_rows,
    .set_rows = tables_set_rows,
    .weights = emf_weights,
    .loss = emf_loss,
    .ranking = emf_ranking,
};
