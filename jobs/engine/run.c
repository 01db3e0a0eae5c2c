/* Opening a run: the data set, the frozen tables and tags that the modalities name, the placement of
 * the item rows, the sampler, the model; then the start of the id rows from a feature table. */
#include "jobs/engine/run.h"
#include "core/fault.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/ops/norm.h"
#include "io/checkpoint.h"
#include "io/provenance.h"
#include "jobs/engine/event_times.h"
#include "jobs/engine/fit_input.h"
#include "jobs/engine/fit_memory.h"
#include "jobs/engine/popularity.h"
#include "jobs/engine/repeats.h"
#include "jobs/engine/successors.h"
#include "jobs/launch/memory_limit.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Where all ranks hold the same table, rank 0 speaks. */
static enum status check_finite(const struct run *run, const char *name, const real *rows,
                                const struct item_block *local, int64_t dim) {
    for (int64_t i = 0; i < item_block_count(local) * dim; i++)
        if (!isfinite((double)rows[i]))
            return run->comm->rank && !run->placement->sharded
                       ? STATUS_INPUT
                       : log_error(STATUS_INPUT,
                                   "%s: feature table '%s': row %lld, column %lld is not finite; "
                                   "import it again with 'cdsr features'",
                                   run->dataset.path, name,
                                   (long long)item_block_item(local, i / dim),
                                   (long long)(i % dim));
    return STATUS_OK;
}

/* The table's rows that are local, at unit norm; mem_free them. */
static enum status read_unit_rows(struct run *run, const struct item_block *local, const char *name,
                                  int *dim, real **rows) {
    int64_t n = item_block_count(local), a_rows = item_block_rows(local, 0);
    TRY(dataset_feature_dim(run->comm, &run->dataset, name, dim));
    *rows = mem_alloc(n * *dim, sizeof(real));
    for (int d = 0; d < DOMAINS; d++)
        TRY(dataset_read_feature(run->comm, &run->dataset, name, local->lo[d], local->hi[d],
                                 *rows + d * a_rows * *dim));
    TRY(comm_agree(run->comm, check_finite(run, name, *rows, local, *dim)));
    unit_norm_rows(*rows, n, *dim);
    return STATUS_OK;
}

static enum status check_finite_vectors(const struct run *run, const char *name, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (!isfinite((double)run->tag_vectors[i]))
            return comm_error(run->comm, STATUS_INPUT,
                              "%s: tag vectors '%s' are not finite; make them "
                              "again with 'cdsr features'",
                              run->dataset.path, name);
    return STATUS_OK;
}

/* What stands in for what a paper had is said in every run. */
static void tell_provenance(struct run *run, int m, const char *tag_vectors) {
    const char *name = run->config.model.modalities.name[m];
    if (run->comm->rank != 0)
        return;
    run->provenance[m] = tag_vectors ? provenance_of_tags(&run->dataset, tag_vectors)
                                     : provenance_of_table(&run->dataset, name);
    const char *line = provenance_line(run->provenance[m]);
    if (line)
        log_info("table %s: %s", name, line);
}

/* Tags and their vectors, which all ranks have of all items. */
static enum status read_tags(struct run *run, int m, const char *name, struct catalogue *shape) {
    struct tag_table *tags = &shape->tags;
    TRY(dataset_read_tag_vectors(run->comm, &run->dataset, name, &tags->tags, &tags->dim,
                                 &run->tag_vectors));
    TRY(check_finite_vectors(run, name, tags->tags * tags->dim));
    TRY(dataset_read_tags(run->comm, &run->dataset, 0, run->dataset.items, &run->tag_rows));
    tell_provenance(run, m, name);
    unit_norm_rows(run->tag_vectors, tags->tags, tags->dim);
    tags->vectors = run->tag_vectors;
    tags->offsets = run->tag_rows.offsets;
    tags->tag = run->tag_rows.tags;
    tags->weight = run->tag_rows.weights;
    shape->table[m].dim = tags->dim;
    return STATUS_OK;
}

static enum status read_table(struct run *run, int m, struct catalogue *shape) {
    const char *name = run->config.model.modalities.name[m];
    const char *tag_vectors = model_tag_vectors(&run->config, m);
    int dim = 0;
    if (tag_vectors)
        return read_tags(run, m, tag_vectors, shape);
    if (model_learned_width(&run->config, m))
        return STATUS_OK;
    TRY(read_unit_rows(run, &shape->local, name, &dim, &run->tables[m]));
    tell_provenance(run, m, NULL);
    shape->table[m] = (struct frozen_table){run->tables[m], run->tables[m], dim};
    return STATUS_OK;
}

