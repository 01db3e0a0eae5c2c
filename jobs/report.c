/* cdsr report: finished runs side by side, as a Markdown table and as learning curves. Runs that
 * differ in nothing but the seed are one line: mean and standard deviation. */
#include "core/log.h"
#include "core/mem.h"
#include "io/output.h"
#include "io/protocol.h"
#include "io/run_result.h"
#include "jobs/args.h"
#include "jobs/job.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct request {
    char **directories;
    int runs;
    char *plot; /* draw the learning curves into this file */
    bool overwrite;
};

enum { KEY_OVERWRITE = 0x100 };

static const struct argp_option options[] = {
    {"plot", 'p', "FILE", 0, "Draw the learning curves into FILE (.svg, .png or .pdf) by gnuplot",
     0},
    {"overwrite", KEY_OVERWRITE, NULL, 0, "Replace an existing FILE", 0},
    {0}};

static const struct {
    const char *ending, *terminal;
} plot_types[] = {
    {".svg", "svg size 900,600"}, {".png", "pngcairo size 900,600"}, {".pdf", "pdfcairo"}};

enum { PLOT_TYPES = sizeof plot_types / sizeof *plot_types };

static int plot_type(const char *path) {
    const char *dot = strrchr(path, '.');
    int i = 0;
    while (i < PLOT_TYPES && (!dot || strcmp(dot, plot_types[i].ending) != 0))
        i++;
    return i;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *r = state->input;
    switch (key) {
    case 'p':
        r->plot = arg;
        if (plot_type(arg) < PLOT_TYPES)
            return 0;
        argp_error(state, "--plot %s: the name must end with .svg, .png or .pdf", arg);
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

static bool same_value(const struct config *a, const struct config *b, int i) {
    char x[OPTION_PATH], y[OPTION_PATH];
    options_value(a, i, x, sizeof x);
    options_value(b, i, y, sizeof y);
    return !strcmp(x, y);
}

static bool same_settings(const struct run_result *a, const struct run_result *b) {
    for (int i = 0; i < options_count(); i++)
        if (is_setting(i) && !same_value(&a->config, &b->config, i))
            return false;
    return !memcmp(a->history_excluded, b->history_excluded, sizeof a->history_excluded);
}

/* Group of each run, numbered in the order of their first runs. */
static int find_groups(const struct run_result *run, int n, int *group) {
    int groups = 0;
    for (int r = 0; r < n; r++) {
        int other = 0;
        while (other < r && !same_settings(&run[other], &run[r]))
            other++;
        group[r] = other < r ? group[other] : groups++;
    }
    return groups;
}

static bool varies(const struct run_result *run, int n, int i) {
    for (int r = 1; r < n && is_setting(i); r++)
        if (!same_value(&run[0].config, &run[r].config, i))
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

static struct spread spread_of(const struct run_result *run, int n, const int *group, int g,
                               const struct cell *cell) {
    double sum = 0, squares = 0;
    struct spread s = {0};
    for (int pass = 0; pass < 2; pass++)
        for (int r = 0; r < n; r++) {
            const struct result_figures *f =
                &run[r].figures[cell->split][cell->candidates][cell->domain];
            double x = !f->present ? NAN : cell->ndcg ? f->ndcg : f->mrr;
            if (group[r] != g)
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

static void print_head(const struct run_result *run, int n) {
    const struct numbers *cutoffs = &run[0].config.eval.cutoffs;
    int columns = 3 + 2 * RESULT_DOMAINS;
    for (int i = 0; i < options_count(); i++)
        if (varies(run, n, i)) {
            printf("| `%s` ", options_key(i));
            columns++;
        }
    printf("| runs | split | candidates |");
    for (int d = 0; d < RESULT_DOMAINS; d++)
        printf(" %s: MRR | NDCG@%.0f |", run[0].label[d], cutoffs->value[cutoffs->count - 1]);
    printf("\n|");
    while (columns-- > 0)
        printf("---|");
    putchar('\n');
}

static void print_settings(const struct run_result *run, int n, const struct config *config) {
    char value[OPTION_PATH];
    for (int i = 0; i < options_count(); i++)
        if (varies(run, n, i)) {
            options_value(config, i, value, sizeof value);
            printf("| %s ", value);
        }
}

static void print_row(const struct run_result *run, int n, const int *group, int first, int split,
                      int candidates) {
    int g = group[first];
    struct cell cell = {split, candidates, RESULT_DOMAINS - 1, false};
    struct spread s = spread_of(run, n, group, g, &cell);
    if (isnan(s.mean))
        return;
    print_settings(run, n, &run[first].config);
    printf(
        "| %d | %s | %s |", s.n, result_split_names[split],
        protocol_candidates(candidates == RESULT_SAMPLED, run[first].history_excluded[candidates]));
    for (cell.domain = 0; cell.domain < RESULT_DOMAINS; cell.domain++)
        for (int k = 0; k < 2; k++) {
            cell.ndcg = k;
            s = spread_of(run, n, group, g, &cell);
            print_spread(&s);
        }
    putchar('\n');
}

static void print_table(const struct run_result *run, int n) {
    int *group = mem_alloc(n, sizeof *group), groups = find_groups(run, n, group);
    print_head(run, n);
    for (int split = 0; split < RESULT_SPLITS; split++)
        for (int c = 0; c < RESULT_CANDIDATES; c++)
            for (int g = 0; g < groups; g++) {
                int first = 0;
                while (group[first] != g)
                    first++;
                print_row(run, n, group, first, split, c);
            }
    printf(
        "\nPercent; mean ± standard deviation over runs that differ in the seed alone. The user's "
        "history is among the candidates unless it says 'history excluded'.\n");
    mem_free(group);
}

/* ---- learning curves ---- */

static void send_curve(FILE *gnuplot, int r, const struct curve_point *point, int64_t count) {
    fprintf(gnuplot, "$run%d << END\n", r);
    for (int64_t i = 0; i < count; i++)
        fprintf(gnuplot, "%lld %.6f\n", (long long)point[i].epoch, 100 * point[i].mrr);
    fprintf(gnuplot, "END\n");
}

/* Single quotes are doubled, as gnuplot wants them inside single quotes. */
static void send_text(FILE *gnuplot, const char *text) {
    fputc('\'', gnuplot);
    for (; *text; text++)
        fprintf(gnuplot, *text == '\'' ? "''" : "%c", *text);
    fputc('\'', gnuplot);
}

static enum status send_curves(FILE *gnuplot, const struct request *request, const char *file) {
    for (int r = 0; r < request->runs; r++) {
        struct curve_point *point;
        int64_t count;
        TRY(run_result_curve(request->directories[r], &point, &count));
        send_curve(gnuplot, r, point, count);
        mem_free(point);
    }
    fprintf(gnuplot, "set terminal %s noenhanced\nset output ",
            plot_types[plot_type(request->plot)].terminal);
    send_text(gnuplot, file);
    fprintf(gnuplot,
            "\nset xlabel 'epoch'\nset ylabel 'validation MRR, %%'\nset key outside\nplot ");
    for (int r = 0; r < request->runs; r++) {
        fprintf(gnuplot, "%s$run%d with linespoints title ", r ? ", " : "", r);
        send_text(gnuplot, request->directories[r]);
    }
    fputc('\n', gnuplot);
    return STATUS_OK;
}

static enum status draw_file(const struct request *request, const char *file) {
    FILE *gnuplot = popen("gnuplot", "w");
    enum status status =
        gnuplot ? send_curves(gnuplot, request, file)
                : log_error(STATUS_FAIL, "gnuplot does not start: %s", strerror(errno));
    if (gnuplot && pclose(gnuplot) != 0 && status == STATUS_OK)
        status = log_error(STATUS_FAIL, "%s: gnuplot did not draw it; is gnuplot installed?",
                           request->plot);
    return status;
}

static enum status draw(const struct request *request) {
    struct output output;
    TRY(output_begin(&output, request->plot, OUTPUT_TEXT));
    return output_end(&output, draw_file(request, output.file));
}

static enum status report(const struct request *request) {
    struct run_result *run = mem_alloc(request->runs, sizeof *run);
    enum status status = STATUS_OK;
    for (int r = 0; r < request->runs && status == STATUS_OK; r++) {
        status = run_result_read(request->directories[r], &run[r]);
        if (status == STATUS_OK && !run[r].valid)
            log_warn("%s: its result is not VALID", request->directories[r]);
    }
    if (status == STATUS_OK)
        print_table(run, request->runs);
    if (status == STATUS_OK && request->plot)
        status = draw(request);
    mem_free(run);
    return status;
}

enum status job_report(struct comm *comm, int argc, char **argv) {
    static const struct argp argp = {
        options, parse, "RUN_DIR...", "Compare finished runs: a Markdown table of their figures.",
        NULL,    NULL,  NULL};
    struct request request = {0};
    bool done;
    request.directories = mem_alloc(argc, sizeof *request.directories);
    enum status status = args_parse(comm, &argp, argc, argv, &request, &done);
    if (status == STATUS_OK && !done && request.plot)
        status = output_check(comm, request.plot, OUTPUT_TEXT, request.overwrite);
    if (status == STATUS_OK && !done)
        status = comm_agree(comm, comm->rank == 0 ? report(&request) : STATUS_OK);
    mem_free(request.directories);
    return status;
}
