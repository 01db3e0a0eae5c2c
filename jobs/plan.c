/* cdsr plan: what training would take, without training: memory and traffic of a rank and step, for
 * both placements of the id table and both losses, and the placement that fits.
 *
 * Read the sequences, and of the item tables the widths; for each loss and placement { declare the
 * model, find the largest step and ranking (jobs/engine/workload), run them on a dry tape
 * (core/cost) }; choose; print. */
#include "core/cost/cost.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/config.h"
#include "jobs/engine/stepper.h"
#include "jobs/engine/workload.h"
#include "jobs/job.h"
#include "jobs/launch/args.h"
#include <jansson.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes that HDF5 1.10 takes of the process for each tensor that it has saved: measured, 40 KB
 * after the first checkpoint, 70 to 110 KB after four. */
enum { SAVED = 64 << 10 };

struct request {
    struct args_config config;
    int64_t ranks, per_node;
    double memory, latency, bandwidth; /* GB per node, us, GB/s; 0: not given */
    bool json;
};

enum { KEY_RANKS = 0x4000, KEY_PER_NODE, KEY_MEMORY, KEY_LATENCY, KEY_BANDWIDTH, KEY_JSON };

static const struct argp_option options[] = {
    {"ranks", KEY_RANKS, "R", 0, "Ranks of the run (default 1)", 0},
    {"per-node", KEY_PER_NODE, "P", 0, "Ranks on one node (default: all)", 0},
    {"memory", KEY_MEMORY, "GB", 0, "Memory of a node (default: this node's)", 0},
    {"latency", KEY_LATENCY, "US", 0, "Microseconds of a message, for the time of the traffic", 0},
    {"bandwidth", KEY_BANDWIDTH, "GB/S", 0, "Of a rank, for the time of the traffic", 0},
    {"json", KEY_JSON, NULL, 0, "Print JSON", 0},
    {0}};

static error_t check(struct request *r, const struct argp_state *state) {
    if (r->per_node == 0 || r->per_node > r->ranks)
        r->per_node = r->ranks;
    if ((r->latency > 0) == (r->bandwidth > 0))
        return 0;
    argp_error(state, "--latency and --bandwidth belong together");
    return EINVAL;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *r = state->input;
    switch (key) {
    case KEY_RANKS:
        return args_integer(state, "--ranks", arg, 1, 1000000, &r->ranks);
    case KEY_PER_NODE:
        return args_integer(state, "--per-node", arg, 1, 1000000, &r->per_node);
    case KEY_MEMORY:
        return args_number(state, "--memory", arg, 0.001, 1e9, &r->memory);
    case KEY_LATENCY:
        return args_number(state, "--latency", arg, 0.001, 1e6, &r->latency);
    case KEY_BANDWIDTH:
        return args_number(state, "--bandwidth", arg, 0.001, 1e6, &r->bandwidth);
    case KEY_JSON:
        r->json = true;
        return 0;
    case ARGP_KEY_END:
        if (check(r, state))
            return EINVAL;
    }
    return args_config_parse(&r->config, key, arg, state, "configuration file");
}

/* ---- the data ---- */

struct data {
    struct dataset dataset;
    struct sequences train, valid;
    struct catalogue shape; /* no rows: widths, and offsets of the tags */
    struct tag_rows tags;
    struct sampler sampler;
    struct config config; /* as run_settle leaves it */
    int64_t base;         /* bytes of the process with MPI and the libraries, without sequences */
};

/* What the model will read of the tags; of their vectors the size tells. */
static enum status read_tags(const struct comm *comm, const char *name, struct data *data) {
    struct tag_table *tags = &data->shape.tags;
    TRY(dataset_tag_vectors_size(comm, &data->dataset, name, &tags->tags, &tags->dim));
    TRY(dataset_read_tags(comm, &data->dataset, 0, data->dataset.items, &data->tags));
    tags->offsets = data->tags.offsets;
    return STATUS_OK;
}

/* Widths of the feature tables, whose rows are not read: a dry tape only wants to know that there
 * are some. */
