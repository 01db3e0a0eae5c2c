/* cdsr plan: what training would take, without training: memory and traffic of a rank and step, for
 * both placements of the item tables and the losses that the model takes, the exact one and one that
 * draws items, and the placement that fits; or how that scales with the ranks.
 *
 * Get the data, or make it up (jobs/plan/data); for each loss and placement estimate
 * (jobs/plan/estimate); choose; print. */
#include "core/log.h"
#include "io/config.h"
#include "io/output.h"
#include "io/plot.h"
#include "jobs/bench/deck.h"
#include "jobs/engine/peak.h"
#include "jobs/job.h"
#include "jobs/launch/args.h"
#include "jobs/plan/scaling.h"
#include <jansson.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NO_SCALING = -1 };

struct request {
    struct args_config config;
    int64_t ranks, per_node;
    double memory, latency, bandwidth; /* GB per node, us, GB/s; 0: not given */
    int64_t items, users, width;       /* of a synthetic catalogue; items 0: there is none */
    double mean_length;
    const struct deck *deck; /* NULL: none */
    int scaling;             /* enum scaling_kind, or none */
    double gflops, memory_gbs;
    const char *plot;
    bool overwrite, json;
};

enum {
    KEY_RANKS = 0x4000,
    KEY_PER_NODE,
    KEY_MEMORY,
    KEY_LATENCY,
    KEY_BANDWIDTH,
    KEY_ITEMS,
    KEY_USERS,
    KEY_LENGTH,
    KEY_WIDTH,
    KEY_DECK,
    KEY_SCALING,
    KEY_GFLOPS,
    KEY_MEMORY_RATE,
    KEY_PLOT,
    KEY_OVERWRITE,
    KEY_JSON
};

static const struct argp_option options[] = {
    {"ranks", KEY_RANKS, "R", 0, "Ranks of the run (1; with --scaling, the most: 1024)", 0},
    {"per-node", KEY_PER_NODE, "P", 0, "Ranks on one node (all; with --scaling 1)", 0},
    {"memory", KEY_MEMORY, "GB", 0, "Memory of a node (default: this node's)", 0},
    {"latency", KEY_LATENCY, "US", 0, "Microseconds of a message, for the time of the traffic", 0},
    {"bandwidth", KEY_BANDWIDTH, "GB/S", 0, "Of a rank, for the time of the traffic", 0},
    {"items", KEY_ITEMS, "N", 0, "Plan for a synthetic catalogue in place of the data set", 0},
    {"users", KEY_USERS, "N", 0, "Training sequences with --items (as many, at least 262144)", 0},
    {"mean-length", KEY_LENGTH, "L", 0, "Mean events of a sequence with --items, at least 3 (12)",
     0},
    {"width", KEY_WIDTH, "D", 0, "Columns of a feature table with --items (768)", 0},
    {"deck", KEY_DECK, "NAME", 0, "Plan for a deck of cdsr bench, without any file: " DECK_NAMES,
     0},
    {"scaling", KEY_SCALING, "KIND", 0,
     "Simulate 1, 2, 4, ... ranks; strong: one batch, weak: one for each rank", 0},
    {"gflops", KEY_GFLOPS, "G", 0,
     "Arithmetic of a rank, in --scaling, of a fit and a deck (default: measured)", 0},
    {"memory-rate", KEY_MEMORY_RATE, "GB/S", 0,
     "Memory bandwidth of a rank, in --scaling and of a deck (default: measured)", 0},
    {"plot", KEY_PLOT, "FILE", 0,
     "Draw the efficiencies of --scaling into FILE (" PLOT_ENDINGS ") by gnuplot", 0},
    {"overwrite", KEY_OVERWRITE, NULL, 0, "Replace an existing FILE", 0},
    {"json", KEY_JSON, NULL, 0, "Print JSON", 0},
    {0}};

static error_t set_scaling(const struct argp_state *state, const char *text, struct request *r) {
    r->scaling = !strcmp(text, "strong") ? SCALING_STRONG : SCALING_WEAK;
    if (r->scaling == SCALING_STRONG || !strcmp(text, "weak"))
        return 0;
    argp_error(state, "--scaling: '%.100s' is neither strong nor weak", text);
    return EINVAL;
}

