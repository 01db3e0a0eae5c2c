#include "jobs/report/table.h"
#include "core/log.h"
#include "core/models/model.h"
#include "io/protocol.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
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

int table_print_settings_head(const struct entry *run, int n) {
    int varying = count_varying(run, n), hash = entries_data_varies(run, n);
    if (varying > SETTING_COLUMNS)
        printf("| settings ");
    for (int i = 0; i < options_count() && varying <= SETTING_COLUMNS; i++)
        if (entries_vary(run, n, i))
            printf("| `%s` ", options_key(i));
    printf("%s|", hash ? "| data " : "");
    return hash + (varying > SETTING_COLUMNS ? 1 : varying);
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

/* The data set by the first digits of its hashes. */
void table_print_settings(const struct entry *run, int n, const struct entry *row) {
    bool one = count_varying(run, n) > SETTING_COLUMNS;
    struct config defaults;
    char value[OPTION_PATH];
    model_defaults(row, &defaults);
    printf("|");
    for (int i = 0; i < options_count(); i++) {
        if (!entries_vary(run, n, i) || (one && !is_worth_saying(row, &defaults, i)))
            continue;
        options_value(&row->result.config, i, value, sizeof value);
        if (one)
            printf(" `%s=%s`", options_key(i), value);
        else
            printf(" %s |", value);
    }
    printf("%s", one ? " |" : "");
    if (entries_data_varies(run, n))
        printf(" %.6s/%.6s |", row->result.dataset_hash, row->result.items_hash);
}

void table_print_rule(int columns) {
    printf("\n|");
    while (columns-- > 0)
        printf("---|");
    putchar('\n');
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

static void print_spread(const struct spread *s, bool bold) {
    const char *mark = bold ? "**" : "";
    if (isnan(s->mean))
        printf(" - |");
    else if (isnan(s->deviation))
        printf(" %s%.2f%s |", mark, 100 * s->mean, mark);
    else
        printf(" %s%.2f ± %.2f%s |", mark, 100 * s->mean, 100 * s->deviation, mark);
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

void table_print_metric(const char *name, const struct numbers *cutoffs) {
    for (const char *c = name; *c; c++)
        putchar(toupper((unsigned char)*c));
    if (!strcmp(name, "ndcg"))
        printf("@%.0f", cutoffs->value[cutoffs->count - 1]);
}

void table_print_metrics(const struct run_result *first, const struct result_request *request) {
    static const char *const standard[RESULT_DOMAINS] = {"A", "B", "all"};
    for (int d = 0; d < RESULT_DOMAINS; d++)
        for (int k = 0; k < request->metrics; k++) {
            const char *label = first->label[d][0] ? first->label[d] : standard[d];
            printf(k == 0 ? " %s: " : " ", label);
            table_print_metric(request->metric[k], &first->config.eval.cutoffs);
            printf(" |");
        }
}

static void print_head(const struct entry *run, int n, const struct result_request *request) {
    int columns = table_print_settings_head(run, n) + 3 + RESULT_DOMAINS * request->metrics;
    printf(" runs | split | candidates |");
    table_print_metrics(table_first_figures(run, n), request);
    table_print_rule(columns);
}

bool table_is_per_domain(const struct entry *run, int n, int g) {
    for (int r = 0; r < n; r++)
        if (run[r].group == g && entry_counts(&run[r]) && run[r].result.per_domain)
            return true;
    return false;
}

/* Of the group and the protocol of the cell; nothing where no run has figures of them. */
static void print_row(const struct entry *run, int n, int groups, int g, struct cell cell,
                      int metrics) {
    int runs = count_runs(run, n, g, &cell);
    char name[PROTOCOL_CANDIDATES];
    if (runs == 0)
        return;
    table_print_settings(run, n, table_first_of(run, g));
    printf(
        " %d | %s | %s |", runs, result_split_names[cell.split],
        protocol_candidates((struct ranking_protocol){.sampled = cell.candidates == RESULT_SAMPLED,
                                                      .history_excluded = cell.excluded,
                                                      .per_domain = table_is_per_domain(run, n, g)},
                            name));
    for (cell.domain = 0; cell.domain < RESULT_DOMAINS; cell.domain++)
        for (cell.metric = 0; cell.metric < metrics; cell.metric++) {
            struct spread s = spread_of(run, n, g, &cell);
            print_spread(&s, is_best(run, n, groups, g, &cell));
        }
    putchar('\n');
}

static void print_faults(const struct entry *run, int n, int metrics) {
    for (int r = 0; r < n; r++) {
        if (!run[r].result.fault[0] || run[r].twice)
            continue;
        table_print_settings(run, n, &run[r]);
        printf(" 0 | %s: %s |", run[r].directory, run[r].result.fault);
        for (int i = 0; i <= RESULT_DOMAINS * metrics; i++)
            printf(" |");
        putchar('\n');
    }
}

void table_print_figures(const struct entry *run, int n, int groups,
                         const struct result_request *request, int split) {
    struct cell cell = {.domain = RESULT_DOMAINS - 1};
    print_head(run, n, request);
    for (cell.split = 0; cell.split < RESULT_SPLITS; cell.split++)
        for (cell.candidates = 0; cell.candidates < RESULT_CANDIDATES; cell.candidates++)
            for (cell.excluded = 0; cell.excluded < 2; cell.excluded++)
                for (int g = 0; g < groups && (split < 0 || split == cell.split); g++)
                    print_row(run, n, groups, g, cell, request->metrics);
    print_faults(run, n, request->metrics);
    printf(
        "\nPercent; mean ± standard deviation over runs that differ in the seed alone. The user's "
        "history is among the candidates unless it says 'history excluded'. Bold: the best on a "
        "data "
        "set, and what is below it by no more than the root of both variances.\n");
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

static void print_range(const int64_t range[2]) {
    if (range[0] == range[1])
        printf(" %lld", (long long)range[0]);
    else
        printf(" %lld to %lld", (long long)range[0], (long long)range[1]);
}

/* Of one epoch, or of each domain's. */
static void print_best(const struct costs *c, const struct run_result *labels, bool per_domain) {
    for (int d = 0; d < (per_domain ? 2 : 1); d++) {
        print_range(c->best[d]);
        if (per_domain)
            printf(" (%s)%s", labels->label[d], d ? "" : ",");
    }
    printf(" |");
}

void table_print_costs(const struct entry *run, int n, int groups) {
    int columns = table_print_settings_head(run, n) + 5;
    printf(" runs | best epoch | epochs | seconds per epoch | peak memory per rank, MB |");
    table_print_rule(columns);
    for (int g = 0; g < groups; g++) {
        struct costs c = {0};
        for (int r = 0; r < n; r++)
            if (run[r].group == g && entry_counts(&run[r]))
                add_costs(&c, &run[r].result);
        if (c.n == 0)
            continue;
        table_print_settings(run, n, table_first_of(run, g));
        printf(" %d |", c.n);
        print_best(&c, table_first_figures(run, n), table_is_per_domain(run, n, g));
        print_range(c.epochs);
        printf(" |");
        if (c.timed > 0)
            printf(" %.3g | %.0f |\n", c.seconds / c.timed, c.memory);
        else
            printf(" - | %.0f |\n", c.memory);
    }
}
