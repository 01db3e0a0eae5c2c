/* cdsr plan: what training would take, without training: memory and traffic of a rank and step, for
 * both placements of the id table and both losses, and the placement that fits. */
#include "core/cost/cost.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/rng.h"
#include "io/config.h"
#include "io/shard.h"
#include "jobs/args.h"
#include "jobs/job.h"
#include "jobs/stepper.h"
#include "partition/balance.h"
#include <jansson.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 16, STEPS = 256, RANKED = 256, LOSSES = 2 };

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
    bool mixed;                  /* see model_takes_mixed */
    struct cost_sequence *train; /* [sequences] */
    struct cost_load held_out;   /* all validation histories */
    struct model_shape shape;    /* no rows: widths, and offsets of the tags */
    struct tag_rows tags;
    struct config config; /* data.max_len resolved */
    int64_t base;         /* bytes of the process with MPI and the libraries, without sequences */
};

typedef void take_fn(struct data *data, int64_t i, const int32_t *items, int64_t length);

static void take_train(struct data *data, int64_t i, const int32_t *items, int64_t length) {
    cost_sequence_count(&data->train[i], items, length, data->dataset.domain_items[0],
                        data->config.data.max_len, data->mixed);
}

static int64_t at_most(int64_t n, int64_t most) {
    return n < most ? n : most;
}

static void take_held_out(struct data *data, int64_t i, const int32_t *items, int64_t length) {
    (void)i;
    cost_load_add_history(&data->held_out, items, length, data->dataset.domain_items[0],
                          data->config.data.max_len);
}

static enum status read_split(const struct comm *comm, struct data *data, enum split split,
                              take_fn *take) {
    int64_t n = data->dataset.counts[split];
    for (int64_t lo = 0; lo < n; lo += PIECE) {
        struct sequences s;
        int64_t hi = at_most(lo + PIECE, n);
        TRY(dataset_read_sequences(comm, &data->dataset, split, lo, hi, &s));
        for (int64_t i = 0; i < hi - lo; i++)
            take(data, lo + i, s.items + s.offsets[i], s.offsets[i + 1] - s.offsets[i]);
        sequences_free(&s);
    }
    return STATUS_OK;
}

/* What the model will read of the tags; their vectors are only measured. */
static enum status read_tags(const struct comm *comm, struct data *data) {
    struct tag_table *tags = &data->shape.tags;
    real *vectors;
    TRY(dataset_read_tag_vectors(comm, &data->dataset, data->config.model.tag_vectors, &tags->tags,
                                 &tags->dim, &vectors));
    mem_free(vectors);
    TRY(dataset_read_tags(comm, &data->dataset, 0, data->dataset.items, &data->tags));
    tags->offsets = data->tags.offsets;
    return STATUS_OK;
}

static enum status read_widths(const struct comm *comm, struct data *data) {
    const struct config *c = &data->config;
    const struct names *modalities = &c->model.modalities;
    for (int m = 0; m < modalities->count; m++) {
        int dim = 0;
        if (!strcmp(modalities->name[m], "id"))
            continue;
        if (!strcmp(c->model.name, "tema_llm") && !strcmp(modalities->name[m], OPTION_TAGS)) {
            TRY(read_tags(comm, data));
            dim = (int)data->shape.tags.dim;
        } else {
            TRY(dataset_feature_dim(comm, &data->dataset, modalities->name[m], &dim));
        }
        data->shape.table[m].dim = dim;
    }
    return STATUS_OK;
}

static void data_close(struct data *data) {
    mem_free(data->train);
    tag_rows_free(&data->tags);
    dataset_close(&data->dataset);
}

/* What the model's declaration tells. It is the same on all ranks: rank 0 speaks of its faults. */
static enum status read_model(const struct comm *comm, struct data *data) {
    struct model model;
    if (comm->rank)
        log_hold();
    enum status status = model_declare(&model, &data->config, &data->shape);
    if (comm->rank)
        (void)log_release();
    TRY(status);
    data->mixed = model_takes_mixed(&model);
    data->base += (int64_t)SAVED * model.params.count;
    model_free(&model);
    return STATUS_OK;
}