/* The modality whose table model.id_init means, -1: none of those that are read. */
static int init_modality(const struct run *run) {
    const char *name = run->config.model.id_init;
    bool any = !strcmp(name, "auto"); /* of the right width */
    for (int m = 0; m < run->model.tables; m++)
        if (run->tables[m] && (any ? run->model.catalogue.table[m].dim == run->config.model.dim
                                   : !strcmp(name, run->config.model.modalities.name[m])))
            return m;
    return -1;
}

static enum status init_from(struct run *run, const char *name, const real *rows, int64_t dim) {
    if (!model_init_id(&run->model, rows, dim))
        return comm_error(run->comm, STATUS_INPUT,
                          "model.id_init: '%s' has %lld columns where model.dim is %lld; make "
                          "a table of that width with 'cdsr features'",
                          name, (long long)dim, (long long)run->config.model.dim);
    log_info("the id embedding starts from table %s", name);
    return STATUS_OK;
}

/* The id embedding starts from the rows of a feature table (model.id_init), one of the modalities'
 * or another. */
enum status run_init_items(struct run *run) {
    const char *name = run->config.model.id_init;
    int m = init_modality(run), dim = 0;
    real *rows = NULL;
    if (!params_find(&run->model.params, "embed.id"))
        return STATUS_OK;
    if (m >= 0)
        return init_from(run, run->config.model.modalities.name[m], run->tables[m],
                         run->model.catalogue.table[m].dim);
    if (!strcmp(name, "auto") || !strcmp(name, "random"))
        return STATUS_OK;
    enum status status = read_unit_rows(run, &run->model.catalogue.local, name, &dim, &rows);
    if (status == STATUS_OK)
        status = init_from(run, name, rows, dim);
    mem_free(rows);
    return status;
}

enum status run_open_sampler(const struct comm *comm, const struct dataset *dataset,
                             const struct config *config, struct sampler *sampler) {
    int32_t *events = NULL;
    bool batch = config->train.sampler == SAMPLER_BATCH;
    if (config->train.sampler != SAMPLER_UNIFORM)
        TRY(popularity_count(comm, dataset, &events));
    sampler_open(sampler, dataset->items, events, batch ? 1 : config->train.sampler_alpha);
    mem_free(events);
    return STATUS_OK;
}

/* Its faults are the same on all ranks: rank 0 speaks of them. */
static enum status create_model(struct run *run, const struct catalogue *shape, bool training) {
    if (run->comm->rank)
        log_hold();
    enum status status = model_create(&run->model, &run->config, shape, training);
    if (run->comm->rank)
        (void)log_release();
    return comm_agree(run->comm, status);
}

/* Which items occur together, if the model asks. */
static enum status read_graph(struct run *run, struct catalogue *shape) {
    struct fit_input input;
    int64_t most = model_neighbours(&run->config);
    if (most == 0)
        return STATUS_OK;
    TRY(fit_input_read(&input, run->comm, &run->dataset, shape->max_len));
    item_graph_make(&run->graph, &input.fit, shape->items, shape->a_items, most);
    fit_input_close(&input);
    shape->graph = run->graph;
    return STATUS_OK;
}

/* Of a training that begins: its parameters' in train.init, or the data set's. */
static enum status settle_time(struct run *run, struct clock *clock) {
    const char *init = run->config.train.init;
    struct checkpoint_state state = {0};
    int *time = &run->config.model.time;
    bool has;
    if (!init[0] || *time == TIME_NONE)
        return event_times_settle(run->comm, &run->dataset, &run->config, clock);
    TRY(checkpoint_has_state(run->comm, init, &has));
    if (has)
        TRY(checkpoint_read_state(run->comm, init, &state));
    *clock = state.clock;
    checkpoint_state_free(&state);
    if (*time == TIME_AUTO)
        *time = clock->knots > 0 ? TIME_STATE : TIME_NONE;
    if (*time == TIME_NONE || clock->knots > 0)
        return STATUS_OK;
    return comm_error(run->comm, STATUS_INPUT,
                      "model.time: %s knows no time of events; leave the key out", init);
}