static error_t set_plot(const struct argp_state *state, const char *path, struct request *r) {
    r->plot = path;
    if (plot_is_name(path))
        return 0;
    argp_error(state, "--plot %s: the name must end with " PLOT_ENDINGS, path);
    return EINVAL;
}

static error_t check(struct request *r, const struct argp_state *state) {
    bool scales = r->scaling != NO_SCALING;
    if (r->ranks == 0)
        r->ranks = scales ? 1024 : 1;
    if (r->per_node == 0)
        r->per_node = scales ? 1 : r->ranks;
    if (r->per_node > r->ranks)
        r->per_node = r->ranks;
    if (r->users == 0)
        r->users = r->items > SYNTHETIC_SEQUENCES ? r->items : SYNTHETIC_SEQUENCES;
    if (r->plot && !scales)
        argp_error(state, "--plot belongs to --scaling");
    else if ((r->latency > 0) == (r->bandwidth > 0))
        return 0;
    else
        argp_error(state, "--latency and --bandwidth belong together");
    return EINVAL;
}

static error_t parse_cluster(int key, const char *arg, const struct argp_state *state,
                             struct request *r) {
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
    case KEY_GFLOPS:
        return args_number(state, "--gflops", arg, 0.001, 1e9, &r->gflops);
    case KEY_MEMORY_RATE:
        return args_number(state, "--memory-rate", arg, 0.001, 1e9, &r->memory_gbs);
    }
    return ARGP_ERR_UNKNOWN;
}

static error_t parse_synthetic(int key, const char *arg, const struct argp_state *state,
                               struct request *r) {
    switch (key) {
    case KEY_ITEMS:
        return args_integer(state, "--items", arg, 1000, INT32_MAX, &r->items);
    case KEY_USERS:
        return args_integer(state, "--users", arg, 1, INT64_C(1) << 40, &r->users);
    case KEY_LENGTH:
        return args_number(state, "--mean-length", arg, 3, 1000, &r->mean_length);
    case KEY_WIDTH:
        return args_integer(state, "--width", arg, 1, 1 << 16, &r->width);
    }
    return ARGP_ERR_UNKNOWN;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *r = state->input;
    error_t error = parse_cluster(key, arg, state, r);
    if (error == ARGP_ERR_UNKNOWN)
        error = parse_synthetic(key, arg, state, r);
    if (error != ARGP_ERR_UNKNOWN)
        return error;
    if (key == KEY_SCALING)
        return set_scaling(state, arg, r);
    if (key == KEY_PLOT)
        return set_plot(state, arg, r);
    if (key == KEY_DECK) {
        r->deck = deck_parse(state, arg);
        return r->deck ? 0 : EINVAL;
    }
    if (key == KEY_JSON || key == KEY_OVERWRITE) {
        *(key == KEY_JSON ? &r->json : &r->overwrite) = true;
        return 0;
    }
    if (key == ARGP_KEY_END && check(r, state))
        return EINVAL;
    if (key == ARGP_KEY_END && r->deck)
        return args_config_pairs(&r->config, state);
    return args_config_parse(&r->config, key, arg, state, "configuration file");
}

/* ---- the plan ---- */

enum { LOSSES = 2 };

struct line {
    struct estimate estimate;
    double seconds; /* of the traffic; NaN: not asked for */
    double fit;     /* seconds; NaN: there is none */
    double step;    /* seconds at the peak of this machine; of a deck, NaN without */
};

struct plan {
    const struct comm *comm;
    const struct request *request;
    struct plan_data *data;
    int threads;
    double node;              /* bytes */
    bool fitted;              /* the model is: one column, of the fit */
    double gflops;            /* of a rank, for the fit and the steps of a deck */
    double memory_gbs;        /* of a rank, for these */
    int losses, loss[LOSSES]; /* enum loss_kind */
    struct line line[LOSSES][PLACEMENTS];
    const char *choice;
};

