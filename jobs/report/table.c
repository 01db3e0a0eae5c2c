#include "jobs/report/table.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/models/model.h"
#include "io/protocol.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* With more settings that vary, one column has them all. */
enum { SETTING_COLUMNS = 3 };

/* ---- settings: the columns on the left ---- */

static int count_varying(const struct entry *run, int n) {
    int count = 0;
    for (int i = 0; i < options_count(); i++)
        count += entries_vary(run, n, i);
    return count;
}

void table_settings_head(struct grid *grid, const struct entry *run, int n) {
    int varying = count_varying(run, n);
    if (varying > SETTING_COLUMNS)
        grid_column(grid, "", "settings");
    for (int i = 0; i < options_count() && varying <= SETTING_COLUMNS; i++)
        if (entries_vary(run, n, i))
            grid_column(grid, "", "`%s`", options_key(i));
    if (entries_data_varies(run, n))
        grid_column(grid, "", "data");
    grid->heads = grid->columns;
}

/* Where one column has them all: the name of the model, the data set, and what is not the model's default. */
static bool is_worth_saying(const struct entry *run, const struct config *defaults, int i) {
    const char *key = options_key(i);
    return !strcmp(key, "model.name") || !strcmp(key, "data.path") ||
           !options_equal(&run->result.config, defaults, i);
}

/* What the run's model makes of the defaults: its own loss, its own modalities. */
static void model_defaults(const struct entry *run, struct config *defaults) {
    options_defaults(defaults);
    snprintf(defaults->model.name, sizeof defaults->model.name, "%s",
             run->result.config.model.name);
    log_hold();
    if (model_configure(defaults) != STATUS_OK)
        options_defaults(defaults);
    log_release();
}

char *table_settings_text(const struct entry *run, int n, const struct entry *row) {
    bool one = count_varying(run, n) > SETTING_COLUMNS;
    struct config defaults;
    char value[OPTION_PATH], *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    model_defaults(row, &defaults);
    for (int i = 0; i < options_count(); i++)
        if (entries_vary(run, n, i) && (!one || is_worth_saying(row, &defaults, i))) {
            options_value(&row->result.config, i, value, sizeof value);
            fprintf(file, "%s`%s=%s`", ftell(file) ? " " : "", options_key(i), value);
        }
    fclose(file);
    char *counted = mem_string(text);
    free(text);
    return counted;
}

/* The data set by the first digits of its hashes. */
void table_settings(struct grid *grid, const struct entry *run, int n, const struct entry *row) {
    bool one = count_varying(run, n) > SETTING_COLUMNS;
    char value[OPTION_PATH], *all = one ? table_settings_text(run, n, row) : NULL;
    if (one)
        grid_cell(grid, "%s", all);
    for (int i = 0; i < options_count() && !one; i++)
        if (entries_vary(run, n, i)) {
            options_value(&row->result.config, i, value, sizeof value);
            grid_cell(grid, "%s", value);
        }
    if (entries_data_varies(run, n))
        grid_cell(grid, "%.6s/%.6s", row->result.dataset_hash, row->result.items_hash);
    mem_free(all);
}

const struct entry *table_first_of(const struct entry *run, int g) {
    while (run->group != g)
        run++;
    return run;
}

/* ---- figures ---- */

/* Mean and standard deviation of a figure over the runs of a group that have it. */
struct spread {
    int n;
    double mean, deviation;
};

struct cell {
    int split, candidates, excluded, domain, metric;
};

static const struct result_figures *figures(const struct entry *run, const struct cell *cell) {
    return &run->result.figures[cell->split][cell->candidates][cell->excluded];
}

static int count_runs(const struct entry *run, int n, int g, const struct cell *cell) {
    int count = 0;
    for (int r = 0; r < n; r++)
        count += run[r].group == g && entry_counts(&run[r]) && figures(&run[r], cell)->present;
    return count;
}

static double figure(const struct entry *run, const struct cell *cell) {
    const struct result_figures *f = figures(run, cell);
    return f->present ? f->value[cell->domain][cell->metric] : NAN;
}