static enum status open_model(struct run *run, const struct clock *clock, bool training) {
    struct catalogue shape = {.items = run->dataset.items,
                              .a_items = run->dataset.domain_items[0],
                              .max_len = run->config.data.max_len,
                              .users = training ? run->dataset.counts[SPLIT_TRAIN] : 0};
    if (clock)
        shape.clock = *clock;
    else
        TRY(settle_time(run, &shape.clock));
    if (run->config.model.time == TIME_NONE)
        shape.clock.knots = 0;
    run->placement = placement_new(run->comm, &run->config, &shape);
    placement_share_out(&shape, run->placement->sharded ? &run->placement->collectives : NULL);
    if (training && run->config.train.loss != LOSS_EXACT)
        TRY(run_open_sampler(run->comm, &run->dataset, &run->config, &run->sampler));
    shape.sampler = &run->sampler;
    if (model_reads_successors(&run->config)) {
        TRY(successors_count(run->comm, &run->dataset, &run->successors));
        shape.successors = &run->successors;
    }
    for (int m = 0; m < run->config.model.modalities.count; m++)
        TRY(read_table(run, m, &shape));
    TRY(read_graph(run, &shape));
    if (training)
        TRY(fit_memory_check(run->comm, &run->config, &run->dataset, &shape));
    TRY(create_model(run, &shape, training));
    if (training)
        TRY(run_count_repeats(run));
    return training ? run_init_items(run) : STATUS_OK;
}

enum status run_count_repeats(struct run *run) {
    return run->config.model.repeats == REPEATS_COUNTED
               ? repeats_count(run->comm, &run->dataset, &run->repeats)
               : STATUS_OK;
}

/* The one stream of a data set of one domain. */
static enum status use_one_domain(const struct comm *comm, const struct dataset *dataset,
                                  struct config *config) {
    char fault[OPTION_NAME + 64] = "";
    if (!model_use_one_domain(config))
        snprintf(fault, sizeof fault, "model.name: %s fuses two domains", config->model.name);
    else if (config->train.target == TARGET_B)
        snprintf(fault, sizeof fault, "train.target: b has no targets");
    else if (options_select_target(config) == TARGET_B)
        snprintf(fault, sizeof fault, "eval.select_domain: b has no targets");
    if (config->eval.select_domain == SELECT_DOMAIN_EACH)
        config->eval.select_domain = SELECT_DOMAIN_A;
    config->model.mixed_softmax = MIXED_DOMAIN;
    config->model.share_encoders = SHARE_STREAMS;
    if (!fault[0])
        return STATUS_OK;
    return comm_error(comm, STATUS_INPUT, "%s, and %s has items of '%s' only", fault, dataset->path,
                      dataset->labels[0]);
}

enum status run_settle(const struct comm *comm, const struct dataset *dataset,
                       struct config *config) {
    if (config->data.max_len == 0)
        config->data.max_len = dataset->max_len;
    return dataset->domain_items[1] > 0 ? STATUS_OK : use_one_domain(comm, dataset, config);
}

enum status run_open_with(struct run *run, struct comm *comm, const struct config *config,
                          const struct dataset *dataset, const struct clock *clock, bool training) {
    *run = (struct run){.comm = comm, .config = *config, .dataset = *dataset};
    enum status status = run_settle(comm, &run->dataset, &run->config);
    if (status == STATUS_OK)
        status = memory_limit_reserve(comm);
    if (status == STATUS_OK)
        status = open_model(run, clock, training);
    if (status != STATUS_OK)
        run_close(run);
    return status;
}

enum status run_open(struct run *run, struct comm *comm, const struct config *config,
                     const struct clock *clock, bool training) {
    struct dataset dataset;
    *run = (struct run){0};
    TRY(memory_limit_reserve(comm)); /* once: it comes before what it makes room for */
    TRY(dataset_open(comm, config->data.path, &dataset));
    fault_point("load");
    return run_open_with(run, comm, config, &dataset, clock, training);
}

void run_keep_second(struct run *run) {
    struct params *params = &run->model.params;
    run->other = params->m ? params->m : mem_alloc(params->total, sizeof *run->other);
    params->m = NULL;
    memcpy(run->other, params->x, (size_t)params->total * sizeof *run->other);
}

bool run_turn(struct run *run, int domain) {
    if (!run->other || domain == run->present)
        return false;
    params_swap(&run->model.params, run->other);
    run->present = domain;
    return true;
}

void run_close(struct run *run) {
    mem_free(run->other);
    model_free(&run->model);
    sampler_close(&run->sampler);
    successors_close(&run->successors);
    for (int m = 0; m < OPTION_LIST; m++) {
        mem_free(run->tables[m]);
        json_decref(run->provenance[m]);
    }
    item_graph_free(&run->graph);
    tag_rows_free(&run->tag_rows);
    mem_free(run->tag_vectors);
    placement_free(run->placement);
    dataset_close(&run->dataset);
    *run = (struct run){0};
}