/* Can the model be trained with this loss? */
static bool takes(const struct plan *plan, int loss) {
    struct config config = plan->data->config;
    config.train.loss = loss;
    log_hold();
    enum status status = model_configure(&config);
    (void)log_release();
    return status == STATUS_OK;
}

/* Products at half of this machine's rate in double precision, which is half of that in single, as
 * ScaLAPACK's were; counts at what was measured, 1.5 to 3 ns. */
static double fit_seconds(const struct plan *plan, const struct fit_cost *fit) {
    const double count = 2.5e-9;
    return fit->flops / (0.25e9 * plan->gflops) + count * fit->counts / plan->threads;
}

/* Phase by phase at the rate that bounds it, of arithmetic or of memory. */
static double step_seconds(const struct plan *plan, const struct estimate *e) {
    double sum = 0;
    for (int p = 0; p < PHASES; p++)
        sum += fmax(e->work[p].flops / (plan->gflops * 1e9),
                    e->work[p].bytes / (plan->memory_gbs * 1e9));
    return sum;
}

/* The exact one and one that draws items. gbce draws them as the sampled one does, with the same
 * memory. */
static void find_losses(struct plan *plan) {
    const struct config *c = &plan->data->config;
    int drawn = options_loss_draws_own(c) ? c->train.loss : LOSS_SAMPLED;
    if (plan->fitted || takes(plan, LOSS_EXACT))
        plan->loss[plan->losses++] = LOSS_EXACT;
    if (!plan->fitted && takes(plan, drawn))
        plan->loss[plan->losses++] = drawn;
}

static enum status plan_loss(struct plan *plan, int k) {
    const struct request *r = plan->request;
    struct config config = plan->data->config;
    config.train.loss = plan->loss[k];
    for (int p = 0; p < PLACEMENTS; p++) {
        struct line *line = &plan->line[k][p];
        struct cost_traffic *traffic = &line->estimate.traffic;
        TRY(estimate_make(&line->estimate, plan->comm, plan->data, &config, p,
                          (struct cost_ranks){(int)r->ranks, (int)r->per_node}));
        line->seconds = r->bandwidth > 0 ? traffic->messages * r->latency * 1e-6 +
                                               traffic->bytes / (r->bandwidth * 1e9)
                                         : NAN;
        line->fit = plan->fitted ? fit_seconds(plan, &line->estimate.fit) : NAN;
        line->step = r->deck ? step_seconds(plan, &line->estimate) : NAN;
    }
    return STATUS_OK;
}

/* Its place among them. */
static int configured_loss(const struct plan *plan) {
    return plan->data->config.train.loss == LOSS_EXACT ? 0 : plan->losses - 1;
}

static const char *choose(const struct plan *plan) {
    for (int p = 0; p < PLACEMENTS; p++) {
        const struct line *line = &plan->line[configured_loss(plan)][p];
        if ((double)line->estimate.total * (double)plan->request->per_node <= plan->node)
            return placement_names[p];
    }
    return "none";
}

/* ---- output ---- */

static const char *loss_name(const struct plan *plan, int k) {
    if (plan->fitted)
        return "fit";
    switch (plan->loss[k]) {
    case LOSS_EXACT:
        return "exact";
    case LOSS_BCE:
        return "bce";
    case LOSS_BPR:
        return "bpr";
    case LOSS_INFONCE:
        return "infonce";
    }
    return "sampled";
}

static json_t *line_json(const struct line *line) {
    json_t *object = estimate_json(&line->estimate);
    if (isfinite(line->seconds))
        json_object_set_new(object, "traffic_seconds", json_real(line->seconds));
    if (isfinite(line->fit))
        json_object_set_new(object, "fit_seconds", json_real(line->fit));
    if (isfinite(line->step))
        json_object_set_new(object, "step_seconds", json_real(line->step));
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
    for (int k = 0; k < plan->losses; k++)
        json_object_set_new(losses, loss_name(plan, k), loss_json(plan, k));
    json_object_set_new(object, "loss", losses);
    json_object_set_new(object, "configured_loss", json_string(loss_name(plan, loss)));
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
    return (double)estimate_bytes(&line->estimate, i) / 1e6;
}

