/* Estimates for every placement and number of ranks; from each, and a network, the seconds of a step
 * by what takes them; tables and JSON of these. */
#include "jobs/plan/scaling.h"
#include "io/plot.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>

enum { FAT_TREES = 2, LEVELS = 20 /* numbers of ranks: 1 to 2^19 */ };

/* Without contention, and with adapters that all ranks of a node share. Of a link MPI carries 96 %.
 * The latency is of a small message from node to node: about a microsecond for MPI and two adapters,
 * the rest for five switches and the software of the collectives. */
static const struct network fat_trees[FAT_TREES] = {{"100 Gb/s", 2, 12}, {"400 Gb/s", 1.5, 48}};

/* ---- seconds of a step ---- */

/* What takes them one after another: forward, losses and backward; the update; messages; bytes. */
enum part { COMPUTE, UPDATE, LATENCY, BANDWIDTH, PARTS };
static const char *const part_names[PARTS] = {"compute", "update", "latency", "bandwidth"};

struct point {
    double part[PARTS], seconds;
};

/* At the rate that bounds it, of arithmetic or of memory. */
static double work_seconds(const struct scaling *s, struct tape_work work) {
    return fmax(work.flops / (s->gflops * 1e9), work.bytes / (s->memory_gbs * 1e9));
}

static int64_t ranks_of_node(const struct scaling *s, int64_t ranks) {
    return ranks < s->per_node ? ranks : s->per_node;
}

/* What stays in the node goes through its memory; adapters are shared by the ranks of a node. */
static double bytes_seconds(const struct scaling *s, const struct network *net, int64_t ranks,
                            const struct cost_traffic *t) {
    return (t->bytes - t->away) / (s->memory_gbs * 1e9) +
           t->away * (double)ranks_of_node(s, ranks) / (net->bandwidth * 1e9);
}

/* Hidden traffic shows as far as it takes longer than backward. */
static struct point make_point(const struct scaling *s, const struct network *net, int64_t ranks,
                               const struct estimate *e) {
    double alpha = net->latency * 1e-6;
    double backward = work_seconds(s, e->work[PHASE_BACKWARD]);
    double bytes = bytes_seconds(s, net, ranks, &e->traffic),
           hidden_bytes = bytes_seconds(s, net, ranks, &e->hidden),
           hidden = alpha * e->hidden.messages + hidden_bytes;
    double gone = hidden > backward ? backward / hidden : 1;
    struct point p = {
        .part = {[COMPUTE] = work_seconds(s, e->work[PHASE_FORWARD]) +
                             work_seconds(s, e->work[PHASE_LOSS]) + backward,
                 [UPDATE] = work_seconds(s, e->work[PHASE_OPTIMIZER]),
                 [LATENCY] = alpha * (e->traffic.messages - gone * e->hidden.messages),
                 [BANDWIDTH] = bytes - gone * hidden_bytes}};
    for (int k = 0; k < PARTS; k++)
        p.seconds += p.part[k];
    return p;
}

/* The node's memory, where it is too small, else what takes most of the time. */
static const char *limit_of(const struct scaling *s, int64_t ranks, const struct estimate *e,
                            const struct point *p) {
    int most = 0;
    if ((double)e->total * (double)ranks_of_node(s, ranks) > s->node)
        return "memory";
    for (int k = 1; k < PARTS; k++)
        if (p->part[k] > p->part[most])
            most = k;
    return part_names[most];
}

/* ---- a table ---- */

/* A placement on a network. */
struct table {
    const struct scaling *scaling;
    const struct network *network;
    enum placement_of_plan placement;
    const struct estimate *estimate; /* [LEVELS] on 2^level ranks */
};

struct row {
    int64_t ranks;
    double seconds, sequences_per_s, efficiency, network;
    const char *limit;
    const struct estimate *estimate;
};

static struct row make_row(const struct table *t, int level) {
    const struct estimate *e = &t->estimate[level];
    int64_t ranks = INT64_C(1) << level;
    struct point one = make_point(t->scaling, t->network, 1, t->estimate);
    struct point p = make_point(t->scaling, t->network, ranks, e);
    double speed = e->sequences / p.seconds;
    return (struct row){.ranks = ranks,
                        .seconds = p.seconds,
                        .sequences_per_s = speed,
                        .efficiency =
                            speed / (double)ranks / (t->estimate->sequences / one.seconds),
                        .network = (p.part[LATENCY] + p.part[BANDWIDTH]) / p.seconds,
                        .limit = limit_of(t->scaling, ranks, e, &p),
                        .estimate = e};
}

static void print_table(const struct table *t) {
    printf("# %s, %s: %g us, %g GB/s of a node\n", placement_names[t->placement], t->network->name,
           t->network->latency, t->network->bandwidth);
    printf("#%6s%14s%14s%12s%14s%10s  %s\n", "ranks", "s per step", "sequences/s", "efficiency",
           "GB per rank", "network", "limit");
    for (int k = 0; INT64_C(1) << k <= t->scaling->ranks; k++) {
        struct row row = make_row(t, k);
        printf("%7lld%14.6f%14.0f%12.3f%14.3f%10.3f  %s\n", (long long)row.ranks, row.seconds,
               row.sequences_per_s, row.efficiency, (double)row.estimate->total / 1e9, row.network,
               row.limit);
    }
    printf("\n\n");
}

static json_t *row_json(const struct row *row) {
    json_t *object = estimate_json(row->estimate);
    json_object_set_new(object, "ranks", json_integer(row->ranks));
    json_object_set_new(object, "seconds", json_real(row->seconds));
    json_object_set_new(object, "sequences_per_s", json_real(row->sequences_per_s));
    json_object_set_new(object, "efficiency", json_real(row->efficiency));
    json_object_set_new(object, "item_rows", json_integer(row->estimate->item_rows));
    json_object_set_new(object, "network", json_real(row->network));
    json_object_set_new(object, "limit", json_string(row->limit));
    return object;
}

