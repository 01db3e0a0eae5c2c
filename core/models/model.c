#include "core/models/model.h"
#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/models/encoder.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MODELS = 32 };

static const struct model_ops *models[MODELS];
static int known;

static const struct model_ops *find(const char *name) {
    for (int i = 0; i < known; i++)
        if (!strcmp(models[i]->name, name))
            return models[i];
    return NULL;
}

void model_register(const struct model_ops *ops) {
    if (find(ops->name))
        return;
    assert(known < MODELS);
    models[known++] = ops;
    options_register(ops->name, ops->options, ops->option_count, ops->options_size);
}

/* Of the keys of steps those that a job looks at are as of a step that draws and looks up nothing;
 * the others are not read. */
static enum status configure_fitted(struct config *config) {
    config->model.modalities = (struct names){.count = 1, .name = {"id"}};
    config->train.loss = LOSS_EXACT;
    if (config->train.init[0])
        return log_error(STATUS_INPUT,
                         "train.init: %s is fitted in closed form and starts from nothing; leave "
                         "the key out",
                         config->model.name);
    if (config->model.repeats == REPEATS_COUNTED)
        return log_error(STATUS_INPUT,
                         "model.repeats: %s is fitted in closed form, and its scores are no "
                         "probabilities, of which repeats could have a part; leave the key out, or "
                         "set eval.exclude_history=true",
                         config->model.name);
    return STATUS_OK;
}

/* Are the scores probabilities, as far as training makes them so? */
static bool learns_probabilities(const struct model_ops *ops, const struct config *config) {
    int loss = config->train.loss;
    return !ops->fit && (loss == LOSS_EXACT || loss == LOSS_SAMPLED || loss == LOSS_INFONCE);
}

/* Of those that leave it to the data set, that decides when it is open. */
static enum status configure_time(const struct model_ops *ops, struct config *config) {
    if (ops && ops->time == TIME_NEVER && config->model.time == TIME_STATE)
        return log_error(STATUS_INPUT, "model.time: %s knows no time of events; leave the key out",
                         config->model.name);
    if (ops && ops->time != TIME_IF_KNOWN && config->model.time == TIME_AUTO)
        config->model.time = TIME_NONE;
    return STATUS_OK;
}

static void configure_schedule(const struct model_ops *ops, struct config *config) {
    int own = ops ? ops->schedule : (int)SCHEDULE_CONSTANT;
    if (config->train.schedule == SCHEDULE_AUTO)
        config->train.schedule = options_sees_plateaus(config) ? own : (int)SCHEDULE_CONSTANT;
}

enum status model_configure(struct config *config) {
    const struct model_ops *ops = find(config->model.name);
    if (ops && config->train.loss == LOSS_AUTO)
        config->train.loss = ops->loss;
    if (ops && ops->fit)
        TRY(configure_fitted(config));
    if (ops && ops->configure)
        TRY(ops->configure(config));
    if (ops && config->model.repeats == REPEATS_AUTO)
        config->model.repeats = learns_probabilities(ops, config) ? REPEATS_COUNTED : REPEATS_FREE;
    TRY(configure_time(ops, config));
    if (isnan(config->train.lr))
        config->train.lr = ops && ops->lr > 0 ? ops->lr : 0.001;
    configure_schedule(ops, config);
    if (config->train.bce_negatives == 0)
        config->train.bce_negatives = 1;
    if (config->model.mixed_softmax == MIXED_AUTO)
        config->model.mixed_softmax = MIXED_DOMAIN;
    if (config->model.scale == 0)
        config->model.scale = ops && ops->scale > 0 ? ops->scale : 1;
    if (config->model.attention_init == ATTENTION_AUTO)
        config->model.attention_init = ops ? ops->attention : (int)ATTENTION_RANDOM;
    if (config->model.share_encoders == SHARE_AUTO)
        config->model.share_encoders = ops ? ops->share_encoders : (int)SHARE_NONE;
    return options_check(config);
}

bool model_use_one_domain(struct config *config) {
    const struct model_ops *ops = find(config->model.name);
    if (ops->use_one_domain)
        ops->use_one_domain(config);
    return !ops->two_domains;
}

bool model_is_fitted(const struct config *config) {
    return find(config->model.name)->fit;
}

bool model_reads_successors(const struct config *config) {
    return find(config->model.name)->successors;
}

const char *model_tag_vectors(const struct config *config, int k) {
    const struct model_ops *ops = find(config->model.name);
    return ops->tag_vectors ? ops->tag_vectors(config, k) : NULL;
}

int64_t model_learned_width(const struct config *config, int k) {
    const struct model_ops *ops = find(config->model.name);
    if (ops->learned_width)
        return ops->learned_width(config, k);
    return strcmp(config->model.modalities.name[k], "id") ? 0 : config->model.dim;
}