static double traffic_mb(const struct line *line, int i) {
    (void)i;
    return line->estimate.traffic.bytes / 1e6;
}

static double traffic_seconds(const struct line *line, int i) {
    (void)i;
    return line->seconds;
}

static double fit_time(const struct line *line, int i) {
    (void)i;
    return line->fit;
}

static double step_time(const struct line *line, int i) {
    (void)i;
    return line->step;
}

/* `n` steps. */
static double steps_time(const struct line *line, int n) {
    return n * line->step;
}

/* One number per column, by loss and placement. */
static void print_row(const struct plan *plan, const char *name, value_fn *value, int i,
                      int digits) {
    printf("%-22s", name);
    for (int k = 0; k < plan->losses; k++)
        for (int p = 0; p < PLACEMENTS; p++)
            printf("%12.*f", digits, value(&plan->line[k][p], i));
    putchar('\n');
}

/* The parts of steps, or those that a fit has. */
static bool is_shown(const struct plan *plan, int i) {
    bool steps = strcmp(estimate_parts[i], "fit") != 0;
    return plan->fitted ? row_mb(&plan->line[0][0], i) > 0 : steps;
}

static void print_traffic(const struct plan *plan) {
    print_row(plan, "traffic, MB per step", traffic_mb, 0, 2);
    if (plan->request->bandwidth > 0)
        print_row(plan, "traffic, s per step", traffic_seconds, 0, 5);
    if (!plan->request->deck)
        return;
    print_row(plan, "step at peak, s", step_time, 0, 4);
    print_row(plan, "training at peak, s", steps_time, (int)deck_steps(plan->request->deck), 1);
}

static void print_text(const struct plan *plan) {
    const char *of = plan->fitted ? "" : " loss";
    const struct dataset *d = &plan->data->dataset;
    const struct config *c = &plan->data->config;
    printf("data %s: items %lld + %lld, sequences %lld; batch %lld; ranks %lld x threads %d\n",
           d->name, (long long)d->domain_items[0], (long long)d->domain_items[1],
           (long long)d->counts[SPLIT_TRAIN], (long long)c->train.batch,
           (long long)plan->request->ranks, plan->threads);
    printf("%-22s", "");
    for (int k = 0; k < plan->losses; k++)
        printf("%*s%s", 24 - (int)strlen(of), loss_name(plan, k), of);
    printf("\n%-22s", "MB per rank");
    for (int k = 0; k < plan->losses * PLACEMENTS; k++)
        printf("%12s", placement_names[k % PLACEMENTS]);
    putchar('\n');
    for (int i = 0; i < ESTIMATE_PARTS; i++)
        if (is_shown(plan, i))
            print_row(plan, estimate_parts[i], row_mb, i, 1);
    if (plan->fitted)
        print_row(plan, "fit, s", fit_time, 0, 2);
    else
        print_traffic(plan);
    printf("choice for the %s%s, with %lld ranks on a node of %.1f GB: %s\n",
           loss_name(plan, configured_loss(plan)), of, (long long)plan->request->per_node,
           plan->node / 1e9, plan->choice);
}

/* ---- the job ---- */

static enum status make_plan(struct plan *plan) {
    const struct request *r = plan->request;
    struct peak peak;
    plan->threads = omp_get_max_threads();
    plan->gflops = r->gflops;
    plan->memory_gbs = r->memory_gbs;
    if ((plan->fitted || r->deck) && (r->gflops == 0 || r->memory_gbs == 0)) {
        peak_rates(plan->comm, &peak);
        plan->gflops = r->gflops > 0 ? r->gflops : peak.sgemm_gflops / plan->comm->size;
        plan->memory_gbs = r->memory_gbs > 0 ? r->memory_gbs : peak.triad_gbs / plan->comm->size;
    }
    find_losses(plan);
    for (int k = 0; k < plan->losses; k++)
        TRY(plan_loss(plan, k));
    plan->choice = choose(plan);
    if (plan->comm->rank == 0)
        (plan->request->json ? print_json : print_text)(plan);
    return STATUS_OK;
}