static enum status read_widths(const struct comm *comm, struct data *data) {
    static const real no_row;
    const struct config *c = &data->config;
    const struct names *modalities = &c->model.modalities;
    for (int m = 0; m < modalities->count; m++) {
        struct frozen_table *table = &data->shape.table[m];
        int dim = 0;
        if (!strcmp(modalities->name[m], "id"))
            continue;
        const char *tag_vectors = model_tag_vectors(c, m);
        if (tag_vectors) {
            TRY(read_tags(comm, tag_vectors, data));
            table->dim = data->shape.tags.dim;
            continue;
        }
        TRY(dataset_feature_dim(comm, &data->dataset, modalities->name[m], &dim));
        *table = (struct frozen_table){&no_row, &no_row, dim};
    }
    return STATUS_OK;
}

static void data_close(struct data *data) {
    sequences_free(&data->train);
    sequences_free(&data->valid);
    sampler_close(&data->sampler);
    tag_rows_free(&data->tags);
    dataset_close(&data->dataset);
}

static enum status data_read(const struct comm *comm, struct data *data) {
    const struct dataset *d = &data->dataset;
    TRY(read_widths(comm, data));
    TRY(dataset_read_sequences(comm, d, SPLIT_TRAIN, 0, d->counts[SPLIT_TRAIN], &data->train));
    TRY(dataset_read_sequences(comm, d, SPLIT_VALID, 0, d->counts[SPLIT_VALID], &data->valid));
    data->shape.sampler = &data->sampler;
    return run_open_sampler(comm, d, &data->config, &data->sampler);
}

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

static enum status data_open(const struct comm *comm, const struct config *config,
                             struct data *data) {
    *data = (struct data){.config = *config};
    TRY(dataset_open(comm, config->data.path, &data->dataset));
    data->base = resident_bytes();
    enum status status = run_settle(comm, &data->dataset, &data->config);
    data->shape = (struct catalogue){.items = data->dataset.items,
                                     .a_items = data->dataset.domain_items[0],
                                     .max_len = data->config.data.max_len};
    if (status == STATUS_OK)
        status = data_read(comm, data);
    if (status != STATUS_OK)
        data_close(data);
    return status;
}

/* Bytes of a rank: its block of the sequences and its share of an epoch, integers about all. */
static int64_t data_bytes(const struct data *data, int64_t ranks) {
    const struct dataset *d = &data->dataset;
    int64_t n = d->counts[SPLIT_TRAIN];
    int64_t mine = 2 * 4 * d->events[SPLIT_TRAIN] + (8 + 8 + 8 + 4) * n +
                   4 * d->events[SPLIT_VALID] + 16 * d->counts[SPLIT_VALID];
    return (4 + 8 + 8 + 4 + 4) * n + mine / ranks;
}

/* ---- the plan ---- */

enum { LOSSES = 2 };
enum placement_of_plan { REPLICATED, SHARDED, PLACEMENTS };
static const char *const placement_names[PLACEMENTS] = {"replicated", "sharded"};

struct line {
    struct cost_bytes bytes;
    int64_t data, base; /* bytes of the sequences, and of the process itself with its libraries */
    int64_t total;      /* of all these */
    struct cost_traffic traffic;
    double seconds; /* of the traffic; NaN: not asked for */
};

struct plan {
    const struct comm *comm;
    const struct request *request;
    struct data *data;
    int threads;
    double node; /* bytes */
    struct line line[LOSSES][PLACEMENTS];
    const char *choice;
};

/* As in training: negatives that come from the batch are drawn from all its targets. */
static void pool_targets(struct data *data, const struct batch *all) {
    int32_t *targets = mem_alloc(batch_room(all), sizeof *targets);
    sampler_pool(&data->sampler, targets, batch_items(all, false, targets));
    mem_free(targets);
}

