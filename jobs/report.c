/* cdsr report: runs side by side, as a Markdown table and as learning curves. Runs that differ in
 * nothing but the seed are one line: mean and standard deviation. A run without figures that count
 * is a line that says why. */
#include "core/log.h"
#include "core/mem.h"
#include "io/output.h"
#include "io/plot.h"
#include "io/protocol.h"
#include "io/run_result.h"
#include "jobs/job.h"
#include "jobs/launch/args.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct request {
    char **directories;
    int runs;
    char *plot; /* draw the learning curves into this file */
    bool overwrite;
};

enum { KEY_OVERWRITE = 0x100 };

static const struct argp_option options[] = {
    {"plot", 'p', "FILE", 0, "Draw the learning curves into FILE (" PLOT_ENDINGS ") by gnuplot", 0},
    {"overwrite", KEY_OVERWRITE, NULL, 0, "Replace an existing FILE", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *r = state->input;
    switch (key) {
    case 'p':
        r->plot = arg;
        if (plot_is_name(arg))
            return 0;
        argp_error(state, "--plot %s: the name must end with " PLOT_ENDINGS, arg);
        return EINVAL;
    case KEY_OVERWRITE:
        r->overwrite = true;
        return 0;
    case ARGP_KEY_ARG:
        r->directories[r->runs++] = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no run directory given");
        return EINVAL;
    }
    return ARGP_ERR_UNKNOWN;
}

/* ---- which runs belong together ---- */

/* Does option `i` tell settings apart? Not the seed; but the data set does. */
static bool is_setting(int i) {
    const char *key = options_key(i);
    return !strcmp(key, "data.path") || (options_decides_result(i) && strcmp(key, "run.seed") != 0);
}

/* A run that is in the report. */
struct entry {
    const char *directory;
    struct run_result result;
    int group;
    bool twice; /* it is one of those before it */
};

static bool counts(const struct entry *e) {
    return !e->twice && !e->result.fault[0];
}

static bool same_settings(const struct entry *a, const struct entry *b) {
    for (int i = 0; i < options_count(); i++)
        if (is_setting(i) && !options_equal(&a->result.config, &b->result.config, i))
            return false;
    return !memcmp(a->result.history_excluded, b->result.history_excluded,
                   sizeof a->result.history_excluded);
}

static bool differ(const char *a, const char *b) {
    return *a && *b && strcmp(a, b) != 0;
}

/* Under the same path stood another data set. */
static bool other_data(const struct entry *a, const struct entry *b) {
    return !strcmp(a->result.config.data.path, b->result.config.data.path) &&
           (differ(a->result.dataset_hash, b->result.dataset_hash) ||
            differ(a->result.items_hash, b->result.items_hash));
}

/* Group of each run, numbered in the order of their first runs. */
static int find_groups(struct entry *run, int n) {
    int groups = 0;
    for (int r = 0; r < n; r++) {
        int other = 0;
        while (other < r &&
               (!same_settings(&run[other], &run[r]) || other_data(&run[other], &run[r])))
            other++;
        run[r].group = other < r ? run[other].group : groups++;
    }
    return groups;
}

static bool same_directory(const struct entry *a, const struct entry *b) {
    struct stat x, y;
    return !stat(a->directory, &x) && !stat(b->directory, &y) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

/* Why run b is none besides a, whose settings, data and seed it has; NULL: it is one. */
static const char *find_double(const struct entry *a, const struct entry *b) {
    const char *start = a->result.started;
    if (same_directory(a, b))
        return "the same directory as";
    if (strcmp(a->result.fault, b->result.fault) != 0) /* one has come further */
        return NULL;
    if (*start && !strcmp(start, b->result.started))
        return "a copy of";
    return counts(b) ? "of the same seed as" : NULL;
}

/* A run does not count again: its figures are no further ones. */
static void drop_doubles(struct entry *run, int n) {
    for (int r = 0; r < n; r++)
        for (int q = 0; q < r && !run[r].twice; q++) {
            bool alike = run[q].group == run[r].group &&
                         run[q].result.config.run.seed == run[r].result.config.run.seed;
            const char *what = alike && !run[q].twice ? find_double(&run[q], &run[r]) : NULL;
            run[r].twice = what != NULL;
            if (what)
                log_warn("%s: is %s %s, and does not count again", run[r].directory, what,
                         run[q].directory);
        }
}

/* Once per group. */
static void tell_data(const struct entry *run, int n) {
    for (int r = 1; r < n; r++) {
        int q = 0;
        while (q < r && run[q].group != run[r].group && !other_data(&run[q], &run[r]))
            q++;
        if (q < r && run[q].group != run[r].group)
            log_warn("%s and %s: %s was another data set (column data): not to be compared",
                     run[q].directory, run[r].directory, run[r].result.config.data.path);
    }
}

static bool varies(const struct entry *run, int n, int i) {
    for (int r = 1; r < n && is_setting(i); r++)
        if (!options_equal(&run[0].result.config, &run[r].result.config, i))
            return true;
    return false;
}

static bool data_varies(const struct entry *run, int n) {
    for (int r = 1; r < n; r++)
        for (int q = 0; q < r; q++)
            if (other_data(&run[q], &run[r]))
                return true;
    return false;
}

/* ---- the table ---- */

/* Mean and standard deviation of a figure over the runs of a group; NaN if a run lacks it. */
struct spread {
    int n;
    double mean, deviation;
};

struct cell {
    int split, candidates, domain;
    bool ndcg;
};

static struct spread spread_of(const struct entry *run, int n, int g, const struct cell *cell) {
    double sum = 0, squares = 0;
    struct spread s = {.mean = NAN};
    for (int pass = 0; pass < 2; pass++)
        for (int r = 0; r < n; r++) {
            const struct result_figures *f =
                &run[r].result.figures[cell->split][cell->candidates][cell->domain];
            double x = !f->present ? NAN : cell->ndcg ? f->ndcg : f->mrr;
            if (run[r].group != g || !counts(&run[r]))
                continue;
            if (pass == 0)
                s.n++, sum += x;
            else
                squares += (x - s.mean) * (x - s.mean);
            s.mean = pass ? s.mean : sum / s.n;
        }
    s.deviation = s.n > 1 ? sqrt(squares / (s.n - 1)) : NAN;
    return s;
}

static void print_spread(const struct spread *s) {
    if (isnan(s->mean))
        printf(" - |");
    else if (isnan(s->deviation))
        printf(" %.2f |", 100 * s->mean);
    else
        printf(" %.2f ± %.2f |", 100 * s->mean, 100 * s->deviation);
}

/* Of the first run that has figures. */
static const struct run_result *first_figures(const struct entry *run, int n) {
    int r = 0;
    while (r < n - 1 && !counts(&run[r]))
        r++;
    return &run[r].result;
}

static void print_head(const struct entry *run, int n) {
    static const char *const standard[RESULT_DOMAINS] = {"A", "B", "all"};
    const struct run_result *first = first_figures(run, n);
    const struct numbers *cutoffs = &first->config.eval.cutoffs;
    int columns = 3 + 2 * RESULT_DOMAINS + data_varies(run, n);
    for (int i = 0; i < options_count(); i++)
        if (varies(run, n, i)) {
            printf("| `%s` ", options_key(i));
            columns++;
        }
    printf("%s| runs | split | candidates |", data_varies(run, n) ? "| data " : "");
    for (int d = 0; d < RESULT_DOMAINS; d++)
        printf(" %s: MRR | NDCG@%.0f |", first->label[d][0] ? first->label[d] : standard[d],
               cutoffs->value[cutoffs->count - 1]);
    printf("\n|");
    while (columns-- > 0)
        printf("---|");
    putchar('\n');
}

/* The columns left of the number of runs; the data set by the first digits of its hashes. */
static void print_settings(const struct entry *run, int n, const struct run_result *result) {
    char value[OPTION_PATH];
    for (int i = 0; i < options_count(); i++)
        if (varies(run, n, i)) {
            options_value(&result->config, i, value, sizeof value);
            printf("| %s ", value);
        }
    if (data_varies(run, n))
        printf("| %.6s/%.6s ", result->dataset_hash, result->items_hash);
}

static void print_row(const struct entry *run, int n, int first, int split, int candidates) {
    struct cell cell = {split, candidates, RESULT_DOMAINS - 1, false};
    struct spread s = spread_of(run, n, run[first].group, &cell);
    if (isnan(s.mean))
        return;
    print_settings(run, n, &run[first].result);
    printf("| %d | %s | %s |", s.n, result_split_names[split],
           protocol_candidates(candidates == RESULT_SAMPLED,
                               run[first].result.history_excluded[candidates]));
    for (cell.domain = 0; cell.domain < RESULT_DOMAINS; cell.domain++)
        for (int k = 0; k < 2; k++) {
            cell.ndcg = k;
            s = spread_of(run, n, run[first].group, &cell);
            print_spread(&s);
        }
    putchar('\n');
}

static void print_faults(const struct entry *run, int n) {
    for (int r = 0; r < n; r++) {
        if (!run[r].result.fault[0] || run[r].twice)
            continue;
        print_settings(run, n, &run[r].result);
        printf("| 0 | %s: %s |", run[r].directory, run[r].result.fault);
        for (int i = 0; i <= 2 * RESULT_DOMAINS; i++)
            printf(" |");
        putchar('\n');
    }
}

static void print_table(const struct entry *run, int n, int groups) {
    print_head(run, n);
    for (int split = 0; split < RESULT_SPLITS; split++)
        for (int c = 0; c < RESULT_CANDIDATES; c++)
            for (int g = 0; g < groups; g++) {
                int first = 0;
                while (run[first].group != g)
                    first++;
                print_row(run, n, first, split, c);
            }
    print_faults(run, n);
    printf(
        "\nPercent; mean ± standard deviation over runs that differ in the seed alone. The user's "
        "history is among the candidates unless it says 'history excluded'.\n");
}

/* ---- learning curves ---- */

static void send_curve(FILE *gnuplot, int r, const struct curve_point *point, int64_t count) {
    fprintf(gnuplot, "$run%d << END\n", r);
    for (int64_t i = 0; i < count; i++)
        fprintf(gnuplot, "%lld %.6f\n", (long long)point[i].epoch, 100 * point[i].mrr);
    fprintf(gnuplot, "END\n");
}

struct curves {
    const struct entry *run;
    int n;
};

static enum status send_curves(FILE *gnuplot, void *context) {
    const struct curves *c = context;
    const char *comma = "";
    for (int r = 0; r < c->n; r++) {
        struct curve_point *point;
        int64_t count;
        if (c->run[r].twice)
            continue;
        TRY(run_result_curve(c->run[r].directory, &point, &count));
        send_curve(gnuplot, r, point, count);
        mem_free(point);
    }
    fprintf(gnuplot, "set xlabel 'epoch'\nset ylabel 'validation MRR, %%'\nset key outside\nplot ");
    for (int r = 0; r < c->n; r++) {
        if (c->run[r].twice)
            continue;
        fprintf(gnuplot, "%s$run%d with linespoints title ", comma, r);
        plot_text(gnuplot, c->run[r].directory);
        comma = ", ";
    }
    fputc('\n', gnuplot);
    return STATUS_OK;
}

/* ---- the job ---- */

/* Those that are runs; the gravest status of the others. */
static enum status read_runs(const struct request *request, struct entry *run, int *n) {
    enum status worst = STATUS_OK;
    for (int r = 0; r < request->runs; r++) {
        run[*n].directory = request->directories[r];
        enum status status = run_result_read(run[*n].directory, &run[*n].result);
        *n += status == STATUS_OK;
        worst = status > worst ? status : worst;
    }
    return worst;
}

static int count_finished(const struct entry *run, int n) {
    int finished = 0;
    for (int r = 0; r < n; r++)
        finished += counts(&run[r]);
    return finished;
}

static enum status compare(const struct request *request, struct entry *run, int n) {
    int groups = find_groups(run, n);
    drop_doubles(run, n);
    tell_data(run, n);
    print_table(run, n, groups);
    if (request->plot)
        TRY(plot_draw(request->plot, send_curves, &(struct curves){run, n}));
    return count_finished(run, n) > 0
               ? STATUS_OK
               : log_error(STATUS_INPUT, "none of the %d runs has finished with a valid result", n);
}

static enum status report(const struct request *request) {
    struct entry *run = mem_zero(request->runs, sizeof *run);
    int n = 0;
    enum status worst = read_runs(request, run, &n);
    enum status status = n > 0 ? compare(request, run, n) : STATUS_OK;
    mem_free(run);
    return status > worst ? status : worst;
}

enum status job_report(struct comm *comm, int argc, char **argv) {
    static const struct argp argp = {
        options, parse, "RUN_DIR...", "Compare runs: a Markdown table of their figures.",
        NULL,    NULL,  NULL};
    struct request request = {0};
    bool done;
    request.directories = mem_alloc(argc, sizeof *request.directories);
    enum status status = args_parse(comm, &argp, argc, argv, &request, &done);
    if (status == STATUS_OK && !done && request.plot)
        status = output_check(comm, request.plot, OUTPUT_TEXT, request.overwrite);
    if (status == STATUS_OK && !done)
        status = COMM_ON_ROOT(comm, report(&request));
    mem_free(request.directories);
    return status;
}
