/* Opening a data set or making one up; reading what a plan takes of it. */
#include "jobs/plan/data.h"
#include "core/mem.h"
#include "jobs/engine/event_times.h"
#include "jobs/engine/fit_input.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- what is read ---- */

/* What the model will read of the tags; of their vectors the size tells. */
static enum status read_tags(const struct comm *comm, const char *name, struct plan_data *data) {
    struct tag_table *tags = &data->shape.tags;
    TRY(dataset_tag_vectors_size(comm, &data->dataset, name, &tags->tags, &tags->dim));
    TRY(dataset_read_tags(comm, &data->dataset, 0, data->dataset.items, &data->tags));
    tags->offsets = data->tags.offsets;
    return STATUS_OK;
}

/* A dry tape only wants to know that a table has rows. */
static struct frozen_table table_of(int64_t width) {
    static const real no_row;
    return (struct frozen_table){&no_row, &no_row, width};
}

/* Widths of the feature tables, whose rows are not read. */
static enum status read_widths(const struct comm *comm, struct plan_data *data) {
    const struct config *c = &data->config;
    const struct names *modalities = &c->model.modalities;
    for (int m = 0; m < modalities->count; m++) {
        struct frozen_table *table = &data->shape.table[m];
        int dim = 0;
        if (model_learned_width(c, m))
            continue;
        const char *tag_vectors = model_tag_vectors(c, m);
        if (tag_vectors && data->dataset.synth)
            return comm_error(comm, STATUS_INPUT,
                              "--items: '%s' is made of tags, of which synthetic items have none; "
                              "plan for a data set, or without that modality",
                              modalities->name[m]);
        if (tag_vectors) {
            TRY(read_tags(comm, tag_vectors, data));
            table->dim = data->shape.tags.dim;
            continue;
        }
        TRY(dataset_feature_dim(comm, &data->dataset, modalities->name[m], &dim));
        *table = table_of(dim);
    }
    return STATUS_OK;
}

/* More histories than are ranked at once. */
enum { HISTORIES = 1 << 10 };

static int64_t at_most(int64_t n, int64_t most) {
    return n < most ? n : most;
}

/* Of a synthetic one the popularity of the sequences that are here stands for that of all. */
static enum status open_sampler(const struct comm *comm, struct plan_data *data) {
    const struct config *c = &data->config;
    if (!data->dataset.synth)
        return run_open_sampler(comm, &data->dataset, c, &data->sampler);
    if (c->train.sampler == SAMPLER_UNIFORM)
        return STATUS_OK;
    int32_t *events = mem_zero(data->dataset.items, sizeof *events);
    for (int64_t i = 0; i < data->train.offsets[data->train.count]; i++)
        events[data->train.items[i]]++;
    sampler_open(&data->sampler, data->dataset.items, events,
                 c->train.sampler == SAMPLER_BATCH ? 1 : c->train.sampler_alpha);
    mem_free(events);
    return STATUS_OK;
}

/* The widths of the tables, and the sequences: of a synthetic one so many as steps of up to `batch`
 * take. */
static enum status read_all(const struct comm *comm, int64_t batch, struct plan_data *data) {
    const struct dataset *d = &data->dataset;
    int64_t train = d->counts[SPLIT_TRAIN], valid = d->counts[SPLIT_VALID];
    if (train == 0)
        return comm_error(comm, STATUS_INPUT, "%s: no training sequences", data->config.data.path);
    if (d->synth) {
        train = at_most(train, batch > SYNTHETIC_SEQUENCES ? batch : SYNTHETIC_SEQUENCES);
        valid = at_most(valid, HISTORIES);
    }
    TRY(read_widths(comm, data));
    TRY(dataset_read_sequences(comm, d, SPLIT_TRAIN, 0, train, &data->train));
    TRY(dataset_read_sequences(comm, d, SPLIT_VALID, 0, valid, &data->valid));
    return open_sampler(comm, data);
}