static void fill_line(const struct plan *plan, struct model *model, struct line *line) {
    const struct request *r = plan->request;
    const struct config *c = model->config;
    int ranks = (int)r->ranks, shares = c->train.reproducible ? REDUCE_SHARES : ranks;
    struct workload work;
    struct cost_step step;
    workload_find(&work, model, &plan->data->train, &plan->data->valid, shares, ranks);
    if (c->train.loss != LOSS_EXACT && c->train.sampler == SAMPLER_BATCH)
        pool_targets(plan->data, &work.step);
    cost_step_run(model, &work.share, &work.step, shares, &step);
    bool ranks_any = c->eval.every > 0 && work.history.samples > 0;
    cost_memory(model, ranks, &step,
                ranks_any ? cost_ranking(model, &work.history, work.domain) : 0, &line->bytes);
    line->data = data_bytes(plan->data, ranks);
    line->base = plan->data->base + (int64_t)SAVED * model->params.count;
    line->total = line->bytes.total + line->data + line->base;
    line->traffic = cost_traffic(model, ranks, &step);
    line->seconds = r->bandwidth > 0 ? line->traffic.messages * r->latency * 1e-6 +
                                           line->traffic.bytes / (r->bandwidth * 1e9)
                                     : NAN;
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

static enum status plan_loss(struct plan *plan, int loss) {
    struct config config = plan->data->config;
    int ranks = (int)plan->request->ranks;
    struct collectives collectives =
        cost_collectives(&ranks); /* rank 0: its block is the largest */
    config.train.loss = loss;
    for (int p = 0; p < PLACEMENTS; p++) {
        struct catalogue shape = plan->data->shape;
        struct model model;
        if (p == SHARDED)
            placement_share_out(&shape, &collectives);
        TRY(declare(plan->comm, &config, &shape, &model));
        fill_line(plan, &model, &plan->line[loss][p]);
        model_free(&model);
    }
    return STATUS_OK;
}

/* gbce draws negatives as the sampled loss does, with the same memory. */
static int configured_loss(const struct plan *plan) {
    return plan->data->config.train.loss != LOSS_EXACT;
}

static const char *choose(const struct plan *plan) {
    for (int p = 0; p < PLACEMENTS; p++) {
        const struct line *line = &plan->line[configured_loss(plan)][p];
        if ((double)line->total * (double)plan->request->per_node <= plan->node)
            return placement_names[p];
    }
    return "none";
}

/* ---- output ---- */

static const char *const loss_names[LOSSES] = {"exact", "sampled"};

/* A row of the table, and a member of the JSON. */
struct row {
    const char *name;
    size_t at; /* of an int64_t in struct line */
};

static const struct row rows[] = {{"parameters", offsetof(struct line, bytes.parameters)},
                                  {"gradients", offsetof(struct line, bytes.gradients)},
                                  {"moments", offsetof(struct line, bytes.moments)},
                                  {"reduction", offsetof(struct line, bytes.reduction)},
                                  {"features", offsetof(struct line, bytes.features)},
                                  {"activations", offsetof(struct line, bytes.activations)},
                                  {"tiles", offsetof(struct line, bytes.tiles)},
                                  {"evaluation", offsetof(struct line, bytes.evaluation)},
                                  {"data", offsetof(struct line, data)},
                                  {"base", offsetof(struct line, base)},
                                  {"total", offsetof(struct line, total)}};
enum { ROWS = sizeof rows / sizeof *rows };

static int64_t row_bytes(const struct line *line, int i) {
    int64_t bytes;
    memcpy(&bytes, (const char *)line + rows[i].at, sizeof bytes);
    return bytes;
}

static json_t *line_json(const struct line *line) {
    json_t *bytes = json_object(), *object = json_object();
    for (int i = 0; i < ROWS; i++)
        json_object_set_new(bytes, rows[i].name, json_integer(row_bytes(line, i)));
    json_object_set_new(object, "bytes", bytes);
    json_object_set_new(object, "traffic_per_step", json_real(line->traffic.bytes));
    json_object_set_new(object, "messages_per_step", json_real(line->traffic.messages));
    if (isfinite(line->seconds))
        json_object_set_new(object, "traffic_seconds", json_real(line->seconds));
    return object;
}

static json_t *loss_json(const struct plan *plan, int loss) {
    json_t *object = json_object();
    for (int p = 0; p < PLACEMENTS; p++)
        json_object_set_new(object, placement_names[p], line_json(&plan->line[loss][p]));
    return object;
}

/* `placement` is that of the configured loss; `loss` has it and the other one. */
static void print_json(const struct plan *plan) {
    int loss = configured_loss(plan);
    json_t *object = json_object(), *losses = json_object();
    json_object_set_new(object, "placement", loss_json(plan, loss));
    json_object_set_new(object, "choice", json_string(plan->choice));
    for (int k = 0; k < LOSSES; k++)
        json_object_set_new(losses, loss_names[k], loss_json(plan, k));
    json_object_set_new(object, "loss", losses);
    json_object_set_new(object, "configured_loss", json_string(loss_names[loss]));
    json_object_set_new(object, "ranks", json_integer(plan->request->ranks));
    json_object_set_new(object, "threads", json_integer(plan->threads));
    json_object_set_new(object, "node_bytes", json_real(plan->node));
    json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    putchar('\n');
    json_decref(object);
}

/* A number of a line. */
typedef double value_fn(const struct line *line, int i);

static double row_mb(const struct line *line, int i) {
    return (double)row_bytes(line, i) / 1e6;
}

static double traffic_mb(const struct line *line, int i) {
    (void)i;
    return line->traffic.bytes / 1e6;
}

static double traffic_seconds(const struct line *line, int i) {
    (void)i;
    return line->seconds;
}

/* One number per column, by loss and placement. */
static void print_row(const struct plan *plan, const char *name, value_fn *value, int i,
                      int digits) {
    printf("%-22s", name);
    for (int k = 0; k < LOSSES; k++)
        for (int p = 0; p < PLACEMENTS; p++)
            printf("%12.*f", digits, value(&plan->line[k][p], i));
    putchar('\n');
}

static void print_text(const struct plan *plan) {
    const struct dataset *d = &plan->data->dataset;
    const struct config *c = &plan->data->config;
    printf("data %s: items %lld + %lld, sequences %lld; batch %lld; ranks %lld x threads %d\n",
           d->name, (long long)d->domain_items[0], (long long)d->domain_items[1],
           (long long)d->counts[SPLIT_TRAIN], (long long)c->train.batch,
           (long long)plan->request->ranks, plan->threads);
    printf("%-22s%24s%24s\n%-22s", "", "exact loss", "sampled loss", "MB per rank");
    for (int k = 0; k < LOSSES * PLACEMENTS; k++)
        printf("%12s", placement_names[k % PLACEMENTS]);
    putchar('\n');
    for (int i = 0; i < ROWS; i++)
        print_row(plan, rows[i].name, row_mb, i, 1);
    print_row(plan, "traffic, MB per step", traffic_mb, 0, 2);
    if (plan->request->bandwidth > 0)
        print_row(plan, "traffic, s per step", traffic_seconds, 0, 5);
    printf("choice for the %s loss, with %lld ranks on a node of %.1f GB: %s\n",
           loss_names[configured_loss(plan)], (long long)plan->request->per_node, plan->node / 1e9,
           plan->choice);
}

/* ---- the job ---- */

static enum status check_data(const struct comm *comm, const struct data *data) {
    if (data->dataset.counts[SPLIT_TRAIN] > 0)
        return STATUS_OK;
    return comm_error(comm, STATUS_INPUT, "%s: no training sequences", data->config.data.path);
}

static enum status make_plan(struct plan *plan) {
    double here = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    plan->threads = omp_get_max_threads();
    plan->node = plan->request->memory > 0 ? plan->request->memory * 1e9 : here;
    for (int loss = 0; loss < LOSSES; loss++)
        TRY(plan_loss(plan, loss));
    plan->choice = choose(plan);
    if (plan->comm->rank == 0)
        (plan->request->json ? print_json : print_text)(plan);
    return STATUS_OK;
}

enum status job_plan(struct comm *comm, int argc, char **argv) {
    static const struct argp argp = {options,
                                     parse,
                                     "CONFIG.yaml [KEY=VALUE...]",
                                     "Tell the memory and the traffic of a run without running it.",
                                     NULL,
                                     NULL,
                                     NULL};
    struct request request = {.ranks = 1};
    struct config config;
    struct data data;
    bool done;
    TRY(args_parse(comm, &argp, argc, argv, &request, &done));
    if (done)
        return STATUS_OK;
    TRY(config_load(comm, request.config.path, request.config.pairs, request.config.npairs,
                    &config));
    struct plan plan = {.comm = comm, .request = &request, .data = &data};
    TRY(data_open(comm, &config, &data));
    enum status status = check_data(comm, &data);
    if (status == STATUS_OK)
        status = make_plan(&plan);
    data_close(&data);
    return status;
}