static struct spread spread_of(const struct entry *run, int n, int g, const struct cell *cell) {
    double sum = 0, squares = 0;
    struct spread s = {0};
    for (int r = 0; r < n; r++)
        if (run[r].group == g && entry_counts(&run[r]) && !isnan(figure(&run[r], cell)))
            s.n++, sum += figure(&run[r], cell);
    s.mean = sum / s.n; /* NaN: none has it */
    for (int r = 0; r < n; r++)
        if (run[r].group == g && entry_counts(&run[r]) && !isnan(figure(&run[r], cell)))
            squares += (figure(&run[r], cell) - s.mean) * (figure(&run[r], cell) - s.mean);
    s.deviation = s.n > 1 ? sqrt(squares / (s.n - 1)) : NAN;
    return s;
}

static void add_spread(struct grid *grid, const struct spread *s, bool best) {
    void (*cell)(struct grid *, const char *, ...) = best ? grid_best : grid_cell;
    if (isnan(s->mean))
        grid_cell(grid, "-");
    else if (isnan(s->deviation))
        cell(grid, "%.2f", 100 * s->mean);
    else
        cell(grid, "%.2f ± %.2f", 100 * s->mean, 100 * s->deviation);
}

/* Is a group's figure, of several on its data set, the best one, or not further below it than the
 * root of the sum of both variances? */
static bool is_best(const struct entry *run, int n, int groups, int g, const struct cell *cell) {
    struct spread own = spread_of(run, n, g, cell);
    int others = 0;
    for (int h = 0; h < groups; h++) {
        struct spread s = spread_of(run, n, h, cell);
        if (h == g || s.n == 0 ||
            !entries_on_same_data(table_first_of(run, g), table_first_of(run, h)))
            continue;
        others++;
        double spread =
            hypot(isnan(own.deviation) ? 0 : own.deviation, isnan(s.deviation) ? 0 : s.deviation);
        if (own.mean < s.mean - spread)
            return false;
    }
    return others > 0;
}

const struct run_result *table_first_figures(const struct entry *run, int n) {
    int r = 0;
    while (r < n - 1 && !entry_counts(&run[r]))
        r++;
    return &run[r].result;
}