/* Rates that are not given are measured here. */
static enum status make_scaling(const struct plan *plan) {
    const struct request *r = plan->request;
    if (plan->fitted)
        return comm_error(plan->comm, STATUS_INPUT,
                          "--scaling: simulates steps, and %s is fitted without any; leave the "
                          "option out",
                          plan->data->config.model.name);
    struct scaling scaling = {.kind = r->scaling,
                              .ranks = r->ranks,
                              .per_node = r->per_node,
                              .gflops = r->gflops,
                              .memory_gbs = r->memory_gbs,
                              .node = plan->node,
                              .plot = r->plot};
    struct peak peak;
    if (r->gflops == 0 || r->memory_gbs == 0) {
        peak_rates(plan->comm, &peak);
        scaling.gflops = r->gflops > 0 ? r->gflops : peak.sgemm_gflops / plan->comm->size;
        scaling.memory_gbs = r->memory_gbs > 0 ? r->memory_gbs : peak.triad_gbs / plan->comm->size;
    }
    if (r->bandwidth > 0)
        scaling.given = (struct network){"given", r->latency, r->bandwidth * (double)r->per_node};
    return scaling_print(&scaling, plan->comm, plan->data, r->json);
}

/* Topics and length as of cdsr synth, half of the items in each domain; and more histories than are
 * ranked at once. */
static struct synth_recipe recipe_of(const struct request *r) {
    int64_t histories = r->users / 10 > 1 << 10 ? r->users / 10 : 1 << 10;
    return (struct synth_recipe){.name = "synthetic",
                                 .domain_items = {r->items - r->items / 2, r->items / 2},
                                 .counts = {r->users, histories, 0},
                                 .topics = 32,
                                 .mean_length = r->mean_length,
                                 .max_len = 15,
                                 .width = r->width,
                                 .seed = 1};
}

/* Where OMP_NUM_THREADS does not say, the ranks of a node share the processors that the ranks
 * here have together. */
static void share_processors(const struct comm *comm, int64_t per_node) {
    int64_t threads = omp_get_max_threads(), share = threads * comm->size / per_node;
    if (!getenv("OMP_NUM_THREADS") && share < threads)
        omp_set_num_threads(share > 1 ? (int)share : 1);
}

enum status job_plan(struct comm *comm, int argc, char **argv) {
    static const struct argp argp = {options,
                                     parse,
                                     "CONFIG.yaml [KEY=VALUE...]\n--deck NAME [KEY=VALUE...]",
                                     "Tell the memory and the traffic of a run without running it.",
                                     NULL,
                                     NULL,
                                     NULL};
    struct request request = {.scaling = NO_SCALING, .mean_length = 12, .width = 768};
    struct config config;
    struct plan_data data;
    bool done;
    TRY(args_parse(comm, &argp, argc, argv, &request, &done));
    if (done)
        return STATUS_OK;
    share_processors(comm, request.per_node);
    if (request.deck)
        TRY(deck_config(comm, request.deck, &request.config, true, &config));
    else
        TRY(config_load(comm, request.config.path, request.config.pairs, request.config.npairs,
                        &config));
    if (request.plot)
        TRY(output_check(comm, request.plot, OUTPUT_TEXT, request.overwrite));
    double here = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    struct plan plan = {.comm = comm,
                        .request = &request,
                        .data = &data,
                        .fitted = model_is_fitted(&config),
                        .node = request.memory > 0 ? request.memory * 1e9 : here};
    int64_t most = config.train.batch * (request.scaling == SCALING_WEAK ? request.ranks : 1);
    struct synth_recipe made = recipe_of(&request);
    const struct synth_recipe *recipe = request.deck        ? &request.deck->data
                                        : request.items > 0 ? &made
                                                            : NULL;
    TRY(plan_data_open(&data, comm, &config, recipe, most));
    enum status status = request.scaling == NO_SCALING ? make_plan(&plan) : make_scaling(&plan);
    plan_data_close(&data);
    return status;
}
