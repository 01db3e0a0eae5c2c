/* Groups are compared under one protocol after another: the mean figures of every target are read,
 * the differences of a user's targets added up, and the users drawn again and again. */
#include "jobs/report/compare.h"
#include "core/figure.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/file.h"
#include "io/protocol.h"
#include "io/ranks.h"
#include "jobs/report/bootstrap.h"
#include "jobs/report/table.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = OPTION_PATH + 256, COLUMNS = RESULT_DOMAINS * RESULT_METRICS, ALL = 2 };

/* ---- the figures of a group ---- */

struct protocol {
    int split, candidates, excluded;
};

/* Of each target the mean over the group's runs. */
struct figures {
    struct ranks targets; /* of the first run: who and what they are */
    int metrics, runs;
    double *value; /* [targets, metrics]; NaN: it has no rank */
};

static void figures_free(struct figures *f) {
    ranks_free(&f->targets);
    mem_free(f->value);
    *f = (struct figures){0};
}

/* The figure `name` of a target of that rank. */
static double figure(const char *name, double last_cutoff, double rank) {
    struct figure figure;
    return figure_read(name, last_cutoff, &figure) ? figure_of_rank(&figure, rank) : NAN;
}

/* The file of ranks that belongs to one of the run's files of figures: 0 is metrics.json. */
static void set_path(char path[PATH], const char *directory, const struct result_request *request,
                     int file) {
    const char *name = file == 0 ? "ranks.json" : request->evaluation[file - 1];
    const char *end = strrchr(name, '.');
    int stem = end ? (int)(end - name) : (int)strlen(name);
    snprintf(path, PATH, "%s/%.*s.h5", directory, stem, name);
}

static bool same_targets(const struct ranks *a, const struct ranks *b) {
    return a->count == b->count &&
           !memcmp(a->target, b->target, (size_t)a->count * sizeof *a->target);
}

/* Adds a run's ranks under the protocol. */
static enum status add_ranks(struct figures *f, const struct entry *run, const char *path,
                             const struct protocol *p, const struct result_request *request,
                             struct ranks *ranks) {
    const struct numbers *cutoffs = &run->result.config.eval.cutoffs;
    bool first = f->runs == 0;
    if (first)
        f->value = mem_zero(ranks->count * request->metrics, sizeof *f->value);
    else if (!same_targets(&f->targets, ranks))
        return log_error(STATUS_INPUT, "%s: has other targets than the runs before it", path);
    f->metrics = request->metrics;
    f->runs++;
    for (int64_t i = 0; i < ranks->count; i++)
        for (int k = 0; k < request->metrics; k++)
            f->value[i * request->metrics + k] +=
                figure(request->metric[k], cutoffs->value[cutoffs->count - 1],
                       ranks->rank[p->candidates][i]);
    if (first) {
        f->targets = *ranks;
        *ranks = (struct ranks){0};
    }
    return STATUS_OK;
}

static const enum split splits[RESULT_SPLITS] = {SPLIT_VALID, SPLIT_TEST};

/* From the first of the run's files that has ranks under the protocol. */
static enum status add_run(struct figures *f, const struct entry *run, const struct protocol *p,
                           const struct result_request *request) {
    bool found = false;
    for (int file = 0; file <= request->evaluations && !found; file++) {
        char path[PATH];
        struct ranks ranks;
        set_path(path, run->directory, request, file);
        if (!file_exists(path))
            continue;
        TRY(ranks_read(path, run->result.dataset_hash, splits[p->split], false, &ranks));
        found = ranks.rank[p->candidates] && ranks.excluded == p->excluded &&
                ranks.per_domain == run->result.per_domain;
        enum status status = found ? add_ranks(f, run, path, p, request, &ranks) : STATUS_OK;
        ranks_free(&ranks);
        TRY(status);
    }
    return STATUS_OK;
}