/* ---- both together ---- */

/* Resident now. */
static int64_t resident_bytes(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* Which items occur together, if the model asks; every rank has read all sequences. */
static void make_graph(const struct comm *comm, struct plan_data *data) {
    struct fit_input input;
    int64_t most = model_neighbours(&data->config);
    if (most == 0)
        return;
    fit_input_of(&input, comm, &data->train, data->shape.max_len);
    item_graph_make(&data->shape.graph, &input.fit, data->shape.items, data->shape.a_items, most);
    fit_input_close(&input);
}

static double mean_targets(const struct sequences *s, int64_t max_len) {
    double sum = 0;
    for (int64_t i = 0; i < s->count; i++) {
        int64_t targets = s->offsets[i + 1] - s->offsets[i] - 1;
        sum += (double)(targets < max_len ? targets : max_len);
    }
    return sum / (double)s->count;
}

/* What is counted of the training sequences. */
static void count_all(const struct comm *comm, struct plan_data *data) {
    const struct sequences *train = &data->train;
    data->mean_targets = mean_targets(train, data->config.data.max_len);
    make_graph(comm, data);
    if (!model_reads_successors(&data->config))
        return;
    successors_open(&data->successors, train->offsets, train->items, train->count,
                    data->shape.a_items, data->shape.items);
    data->shape.successors = &data->successors;
}

/* Synthetic events have times. */
static enum status settle_time(const struct comm *comm, bool synthetic, struct plan_data *data) {
    struct config *config = &data->config;
    if (!synthetic)
        return event_times_settle(comm, &data->dataset, config, &data->shape.clock);
    if (config->model.time == TIME_AUTO)
        config->model.time = TIME_STATE;
    if (config->model.time == TIME_STATE)
        data->shape.clock.knots = CLOCK_KNOTS;
    return STATUS_OK;
}

enum status plan_data_open(struct plan_data *data, const struct comm *comm,
                           const struct config *config, const struct synth_recipe *recipe,
                           int64_t batch) {
    *data = (struct plan_data){.config = *config};
    if (recipe)
        dataset_make(recipe, &data->dataset);
    else
        TRY(dataset_open(comm, config->data.path, &data->dataset));
    data->base = resident_bytes();
    enum status status = run_settle(comm, &data->dataset, &data->config);
    data->shape = (struct catalogue){.items = data->dataset.items,
                                     .users = data->dataset.counts[SPLIT_TRAIN],
                                     .a_items = data->dataset.domain_items[0],
                                     .max_len = data->config.data.max_len,
                                     .sampler = &data->sampler};
    if (status == STATUS_OK)
        status = settle_time(comm, recipe != NULL, data);
    if (status == STATUS_OK)
        status = read_all(comm, batch, data);
    if (status == STATUS_OK)
        count_all(comm, data);
    else
        plan_data_close(data);
    return status;
}

void plan_data_close(struct plan_data *data) {
    sequences_free(&data->train);
    sequences_free(&data->valid);
    sampler_close(&data->sampler);
    successors_close(&data->successors);
    item_graph_free(&data->shape.graph);
    tag_rows_free(&data->tags);
    dataset_close(&data->dataset);
}

int64_t plan_data_bytes(const struct plan_data *data, int64_t ranks) {
    const struct dataset *d = &data->dataset;
    int64_t n = d->counts[SPLIT_TRAIN];
    int64_t event = 4 + (data->shape.clock.knots > 0 ? (int64_t)sizeof(real) : 0);
    int64_t block = 8 + 8 + 8 + 4, hand = 8 + 8 + 4 + 8, come = 24 + 16;
    int64_t train = (block + come + hand) * n + 3 * event * d->events[SPLIT_TRAIN],
            valid = hand * d->counts[SPLIT_VALID] + event * d->events[SPLIT_VALID];
    return (train + valid) / ranks;
}