int64_t model_neighbours(const struct config *config) {
    const struct model_ops *ops = find(config->model.name);
    return ops->neighbours ? ops->neighbours(config) : 0;
}

enum status model_declare(struct model *model, const struct config *config,
                          const struct catalogue *catalogue) {
    *model = (struct model){.ops = find(config->model.name),
                            .config = config,
                            .catalogue = *catalogue,
                            .output = -1,
                            .users = -1};
    if (!catalogue->collectives)
        model->catalogue.local =
            (struct item_block){{0, catalogue->a_items}, {catalogue->a_items, catalogue->items}};
    if (config->model.blocks > MODEL_BLOCKS)
        return log_error(STATUS_INPUT, "model.blocks: at most %d blocks", (int)MODEL_BLOCKS);
    model->state = mem_zero(1, model->ops->state_size);
    enum status status = model->ops->open(model);
    if (status == STATUS_OK && options_loss_draws_own(config) && model->heads > 1)
        status =
            log_error(STATUS_INPUT, "train.loss: bce, bpr and infonce have one score per item; set "
                                    "model.modalities to one, or take another model");
    if (status != STATUS_OK)
        model_free(model);
    return status;
}

enum status model_create(struct model *model, const struct config *config,
                         const struct catalogue *catalogue, bool training) {
    TRY(model_declare(model, config, catalogue));
    params_allocate(&model->params, (uint64_t)config->run.seed,
                    training && !model_is_fitted(config));
    return STATUS_OK;
}

void model_free(struct model *model) {
    params_free(&model->params);
    mem_free(model->state);
    *model = (struct model){0};
}

enum status model_add_modality(struct config *config, const char *name) {
    struct names *modalities = &config->model.modalities;
    if (names_find(modalities, name) >= 0)
        return STATUS_OK;
    if (modalities->count == OPTION_LIST)
        return log_error(STATUS_INPUT, "model.modalities: %d and %s are more than %d",
                         modalities->count, name, (int)OPTION_LIST);
    snprintf(modalities->name[modalities->count++], OPTION_NAME, "%s", name);
    return STATUS_OK;
}

int model_add_loss(struct model *model, const char *name, double weight) {
    assert(model->losses < LOSS_TERMS);
    model->loss[model->losses] = (struct loss_term){name, weight};
    return model->losses++;
}

void model_reads_whole_batch(struct model *model) {
    model->whole_batch = true;
}

bool model_whole_batch(const struct model *model) {
    return model->whole_batch;
}

static void init_rows(const struct param *table, const real *rows, int64_t dim) {
    real norm = (real)(PARAM_NORMAL_STD * sqrt((double)dim));
    for (int64_t i = 0; i < item_block_count(&table->local); i++) {
        const real *row = rows + i * dim;
        bool missing = true;
        for (int64_t c = 0; c < dim; c++)
            missing = missing && row[c] == 0;
        for (int64_t c = 0; c < dim && !missing; c++)
            table->tensor.x[i * table->cols + c] = norm * row[c];
    }
}

bool model_init_id(struct model *model, const real *rows, int64_t dim) {
    if (dim != model->config->model.dim)
        return false;
    init_rows(params_find(&model->params, "embed.id"), rows, dim);
    if (model->output >= 0)
        init_rows(&model->params.list[model->table[model->output].param], rows, dim);
    return true;
}

void model_pack(const struct model *model, struct batch *batch, const struct sample *samples,
                int64_t n) {
    int64_t a_items = model->catalogue.a_items, max_len = model->catalogue.max_len;
    switch (model->ops->batch) {
    case BATCH_STREAMS:
        batch_train(batch, samples, n, a_items, max_len);
        break;
    case BATCH_BOTH:
        batch_both(batch, samples, n, a_items, max_len);
        break;
    case BATCH_MIXED:
        batch_mixed(batch, samples, n, a_items, max_len);
        break;
    case BATCH_ALIGNED:
        batch_aligned(batch, samples, n, a_items, max_len);
        break;
    case BATCH_ONE:
        batch_one(batch, samples, n, a_items, max_len, true);
        break;
    }
}

void model_pack_histories(const struct model *model, struct batch *batch,
                          const struct sample *samples, int64_t n) {
    int64_t a_items = model->catalogue.a_items, max_len = model->catalogue.max_len;
    if (model->ops->batch == BATCH_ONE)
        batch_one(batch, samples, n, a_items, max_len, false);
    else
        batch_history(batch, samples, n, a_items, max_len);
}

void model_count(const struct model *model, const struct batch *batch, int64_t count[LOSS_TERMS]) {
    for (int k = 0; k < LOSS_TERMS; k++)
        count[k] = 0;
    if (model->ops->count)
        model->ops->count(model, batch, count);
    else
        for (int s = 0; s < STREAMS; s++)
            count[s] = batch->stream[s].tokens;
}