static enum status read_group(const struct entry *run, int n, int g, const struct protocol *p,
                              const struct result_request *request, struct figures *f) {
    enum status status = STATUS_OK;
    *f = (struct figures){0};
    for (int r = 0; r < n && status == STATUS_OK; r++)
        if (run[r].group == g && entry_counts(&run[r]))
            status = add_run(f, &run[r], p, request);
    for (int64_t i = 0; i < f->targets.count * f->metrics; i++)
        f->value[i] /= f->runs;
    if (status != STATUS_OK)
        figures_free(f);
    return status;
}

/* ---- a pair of groups ---- */

/* What each user's targets in domain A, in B and in all of them add up to. */
struct differences {
    int64_t users, with_targets;
    double *weight; /* [users, RESULT_DOMAINS]: targets that both groups have ranked */
    double *sum;    /* [users, RESULT_DOMAINS, metrics] */
};

static void add_target(struct differences *d, int64_t user, int domain, const double *a,
                       const double *b, int metrics) {
    int places[2] = {domain, ALL};
    d->with_targets += d->weight[user * RESULT_DOMAINS + ALL] == 0;
    for (int k = 0; k < 2; k++) {
        int64_t at = user * RESULT_DOMAINS + places[k];
        d->weight[at]++;
        for (int m = 0; m < metrics; m++)
            d->sum[at * metrics + m] += b[m] - a[m];
    }
}

/* Of b's figures from a's; without an a, b's figures themselves. */
static struct differences differences_of(const struct figures *a, const struct figures *b) {
    static const double nothing[RESULT_METRICS];
    int64_t rows = b->targets.users * RESULT_DOMAINS;
    struct differences d = {.users = b->targets.users,
                            .weight = mem_zero(rows, sizeof *d.weight),
                            .sum = mem_zero(rows * b->metrics, sizeof *d.sum)};
    for (int64_t i = 0; i < b->targets.count; i++) {
        const double *x = a ? a->value + i * a->metrics : nothing, *y = b->value + i * b->metrics;
        if (!isnan(x[0]) && !isnan(y[0]))
            add_target(&d, b->targets.user[i], b->targets.domain[i], x, y, b->metrics);
    }
    return d;
}

static void differences_free(struct differences *d) {
    mem_free(d->weight);
    mem_free(d->sum);
}

/* ---- the table ---- */

static void add_interval(struct grid *grid, const struct interval *i, bool difference) {
    if (isnan(i->mean))
        grid_cell(grid, "-");
    else if (!difference)
        grid_cell(grid, "%.2f [%.2f, %.2f]", 100 * i->mean, 100 * i->low, 100 * i->high);
    else
        grid_cell(grid, "%+.2f [%+.2f, %+.2f]%s", 100 * i->mean, 100 * i->low, 100 * i->high,
                  i->low > 0 || i->high < 0 ? " *" : "");
}

struct comparison {
    struct grid *grid;
    const struct entry *run;
    int n, groups;
    const struct result_request *request;
    bool own; /* a row for what the others are compared with */
};

/* The group that group g is compared with. */
static int reference_of(const struct comparison *c, int g) {
    int first = 0;
    while (!entries_on_same_data(table_first_of(c->run, first), table_first_of(c->run, g)))
        first++;
    return first;
}

/* Of a pair of groups, in one of which each domain may have its own best epoch. */
static const char *name_protocol(const struct comparison *c, int g, const struct protocol *p,
                                 char name[PROTOCOL_CANDIDATES]) {
    bool per_domain = table_is_per_domain(c->run, c->n, g) ||
                      table_is_per_domain(c->run, c->n, reference_of(c, g));
    return protocol_candidates((struct ranking_protocol){.sampled = p->candidates == RESULT_SAMPLED,
                                                         .history_excluded = p->excluded,
                                                         .per_domain = per_domain},
                               name);
}

/* What stands in a row behind its settings, as differences_of has it. */
static void add_differences(const struct comparison *c, const struct protocol *p, const char *name,
                            const struct figures *a, const struct figures *b) {
    struct interval interval[COLUMNS];
    struct differences d = differences_of(a, b);
    bootstrap_means(d.weight, d.sum, d.users, RESULT_DOMAINS, b->metrics, interval);
    grid_cell(c->grid, "%s", result_split_names[p->split]);
    grid_cell(c->grid, "%s", name);
    grid_cell(c->grid, "%lld", (long long)d.with_targets);
    for (int k = 0; k < RESULT_DOMAINS * b->metrics; k++)
        add_interval(c->grid, &interval[k], a != NULL);
    differences_free(&d);
}