static enum status data_read(const struct comm *comm, struct data *data) {
    TRY(read_widths(comm, data));
    TRY(read_model(comm, data));
    data->train = mem_alloc(data->dataset.counts[SPLIT_TRAIN], sizeof *data->train);
    TRY(read_split(comm, data, SPLIT_TRAIN, take_train));
    return read_split(comm, data, SPLIT_VALID, take_held_out);
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
    if (config->data.max_len == 0)
        data->config.data.max_len = data->dataset.max_len;
    data->shape = (struct model_shape){.items = data->dataset.items,
                                       .x_items = data->dataset.domain_items[0],
                                       .max_len = data->config.data.max_len};
    enum status status = data_read(comm, data);
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

/* ---- the largest step ---- */

struct workload {
    struct cost_load part; /* what a rank works on at once */
    struct cost_load all;  /* the step it is of */
    struct cost_load history;
};

struct deal {
    int64_t n; /* sequences of the step */
    int64_t *order;
    int64_t *cost;
    int32_t *part;
    struct cost_load *load; /* [parts] */
};

/* Deal sequences order[at ..] as io/feed does. */
static void deal_step(const struct data *data, int parts, int64_t at,
                      const struct feed_price *price, struct deal *deal, struct cost_load *all) {
    for (int64_t i = 0; i < deal->n; i++)
        deal->cost[i] = feed_cost(price, data->train[deal->order[at + i]].targets);
    balance(deal->cost, deal->n, parts, deal->part);
    memset(deal->load, 0, (size_t)parts * sizeof *deal->load);
    *all = (struct cost_load){0};
    for (int64_t i = 0; i < deal->n; i++)
        cost_load_add(&deal->load[deal->part[i]], &data->train[deal->order[at + i]]);
    for (int p = 0; p < parts; p++)
        cost_load_join(all, &deal->load[p]);
}

static void keep_largest(const struct cost_model *cost, int ranks, int parts,
                         const struct deal *deal, const struct cost_load *all, int64_t *most,
                         struct workload *work) {
    for (int p = 0; p < parts; p++) {
        struct cost_bytes bytes;
        cost_memory(cost, COST_REPLICATED, ranks, &deal->load[p], all, NULL, &bytes);
        if (bytes.total > *most) {
            *most = bytes.total;
            work->part = deal->load[p];
            work->all = *all;
        }
    }
}

/* The mean history, as often as a rank ranks at once: samples of one domain. */
static struct cost_load histories(const struct data *data, int64_t ranks) {
    struct cost_load load = data->held_out;
    int64_t most = load.ranked[load.ranked[1] > load.ranked[0]], all = load.samples;
    int64_t n = at_most(RANKED, (most + ranks - 1) / ranks);
    for (int s = 0; s < STREAMS && all > 0; s++) {
        load.sequences[s] = load.sequences[s] * n / all;
        load.pairs[s] = load.pairs[s] * n / all;
        load.tokens[s] = (load.tokens[s] * n + all - 1) / all;
    }
    load.samples = n;
    return load;
}

/* Steps of the first epoch, the first STEPS of them: the others are much like them. */
static struct workload largest_step(const struct data *data, const struct cost_model *cost,
                                    int ranks) {
    const struct config *c = cost->model->config;
    int64_t n = data->dataset.counts[SPLIT_TRAIN], batch = at_most(c->train.batch, n), most = 0;
    int parts = c->train.reproducible ? TREE_LEAVES : ranks;
    struct feed_price price = stepper_prices(c, &data->dataset);
    struct workload work = {.history = histories(data, ranks)};
    struct cost_load all;
    struct deal deal = {.order = mem_alloc(n, sizeof *deal.order),
                        .cost = mem_alloc(batch, sizeof *deal.cost),
                        .part = mem_alloc(batch, sizeof *deal.part),
                        .load = mem_alloc(parts, sizeof *deal.load)};
    rng_permutation(rng_key((uint64_t)c->run.seed, RNG_SHUFFLE, 0, 0), n, deal.order);
    for (int64_t k = 0; k < STEPS && k * batch < n; k++) {
        deal.n = at_most(batch, n - k * batch);
        deal_step(data, parts, k * batch, &price, &deal, &all);
        keep_largest(cost, ranks, parts, &deal, &all, &most, &work);
    }
    mem_free(deal.order);
    mem_free(deal.cost);
    mem_free(deal.part);
    mem_free(deal.load);
    return work;
}

/* ---- the plan ---- */

struct line {
    struct cost_bytes bytes;
    int64_t total; /* with data and base */
    struct cost_traffic traffic;
    double seconds; /* of the traffic; NaN: not asked for */
};

struct plan {
    const struct request *request;
    const struct data *data;
    int threads;
    int64_t base, sequences; /* bytes: of the process itself, of the data */
    double node;             /* bytes */
    struct line line[LOSSES][COST_PLACEMENTS];
    const char *choice;
};

static enum status plan_loss(struct plan *plan, int loss) {
    const struct request *r = plan->request;
    struct config config = plan->data->config;
    struct model model;
    int ranks = (int)r->ranks;
    config.train.loss = loss;
    TRY(model_declare(&model, &config, &plan->data->shape));
    struct cost_model cost = {&model, plan->threads};
    struct workload work = largest_step(plan->data, &cost, ranks);
    for (int p = 0; p < COST_PLACEMENTS; p++) {
        struct line *line = &plan->line[loss][p];
        cost_memory(&cost, (enum cost_placement)p, ranks, &work.part, &work.all,
                    config.eval.every > 0 ? &work.history : NULL, &line->bytes);
        line->total = line->bytes.total + plan->base + plan->sequences;
        line->traffic = cost_traffic(&cost, (enum cost_placement)p, ranks, &work.part, &work.all);
        line->seconds = r->bandwidth > 0 ? line->traffic.messages * r->latency * 1e-6 +
                                               line->traffic.bytes / (r->bandwidth * 1e9)
                                         : NAN;
    }
    model_free(&model);
    return STATUS_OK;
}

/* gbce draws negatives as the sampled loss does, with the same memory. */
static int configured_loss(const struct plan *plan) {
    return plan->data->config.train.loss != LOSS_EXACT;
}

static const char *choose(const struct plan *plan) {
    for (int p = 0; p < COST_PLACEMENTS; p++) {
        const struct line *line = &plan->line[configured_loss(plan)][p];
        if ((double)line->total * (double)plan->request->per_node <= plan->node)
            return cost_placement_names[p];
    }
    return "none";
}

/* ---- output ---- */

static const char *const loss_names[LOSSES] = {"exact", "sampled"};

/* A row of the table, and a member of the JSON. */
struct row {
    const char *name;
    size_t at; /* of an int64_t in struct cost_bytes */
};

static const struct row rows[] = {{"parameters", offsetof(struct cost_bytes, parameters)},
                                  {"gradients", offsetof(struct cost_bytes, gradients)},
                                  {"moments", offsetof(struct cost_bytes, moments)},
                                  {"reduction", offsetof(struct cost_bytes, reduction)},
                                  {"features", offsetof(struct cost_bytes, features)},
                                  {"activations", offsetof(struct cost_bytes, activations)},
                                  {"tiles", offsetof(struct cost_bytes, tiles)},
                                  {"evaluation", offsetof(struct cost_bytes, evaluation)}};
enum { ROWS = sizeof rows / sizeof *rows };

static int64_t row_bytes(const struct line *line, int i) {
    int64_t bytes;
    memcpy(&bytes, (const char *)&line->bytes + rows[i].at, sizeof bytes);
    return bytes;
}

static json_t *line_json(const struct plan *plan, const struct line *line) {
    json_t *bytes = json_object(), *object = json_object();
    for (int i = 0; i < ROWS; i++)
        json_object_set_new(bytes, rows[i].name, json_integer(row_bytes(line, i)));
    json_object_set_new(bytes, "data", json_integer(plan->sequences));
    json_object_set_new(bytes, "base", json_integer(plan->base));
    json_object_set_new(bytes, "total", json_integer(line->total));
    json_object_set_new(object, "bytes", bytes);
    json_object_set_new(object, "traffic_per_step", json_real(line->traffic.bytes));
    json_object_set_new(object, "messages_per_step", json_real(line->traffic.messages));
    if (isfinite(line->seconds))
        json_object_set_new(object, "traffic_seconds", json_real(line->seconds));
    return object;
}

static json_t *loss_json(const struct plan *plan, int loss) {
    json_t *object = json_object();
    for (int p = 0; p < COST_PLACEMENTS; p++)
        json_object_set_new(object, cost_placement_names[p], line_json(plan, &plan->line[loss][p]));
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

/* One number per column, by loss and placement. */
static void print_row(const struct plan *plan, const char *name,
                      double (*value)(const struct plan *, const struct line *, int), int i,
                      const char *format) {
    printf("%-22s", name);
    for (int k = 0; k < LOSSES; k++)
        for (int p = 0; p < COST_PLACEMENTS; p++)
            printf(format, value(plan, &plan->line[k][p], i));
    putchar('\n');
}

static double row_mb(const struct plan *plan, const struct line *line, int i) {
    (void)plan;
    return (double)row_bytes(line, i) / 1e6;
}

static double own_mb(const struct plan *plan, const struct line *line, int i) {
    return (double)(i == 0 ? plan->sequences : i == 1 ? plan->base : line->total) / 1e6;
}

static double traffic(const struct plan *plan, const struct line *line, int i) {
    (void)plan;
    return i ? line->seconds : line->traffic.bytes / 1e6;
}

static void print_text(const struct plan *plan) {
    const struct dataset *d = &plan->data->dataset;
    const struct config *c = &plan->data->config;
    printf("data %s: items %lld + %lld, sequences %lld; batch %lld; ranks %lld x threads %d\n",
           d->name, (long long)d->domain_items[0], (long long)d->domain_items[1],
           (long long)d->counts[SPLIT_TRAIN], (long long)c->train.batch,
           (long long)plan->request->ranks, plan->threads);
    printf("%-22s%24s%24s\n%-22s", "", "exact loss", "sampled loss", "MB per rank");
    for (int k = 0; k < LOSSES * COST_PLACEMENTS; k++)
        printf("%12s", cost_placement_names[k % COST_PLACEMENTS]);
    putchar('\n');
    for (int i = 0; i < ROWS; i++)
        print_row(plan, rows[i].name, row_mb, i, "%12.1f");
    print_row(plan, "data", own_mb, 0, "%12.1f");
    print_row(plan, "base", own_mb, 1, "%12.1f");
    print_row(plan, "total", own_mb, 2, "%12.1f");
    print_row(plan, "traffic, MB per step", traffic, 0, "%12.2f");
    if (plan->request->bandwidth > 0)
        print_row(plan, "traffic, s per step", traffic, 1, "%12.5f");
    printf("choice for the %s loss, with %lld ranks on a node of %.1f GB: %s\n",
           loss_names[configured_loss(plan)], (long long)plan->request->per_node, plan->node / 1e9,
           plan->choice);
}

/* ---- the job ---- */

static enum status check_data(const struct comm *comm, const struct data *data) {
    if (data->dataset.counts[SPLIT_TRAIN] > 0)
        return STATUS_OK;
    return comm->rank
               ? STATUS_INPUT
               : log_error(STATUS_INPUT, "%s: no training sequences", data->config.data.path);
}

static enum status make_plan(const struct comm *comm, struct plan *plan) {
    double here = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    plan->threads = omp_get_max_threads();
    plan->node = plan->request->memory > 0 ? plan->request->memory * 1e9 : here;
    plan->base = plan->data->base;
    plan->sequences = data_bytes(plan->data, plan->request->ranks);
    for (int loss = 0; loss < LOSSES; loss++)
        TRY(plan_loss(plan, loss));
    plan->choice = choose(plan);
    if (comm->rank == 0)
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
    struct plan plan = {.request = &request, .data = &data};
    TRY(data_open(comm, &config, &data));
    enum status status = check_data(comm, &data);
    if (status == STATUS_OK)
        status = make_plan(comm, &plan);
    data_close(&data);
    return status;
}