static json_t *table_json(const struct table *t) {
    json_t *object = json_object(), *rows = json_array();
    for (int k = 0; INT64_C(1) << k <= t->scaling->ranks; k++) {
        struct row row = make_row(t, k);
        json_array_append_new(rows, row_json(&row));
    }
    json_object_set_new(object, "placement", json_string(placement_names[t->placement]));
    json_object_set_new(object, "network", json_string(t->network->name));
    json_object_set_new(object, "latency_us", json_real(t->network->latency));
    json_object_set_new(object, "bandwidth_gbs", json_real(t->network->bandwidth));
    json_object_set_new(object, "rows", rows);
    return object;
}

/* ---- all tables ---- */

static const char *const kind_names[] = {[SCALING_STRONG] = "strong", [SCALING_WEAK] = "weak"};

static void print_text(const struct scaling *s, const struct plan_data *data,
                       const struct table *tables, int n) {
    const struct config *c = &data->config;
    char loss[32];
    options_value(c, options_find("train.loss"), loss, sizeof loss);
    printf("# simulated: %s scaling, batch %lld%s; data %s: items %lld + %lld; d %lld, loss %s\n",
           kind_names[s->kind], (long long)c->train.batch,
           s->kind == SCALING_WEAK ? " for each rank" : "", data->dataset.name,
           (long long)data->dataset.domain_items[0], (long long)data->dataset.domain_items[1],
           (long long)c->model.dim, loss);
    printf("# a rank: %.1f GFLOP/s, %.1f GB/s of memory; a node: %lld ranks, %.1f GB\n", s->gflops,
           s->memory_gbs, (long long)s->per_node, s->node / 1e9);
    for (int i = 0; i < n; i++)
        print_table(&tables[i]);
}

static void print_json(const struct scaling *s, const struct plan_data *data,
                       const struct table *tables, int n) {
    json_t *object = json_object(), *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, table_json(&tables[i]));
    json_object_set_new(object, "simulated", json_string(kind_names[s->kind]));
    json_object_set_new(object, "items", json_integer(data->dataset.items));
    json_object_set_new(object, "batch", json_integer(data->config.train.batch));
    json_object_set_new(object, "gflops", json_real(s->gflops));
    json_object_set_new(object, "memory_gbs", json_real(s->memory_gbs));
    json_object_set_new(object, "per_node", json_integer(s->per_node));
    json_object_set_new(object, "node_bytes", json_real(s->node));
    json_object_set_new(object, "tables", list);
    json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    putchar('\n');
    json_decref(object);
}

/* ---- the picture ---- */

struct picture {
    const struct scaling *scaling;
    const struct table *tables;
    int n;
};

static enum status send_tables(FILE *gnuplot, void *context) {
    const struct picture *p = context;
    for (int i = 0; i < p->n; i++) {
        fprintf(gnuplot, "$table%d << END\n", i);
        for (int k = 0; INT64_C(1) << k <= p->scaling->ranks; k++) {
            struct row row = make_row(&p->tables[i], k);
            fprintf(gnuplot, "%lld %.4f\n", (long long)row.ranks, 100 * row.efficiency);
        }
        fprintf(gnuplot, "END\n");
    }
    fprintf(gnuplot,
            "set title 'simulated: %s scaling'\nset xlabel 'ranks'\nset logscale x 2\nset ylabel "
            "'efficiency, %%'\nset yrange [0:*]\nset key outside\nplot ",
            kind_names[p->scaling->kind]);
    for (int i = 0; i < p->n; i++)
        fprintf(gnuplot, "%s$table%d with linespoints title '%s, %s'", i ? ", " : "", i,
                placement_names[p->tables[i].placement], p->tables[i].network->name);
    fputc('\n', gnuplot);
    return STATUS_OK;
}

/* ---- all of it ---- */

static enum status print(const struct scaling *s, const struct plan_data *data, bool json,
                         struct estimate estimate[PLACEMENTS][LEVELS]) {
    const struct network *networks = s->given.name ? &s->given : fat_trees;
    int each = s->given.name ? 1 : FAT_TREES, n = 0;
    struct table tables[PLACEMENTS * FAT_TREES];
    for (int p = 0; p < PLACEMENTS; p++)
        for (int k = 0; k < each; k++)
            tables[n++] = (struct table){s, &networks[k], p, estimate[p]};
    (json ? print_json : print_text)(s, data, tables, n);
    return s->plot ? plot_draw(s->plot, send_tables, &(struct picture){s, tables, n}) : STATUS_OK;
}

enum status scaling_print(const struct scaling *s, const struct comm *comm, struct plan_data *data,
                          bool json) {
    struct estimate estimate[PLACEMENTS][LEVELS];
    if (data->config.train.reproducible)
        return comm_error(comm, STATUS_INPUT,
                          "--scaling: train.reproducible has at most 8 ranks; set it to false");
    for (int p = 0; p < PLACEMENTS; p++)
        for (int k = 0; INT64_C(1) << k <= s->ranks; k++) {
            struct config config = data->config;
            config.train.batch *= s->kind == SCALING_WEAK ? INT64_C(1) << k : 1;
            struct cost_ranks ranks = {1 << k, (int)ranks_of_node(s, INT64_C(1) << k)};
            TRY(estimate_make(&estimate[p][k], comm, data, &config, p, ranks));
        }
    return COMM_ON_ROOT(comm, print(s, data, json, estimate));
}