const char *table_metric(const char *name, const struct numbers *cutoffs, char text[TABLE_METRIC]) {
    int n = snprintf(text, TABLE_METRIC, "%s", name);
    for (char *c = text; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    if (!strcmp(name, "ndcg"))
        snprintf(text + n, (size_t)(TABLE_METRIC - n), "@%.0f", cutoffs->value[cutoffs->count - 1]);
    return text;
}

const char *table_domain(const struct run_result *first, int d) {
    static const char *const standard[RESULT_DOMAINS] = {"A", "B", "all"};
    return first->label[d][0] ? first->label[d] : standard[d];
}

void table_metrics(struct grid *grid, const struct run_result *first,
                   const struct result_request *request) {
    char name[TABLE_METRIC];
    for (int d = 0; d < RESULT_DOMAINS; d++)
        for (int k = 0; k < request->metrics; k++)
            grid_column(grid, table_domain(first, d), "%s",
                        table_metric(request->metric[k], &first->config.eval.cutoffs, name));
}

static void add_head(struct grid *grid, const struct entry *run, int n,
                     const struct result_request *request) {
    table_settings_head(grid, run, n);
    grid_column(grid, "", "runs");
    grid_band(grid, "split");
    grid_band(grid, "candidates");
    table_metrics(grid, table_first_figures(run, n), request);
}

bool table_is_per_domain(const struct entry *run, int n, int g) {
    for (int r = 0; r < n; r++)
        if (run[r].group == g && entry_counts(&run[r]) && run[r].result.per_domain)
            return true;
    return false;
}

/* Of the group and the protocol of the cell; nothing where no run has figures of them. */
static void add_row(struct grid *grid, const struct entry *run, int n, int groups, int g,
                    struct cell cell, int metrics) {
    int runs = count_runs(run, n, g, &cell);
    char name[PROTOCOL_CANDIDATES];
    if (runs == 0)
        return;
    table_settings(grid, run, n, table_first_of(run, g));
    grid_cell(grid, "%d", runs);
    grid_cell(grid, "%s", result_split_names[cell.split]);
    grid_cell(
        grid, "%s",
        protocol_candidates((struct ranking_protocol){.sampled = cell.candidates == RESULT_SAMPLED,
                                                      .history_excluded = cell.excluded,
                                                      .per_domain = table_is_per_domain(run, n, g)},
                            name));
    for (cell.domain = 0; cell.domain < RESULT_DOMAINS; cell.domain++)
        for (cell.metric = 0; cell.metric < metrics; cell.metric++) {
            struct spread s = spread_of(run, n, g, &cell);
            add_spread(grid, &s, is_best(run, n, groups, g, &cell));
        }
}

static void add_faults(struct grid *grid, const struct entry *run, int n, int metrics) {
    for (int r = 0; r < n; r++) {
        if (!run[r].result.fault[0] || run[r].twice)
            continue;
        table_settings(grid, run, n, &run[r]);
        grid_cell(grid, "0");
        grid_wide(grid, 2 + RESULT_DOMAINS * metrics, "%s: %s", run[r].directory,
                  run[r].result.fault);
    }
}

void table_figures(struct grid *grid, const struct entry *run, int n, int groups,
                   const struct result_request *request, int split) {
    struct cell cell = {.domain = RESULT_DOMAINS - 1};
    add_head(grid, run, n, request);
    for (cell.split = 0; cell.split < RESULT_SPLITS; cell.split++)
        for (cell.candidates = 0; cell.candidates < RESULT_CANDIDATES; cell.candidates++)
            for (cell.excluded = 0; cell.excluded < 2; cell.excluded++)
                for (int g = 0; g < groups && (split < 0 || split == cell.split); g++)
                    add_row(grid, run, n, groups, g, cell, request->metrics);
    add_faults(grid, run, n, request->metrics);
}

/* ---- costs ---- */

struct costs {
    int64_t best[2][2], epochs[2]; /* smallest and largest; the best by domain */
    double seconds, memory;        /* mean, largest */
    int n, timed;
};

static void add_costs(struct costs *c, const struct run_result *r) {
    int64_t *range[] = {c->best[0], c->best[1], c->epochs};
    int64_t x[] = {r->best_epoch[0], r->best_epoch[1], r->epochs};
    for (int k = 0; k < 3; k++) {
        range[k][0] = c->n == 0 || x[k] < range[k][0] ? x[k] : range[k][0];
        range[k][1] = c->n == 0 || x[k] > range[k][1] ? x[k] : range[k][1];
    }
    c->memory = c->n == 0 || r->peak_rss_mb > c->memory ? r->peak_rss_mb : c->memory;
    c->n++;
    if (!isnan(r->epoch_seconds))
        c->seconds += r->epoch_seconds, c->timed++;
}

enum { RANGE = 64 };

static const char *range_text(const int64_t range[2], char text[RANGE]) {
    if (range[0] == range[1])
        snprintf(text, RANGE, "%lld", (long long)range[0]);
    else
        snprintf(text, RANGE, "%lld to %lld", (long long)range[0], (long long)range[1]);
    return text;
}

/* Of one epoch, or of each domain's. */
static void add_best(struct grid *grid, const struct costs *c, const struct run_result *labels,
                     bool per_domain) {
    char a[RANGE], b[RANGE];
    if (per_domain)
        grid_cell(grid, "%s (%s), %s (%s)", range_text(c->best[0], a), labels->label[0],
                  range_text(c->best[1], b), labels->label[1]);
    else
        grid_cell(grid, "%s", range_text(c->best[0], a));
}

void table_costs(struct grid *grid, const struct entry *run, int n, int groups) {
    static const char *const names[] = {"runs", "best epoch", "epochs", "seconds per epoch",
                                        "peak memory per rank, MB"};
    char epochs[RANGE];
    table_settings_head(grid, run, n);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        grid_column(grid, "", "%s", names[i]);
    for (int g = 0; g < groups; g++) {
        struct costs c = {0};
        for (int r = 0; r < n; r++)
            if (run[r].group == g && entry_counts(&run[r]))
                add_costs(&c, &run[r].result);
        if (c.n == 0)
            continue;
        table_settings(grid, run, n, table_first_of(run, g));
        grid_cell(grid, "%d", c.n);
        add_best(grid, &c, table_first_figures(run, n), table_is_per_domain(run, n, g));
        grid_cell(grid, "%s", range_text(c.epochs, epochs));
        if (c.timed > 0)
            grid_cell(grid, "%.3g", c.seconds / c.timed);
        else
            grid_cell(grid, "-");
        grid_cell(grid, "%.0f", c.memory);
    }
}

/* ---- every run, every setting ---- */

static void add_run(struct grid *grid, const struct entry *run, int n, const struct entry *row) {
    const struct run_result *r = &row->result;
    char *settings = table_settings_text(run, n, row);
    bool per_domain = r->per_domain;
    grid_cell(grid, "%s", row->directory);
    grid_cell(grid, "%s", *settings ? settings : r->config.model.name);
    grid_cell(grid, "%lld", (long long)r->config.run.seed);
    grid_cell(grid, "%s", r->started[0] ? r->started : "-");
    mem_free(settings);
    if (r->fault[0] || row->twice) {
        grid_wide(grid, 4, "%s", r->fault[0] ? r->fault : "is one of those above");
        return;
    }
    if (per_domain)
        grid_cell(grid, "%lld, %lld", (long long)r->best_epoch[0], (long long)r->best_epoch[1]);
    else
        grid_cell(grid, "%lld", (long long)r->best_epoch[0]);
    grid_cell(grid, "%lld", (long long)r->epochs);
    if (isnan(r->epoch_seconds))
        grid_cell(grid, "-");
    else
        grid_cell(grid, "%.3g", r->epoch_seconds);
    grid_cell(grid, "%.0f", r->peak_rss_mb);
}

void table_runs(struct grid *grid, const struct entry *run, int n) {
    static const char *const names[] = {
        "run",    "settings",          "seed",      "started", "best epoch",
        "epochs", "seconds per epoch", "memory, MB"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        grid_column(grid, "", "%s", names[i]);
    grid->heads = 1;
    for (int r = 0; r < n; r++)
        add_run(grid, run, n, &run[r]);
}

/* Has a run another value than its model's default? */
static bool is_changed(const struct entry *run, int groups, const struct config *defaults, int i) {
    for (int g = 0; g < groups; g++)
        if (!options_equal(&table_first_of(run, g)->result.config, &defaults[g], i))
            return true;
    return false;
}

void table_all_settings(struct grid *grid, const struct entry *run, int n, int groups) {
    struct config *defaults = mem_alloc(groups, sizeof *defaults);
    char value[OPTION_PATH];
    grid_column(grid, "", "key");
    grid->heads = 1;
    for (int g = 0; g < groups; g++) {
        char *settings = table_settings_text(run, n, table_first_of(run, g));
        grid_column(grid, "", "%s", *settings ? settings : "value");
        mem_free(settings);
        model_defaults(table_first_of(run, g), &defaults[g]);
    }
    for (int i = 0; i < options_count(); i++) {
        bool name = !strcmp(options_key(i), "model.name");
        if (!entries_is_setting(i) || !(name || is_changed(run, groups, defaults, i)))
            continue;
        grid_cell(grid, "`%s`", options_key(i));
        for (int g = 0; g < groups; g++) {
            options_value(&table_first_of(run, g)->result.config, i, value, sizeof value);
            grid_cell(grid, "%s", value);
        }
    }
    mem_free(defaults);
}