static void add_row(const struct comparison *c, int g, const struct protocol *p,
                    const struct figures *a, const struct figures *b) {
    char name[PROTOCOL_CANDIDATES];
    table_settings(c->grid, c->run, c->n, table_first_of(c->run, g));
    add_differences(c, p, name_protocol(c, g, p, name), a, b);
}

/* Of the ranks of a file by several runs together, if they are under the protocol. */
static enum status add_together(const struct comparison *c, const char *path,
                                const struct protocol *p, const struct figures *a) {
    const struct entry *first = table_first_of(c->run, 0);
    struct ranking_protocol protocol = {.sampled = p->candidates == RESULT_SAMPLED,
                                        .history_excluded = p->excluded};
    char name[PROTOCOL_CANDIDATES];
    struct figures b = {0};
    struct ranks ranks;
    TRY(ranks_read(path, first->result.dataset_hash, splits[p->split], true, &ranks));
    bool found = ranks.rank[p->candidates] && ranks.excluded == p->excluded;
    protocol.per_domain = ranks.per_domain;
    protocol.runs = (int)ranks.runs;
    enum status status = STATUS_OK;
    if (found && !same_targets(&a->targets, &ranks))
        status = log_error(STATUS_INPUT, "%s: has other targets than %s", path, first->directory);
    else if (found)
        status = add_ranks(&b, first, path, p, c->request, &ranks);
    if (found && status == STATUS_OK) {
        if (c->grid->heads > 0)
            grid_wide(c->grid, c->grid->heads, "%s", path);
        add_differences(c, p, protocol_candidates(protocol, name), a, &b);
    }
    ranks_free(&ranks);
    figures_free(&b);
    return status;
}

/* The groups whose reference is group `first`. */
static enum status compare_with(const struct comparison *c, int first, const struct protocol *p) {
    struct figures a;
    enum status status = read_group(c->run, c->n, first, p, c->request, &a);
    if (status == STATUS_OK && c->own && a.runs > 0)
        add_row(c, first, p, NULL, &a);
    for (int g = first + 1; g < c->groups && status == STATUS_OK && a.runs > 0; g++) {
        struct figures b;
        if (reference_of(c, g) != first)
            continue;
        status = read_group(c->run, c->n, g, p, c->request, &b);
        if (status == STATUS_OK && b.runs > 0 && !same_targets(&a.targets, &b.targets))
            status = log_error(STATUS_INPUT, "%s: has other targets than %s",
                               table_first_of(c->run, g)->directory,
                               table_first_of(c->run, first)->directory);
        else if (status == STATUS_OK && b.runs > 0)
            add_row(c, g, p, &a, &b);
        figures_free(&b);
    }
    for (int k = 0; k < c->request->togethers && status == STATUS_OK && first == 0 && a.runs > 0;
         k++)
        status = add_together(c, c->request->together[k], p, &a);
    figures_free(&a);
    return status;
}

static void add_head(const struct comparison *c) {
    table_settings_head(c->grid, c->run, c->n);
    grid_band(c->grid, "split");
    grid_band(c->grid, "candidates");
    grid_column(c->grid, "", "users");
    table_metrics(c->grid, table_first_figures(c->run, c->n), c->request);
}

enum status compare_groups(struct grid *grid, const struct entry *run, int n, int groups,
                           const struct result_request *request, int split, bool own) {
    struct comparison c = {grid, run, n, groups, request, own};
    struct protocol p;
    add_head(&c);
    for (p.split = 0; p.split < RESULT_SPLITS; p.split++)
        for (p.candidates = 0; p.candidates < RESULT_CANDIDATES; p.candidates++)
            for (p.excluded = 0; p.excluded < 2; p.excluded++)
                for (int g = 0; g < groups; g++)
                    if ((split < 0 || split == p.split) && reference_of(&c, g) == g)
                        TRY(compare_with(&c, g, &p));
    return STATUS_OK;
}
