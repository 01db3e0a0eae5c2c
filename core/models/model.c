#include "core/models/model.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/models/kind.h"
#include "core/models/llm_emf.h"
#include "core/models/sema_cdr.h"
#include "core/models/tables.h"
#include "core/models/tema_llm.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct model_kind *const kinds[] = {&llm_emf, &tema_llm, &sema_cdr};

const struct model_kind *model_kind_find(const char *name) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i]->name, name))
            return kinds[i];
    return NULL;
}

const char *model_kind_names(void) {
    static char names[256];
    size_t at = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        at +=
            (size_t)snprintf(names + at, sizeof names - at, "%s%s", i ? ", " : "", kinds[i]->name);
    return names;
}

enum status model_declare(struct model *model, const struct config *config,
                          const struct catalogue *catalogue) {
    *model = (struct model){.kind = model_kind_find(config->model.name),
                            .config = config,
                            .catalogue = *catalogue,
                            .modalities = config->model.modalities.count};
    if (!catalogue->collectives)
        model->catalogue.local =
            (struct item_block){{0, catalogue->a_items}, {catalogue->a_items, catalogue->items}};
    if (config->model.blocks > MODEL_BLOCKS)
        return log_error(STATUS_INPUT, "model.blocks: at most %d blocks", (int)MODEL_BLOCKS);
    model->state = mem_zero(1, model->kind->state_size);
    enum status status = model->kind->declare(model);
    if (status != STATUS_OK)
        model_free(model);
    return status;
}

enum status model_create(struct model *model, const struct config *config,
                         const struct catalogue *catalogue, bool training) {
    TRY(model_declare(model, config, catalogue));
    params_allocate(&model->params, (uint64_t)config->run.seed, training);
    return STATUS_OK;
}

static void add_encoder(struct model *model, struct encoder *e, const char *stream, int m,
                        int64_t tag_dim) {
    const struct config *config = model->config;
    struct encoder_shape shape = {.dim = model->modality[m].dim,
                                  .max_len = model->catalogue.max_len,
                                  .blocks = (int)config->model.blocks,
                                  .heads = (int)config->model.heads,
                                  .tag_dim = tag_dim};
    char name[PARAM_NAME];
    snprintf(name, sizeof name, "enc.%s.%s", stream, config->model.modalities.name[m]);
    encoder_add(&model->params, name, &shape, e);
}

void model_add_encoders(struct model *model, int64_t tag_dim) {
    bool shared = model->config->model.share_encoders == SHARE_STREAMS;
    for (int s = 0; s < STREAMS; s++)
        for (int m = 0; m < model->terms; m++) {
            struct encoder *e = model->modality[m].encoder;
            if (shared && s > 0)
                e[s] = e[0];
            else
                add_encoder(model, &e[s], shared ? "shared" : stream_names[s], m, tag_dim);
        }
}

struct tensor *model_encode(struct model *model, struct tape *tape, const struct batch *batch,
                            int s, int m, struct tensor *rows, struct tensor *tags,
                            const int32_t *index, const struct noise *noise) {
    struct encoder_input input = {rows, tags, index};
    struct noise mine = *noise;
    mine.term = m;
    return encoder_run(&model->modality[m].encoder[s], &model->params, tape, &batch->stream[s],
                       &input, &mine);
}

bool model_init_id(struct model *model, const real *rows, int64_t dim) {
    const struct param *id = params_find(&model->params, "embed.id");
    if (dim != id->cols)
        return false;
    real norm = (real)(PARAM_NORMAL_STD * sqrt((double)dim));
    for (int64_t i = 0; i < item_block_count(&id->local); i++) {
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
    mem_free(model->state);
    *model = (struct model){0};
}

void model_loss_weights(const struct config *config, double weight[LOSS_PARTS]) {
    model_kind_find(config->model.name)->weights(config, weight);
}

bool model_takes_mixed(const struct model *model) {
    return model->kind->mixed_batch;
}

void model_count(const struct model *model, const struct batch *batch, int64_t count[STREAMS]) {
    if (model->kind->count) {
        model->kind->count(model, batch, count);
        return;
    }
    for (int s = 0; s < STREAMS; s++)
        count[s] = batch->stream[s].tokens;
}

struct noise model_noise(const struct model *model, const struct tape *tape,
                         const struct batch *batch, const struct model_step *step, int s) {
    return (struct noise){.p = tape->record ? model->config->model.dropout : 0,
                          .seed = (uint64_t)model->config->run.seed,
                          .step = (uint64_t)step->step,
                          .stream = s,
                          .token_key = batch->stream[s].keys};
}

void model_loss(struct model *model, struct tape *tape, const struct batch *batch,
                const struct model_step *step, struct phases *phases, double sum[LOSS_PARTS]) {
    struct item_side side;
    tape->bf16 = model->config->train.precision == PRECISION_BF16;
    tape->replicas = step->items ? 1 : step->parts; /* rows of whole tables are the same in all */
    scoring_side(model, tape, step->items, &side);
    tape->replicas = 1;
    model->kind->loss(model, tape, batch, step, &side, phases, sum);
    scoring_finish(model, tape, &side);
}

void model_ranking(struct model *model, struct tape *tape, const struct batch *batch,
                   struct item_set *items, const int32_t *target, int domain,
                   struct ranking *ranking) {
    scoring_ranking(model, batch, target, domain, ranking);
    model->kind->ranking(model, tape, batch, items, domain, ranking);
}
