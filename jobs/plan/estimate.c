#include "jobs/plan/estimate.h"
#include "core/log.h"
#include "core/mem.h"
#include "jobs/engine/stepper.h"
#include "jobs/engine/workload.h"
#include "mpi/inverse.h"
#include <omp.h>
#include <string.h>

/* Bytes that HDF5 1.10 takes of the process for each tensor that it has saved: measured, 40 KB
 * after the first checkpoint, 70 to 110 KB after four. */
enum { SAVED = 64 << 10 };

const char *const placement_names[PLACEMENTS] = {"replicated", "sharded"};

/* As in training: negatives that come from the batch are drawn from all its targets. */
static void pool_targets(struct plan_data *data, const struct batch *all) {
    int32_t *targets = mem_alloc(batch_room(all), sizeof *targets);
    sampler_pool(&data->sampler, targets, batch_items(all, false, targets));
    mem_free(targets);
}

static void fill_bytes(const struct plan_data *data, struct model *model, int ranks,
                       const struct workload *work, const struct cost_step *step,
                       struct estimate *e) {
    bool ranks_any = model->config->eval.every > 0 && work->history.samples > 0;
    cost_memory(model, ranks, step,
                ranks_any ? cost_ranking(model, &work->history, work->domain) : 0, &e->bytes);
    e->data = plan_data_bytes(data, ranks);
    e->base = data->base + (int64_t)SAVED * model->params.count;
    e->total = e->bytes.total + e->data + e->base;
    e->item_rows = item_block_count(&model->catalogue.local);
}

static void fill(struct plan_data *data, struct model *model, struct cost_ranks ranks,
                 struct estimate *e) {
    const struct config *c = model->config;
    int shares = c->train.reproducible ? REDUCE_SHARES : ranks.all;
    struct workload work;
    struct cost_step step;
    *e = (struct estimate){0};
    workload_find(&work, model, &data->train, &data->valid, shares, ranks.all);
    if (c->train.loss != LOSS_EXACT && c->train.sampler == SAMPLER_BATCH)
        pool_targets(data, &work.step);
    cost_step_run(model, &work.share, &work.step, shares, &step);
    fill_bytes(data, model, ranks.all, &work, &step, e);
    e->sequences = (double)work.step.stream[STREAM_MIXED].tokens / data->mean_targets;
    e->traffic = cost_traffic(model, ranks, &step);
    e->hidden = cost_hidden_traffic(model, ranks);
    memcpy(e->work, step.work, sizeof e->work);
    e->work[PHASE_OPTIMIZER] = cost_update(model, ranks.all, &step);
    workload_free(&work);
}

/* Of all training sequences, of which a synthetic data set has some in memory. */
static struct fit_size size_of(const struct plan_data *data, int ranks) {
    struct fit_sequences all = fit_sequences_of(data->train.offsets, data->train.items,
                                                data->train.count, data->config.data.max_len + 1);
    struct fit_size size = fit_size_of(&all, ranks, omp_get_max_threads());
    double scale = (double)data->dataset.counts[SPLIT_TRAIN] / (double)all.count;
    size.sequences = data->dataset.counts[SPLIT_TRAIN];
    size.events = (int64_t)(scale * (double)size.events);
    size.pairs = (int64_t)(scale * (double)size.pairs);
    size.inverse_bytes = inverse_bytes;
    fit_sequences_free(&all);
    return size;
}

static void fill_fit(struct plan_data *data, struct model *model, struct cost_ranks on,
                     struct estimate *e) {
    int ranks = on.all;
    struct workload work = {0};
    const struct fit_size size = size_of(data, ranks);
    workload_find_histories(&work, model, &data->valid, ranks);
    *e = (struct estimate){.data = plan_data_bytes(data, ranks),
                           .base = data->base + (int64_t)SAVED * model->params.count,
                           .item_rows = item_block_count(&model->catalogue.local)};
    model->ops->fit_cost(model, &size, &e->fit);
    if (model->config->eval.every > 0 && work.history.samples > 0)
        e->bytes.evaluation = cost_ranking(model, &work.history, work.domain);
    for (int i = 0; i < model->params.count; i++)
        e->bytes.parameters += param_size(&model->params.list[i]) * (int64_t)sizeof(real);
    e->total = e->bytes.parameters + e->data + e->base +
               (e->fit.bytes > e->bytes.evaluation ? e->fit.bytes : e->bytes.evaluation);
    workload_free(&work);
}

/* Faults are the same on all ranks: rank 0 speaks of them. */
static enum status declare(const struct comm *comm, const struct config *config,
                           const struct catalogue *shape, struct model *model) {
    if (comm->rank)
        log_hold();
    enum status status = model_declare(model, config, shape);
    if (comm->rank)
        (void)log_release();
    return status;
}

enum status estimate_make(struct estimate *estimate, const struct comm *comm,
                          struct plan_data *data, const struct config *config,
                          enum placement_of_plan placement, struct cost_ranks ranks) {
    struct collectives collectives = cost_collectives(&ranks.all);
    struct catalogue shape = data->shape;
    struct model model;
    if (placement == SHARDED)
        placement_share_out(&shape, &collectives);
    TRY(declare(comm, config, &shape, &model));
    (model_is_fitted(config) ? fill_fit : fill)(data, &model, ranks, estimate);
    model_free(&model);
    return STATUS_OK;
}

/* ---- its parts ---- */

const char *const estimate_parts[ESTIMATE_PARTS] = {
    "parameters", "gradients", "moments",    "reduction", "features", "activations",
    "tiles",      "fit",       "evaluation", "data",      "base",     "total"};

int64_t estimate_bytes(const struct estimate *e, int part) {
    const struct cost_bytes *b = &e->bytes;
    const int64_t bytes[ESTIMATE_PARTS] = {
        b->parameters, b->gradients, b->moments,    b->reduction, b->features, b->activations,
        b->tiles,      e->fit.bytes, b->evaluation, e->data,      e->base,     e->total};
    return bytes[part];
}

json_t *estimate_json(const struct estimate *e) {
    json_t *bytes = json_object(), *object = json_object();
    for (int i = 0; i < ESTIMATE_PARTS; i++)
        json_object_set_new(bytes, estimate_parts[i], json_integer(estimate_bytes(e, i)));
    json_object_set_new(object, "bytes", bytes);
    json_object_set_new(object, "traffic_per_step", json_real(e->traffic.bytes));
    json_object_set_new(object, "messages_per_step", json_real(e->traffic.messages));
    return object;
}
