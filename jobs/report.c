/* cdsr report: runs side by side, as Markdown tables, as learning curves and as a page of HTML.
 * Runs that differ in nothing but the seed are one line: mean and standard deviation. A run without
 * figures that count is a line that says why. */
#include "core/figure.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/output.h"
#include "io/plot.h"
#include "jobs/job.h"
#include "jobs/launch/args.h"
#include "jobs/report/compare.h"
#include "jobs/report/page.h"
#include "jobs/report/provenance.h"
#include "jobs/report/table.h"
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct request {
    char **directories;
    int runs;
    struct result_request result;
    int split;           /* -1: both */
    bool costs, compare; /* further tables */
    bool provenance;     /* in place of tables */
    char *plot;          /* draw the learning curves into this file */
    char *html;          /* write all of it as a page into this file */
    char *bench[PAGE_BENCHES];
    int benches;
    bool overwrite;
};

enum {
    KEY_OVERWRITE = 0x100,
    KEY_METRICS,
    KEY_EVALUATION,
    KEY_SPLIT,
    KEY_COSTS,
    KEY_COMPARE,
    KEY_PROVENANCE,
    KEY_TOGETHER,
    KEY_HTML,
    KEY_BENCH
};

static const struct argp_option options[] = {
    {"metrics", KEY_METRICS, "NAME,...", 0,
     "Figures for each domain: mrr, ndcg@K, hr@K with a cut-off K of the runs (mrr and ndcg at the "
     "last one)",
     0},
    {"evaluation", KEY_EVALUATION, "FILE", 0,
     "Also the figures of RUN_DIR/FILE of each run, which evaluate -o wrote; may be repeated", 0},
    {"split", KEY_SPLIT, "valid|test", 0, "Figures of one split only", 0},
    {"compare", KEY_COMPARE, NULL, 0,
     "Also how much each differs from the first, with intervals by bootstrap over users", 0},
    {"together", KEY_TOGETHER, "FILE.h5", 0,
     "Compare also several runs together, with the ranks that evaluate RUN RUN --ranks FILE.h5 "
     "wrote; may be repeated",
     0},
    {"costs", KEY_COSTS, NULL, 0, "Also epochs, seconds per epoch and memory", 0},
    {"provenance", KEY_PROVENANCE, NULL, 0,
     "Instead of tables, what the figures of each run were made of: data set, tables, texts, "
     "prompts",
     0},
    {"plot", 'p', "FILE", 0, "Draw the learning curves into FILE (" PLOT_ENDINGS ") by gnuplot", 0},
    {"html", KEY_HTML, "FILE", 0,
     "Also write one page of HTML with curves, tables, settings and provenance; -: in place of the "
     "table",
     0},
    {"bench", KEY_BENCH, "FILE", 0,
     "On the page also what bench or slurm/scaling.sh measured (bench.json, scaling.json); may be "
     "repeated",
     0},
    {"overwrite", KEY_OVERWRITE, NULL, 0, "Replace an existing FILE", 0},
    {0}};

static error_t refuse(struct argp_state *state, const char *option, const char *what) {
    argp_error(state, "%s: %s", option, what);
    return EINVAL;
}

/* Cuts the text into its names. */
static error_t parse_metrics(char *text, struct result_request *request, struct argp_state *state) {
    char *rest, *name = strtok_r(text, ",", &rest);
    for (request->metrics = 0; name; name = strtok_r(NULL, ",", &rest)) {
        struct figure figure;
        if (!figure_read(name, 0, &figure) || (figure.kind != FIGURE_MRR && figure.cutoff == 0) ||
            request->metrics == RESULT_METRICS)
            return refuse(state, "--metrics",
                          "takes up to 8 of mrr, ndcg@K, hr@K, parted by commas");
        request->metric[request->metrics++] = name;
    }
    return request->metrics > 0 ? 0 : refuse(state, "--metrics", "names no figure");
}

static error_t parse_evaluation(char *name, struct result_request *r, struct argp_state *state) {
    if (r->evaluations == RESULT_EVALUATIONS || strlen(name) > NAME_MAX)
        return refuse(state, "--evaluation", "takes up to 8 names of files");
    r->evaluation[r->evaluations++] = name;
    return 0;
}

static error_t parse_split(const char *text, struct request *r, struct argp_state *state) {
    for (r->split = 0; r->split < RESULT_SPLITS; r->split++)
        if (!strcmp(text, result_split_names[r->split]))
            return 0;
    return refuse(state, "--split", "is valid or test");
}

static error_t parse_together(char *name, struct result_request *r, struct argp_state *state) {
    if (r->togethers == RESULT_EVALUATIONS)
        return refuse(state, "--together", "takes up to 8 files");
    r->together[r->togethers++] = name;
    return 0;
}

static error_t parse_bench(char *name, struct request *r, struct argp_state *state) {
    if (r->benches == PAGE_BENCHES)
        return refuse(state, "--bench", "takes up to 32 files");
    r->bench[r->benches++] = name;
    return 0;
}

/* Options that do not go together. */
static error_t check(const struct request *r, struct argp_state *state) {
    if (r->provenance && (r->costs || r->compare || r->plot || r->html))
        return refuse(state, "--provenance",
                      "is text; leave --costs, --compare, --plot and --html out");
    if (r->result.togethers > 0 && !r->compare && !r->html)
        return refuse(state, "--together", "is for --compare and --html");
    return r->benches > 0 && !r->html ? refuse(state, "--bench", "is for the page of --html") : 0;
}

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
    case KEY_METRICS:
        return parse_metrics(arg, &r->result, state);
    case KEY_EVALUATION:
        return parse_evaluation(arg, &r->result, state);
    case KEY_SPLIT:
        return parse_split(arg, r, state);
    case KEY_COMPARE:
        r->compare = true;
        return 0;
    case KEY_PROVENANCE:
        r->provenance = true;
        return 0;
    case KEY_HTML:
        r->html = arg;
        return 0;
    case KEY_TOGETHER:
        return parse_together(arg, &r->result, state);
    case KEY_BENCH:
        return parse_bench(arg, r, state);
    case KEY_COSTS:
        r->costs = true;
        return 0;
    case ARGP_KEY_ARG:
        r->directories[r->runs++] = arg;
        return 0;
    case ARGP_KEY_END:
        return check(r, state);
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no run directory given");
        return EINVAL;
    }
    return ARGP_ERR_UNKNOWN;
}

/* ---- learning curves ---- */

enum { ALL = RESULT_DOMAINS - 1 };

static void send_curve(FILE *gnuplot, int r, const struct curve_point *point, int64_t count) {
    fprintf(gnuplot, "$run%d << END\n", r);
    for (int64_t i = 0; i < count; i++)
        if (!isnan(point[i].value[ALL]))
            fprintf(gnuplot, "%lld %.6f\n", (long long)point[i].epoch, 100 * point[i].value[ALL]);
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
        TRY(run_result_curve(c->run[r].directory, "mrr", &c->run[r].result.config.eval.cutoffs,
                             &point, &count));
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
        enum status status = run_result_read(run[*n].directory, &request->result, &run[*n].result);
        *n += status == STATUS_OK;
        worst = status > worst ? status : worst;
    }
    return worst;
}

static int count_finished(const struct entry *run, int n) {
    int finished = 0;
    for (int r = 0; r < n; r++)
        finished += entry_counts(&run[r]);
    return finished;
}

static void print_figures(const struct request *request, const struct entry *run, int n,
                          int groups) {
    struct grid grid = {0};
    table_figures(&grid, run, n, groups, &request->result, request->split);
    grid_print_markdown(&grid, stdout);
    printf("\n%s\n", TABLE_NOTE);
    grid_free(&grid);
}

static void print_costs(const struct entry *run, int n, int groups) {
    struct grid grid = {0};
    table_costs(&grid, run, n, groups);
    putchar('\n');
    grid_print_markdown(&grid, stdout);
    grid_free(&grid);
}

static enum status print_comparison(const struct request *request, const struct entry *run, int n,
                                    int groups) {
    struct grid grid = {0};
    enum status status =
        compare_groups(&grid, run, n, groups, &request->result, request->split, false);
    if (status == STATUS_OK && grid.cells == 0)
        status = log_error(STATUS_INPUT, "no two settings have ranks of the same targets to "
                                         "compare: train with log.ranks=true, or evaluate "
                                         "with --ranks");
    if (status == STATUS_OK) {
        putchar('\n');
        grid_print_markdown(&grid, stdout);
        printf("\n%s\n", COMPARE_NOTE);
    }
    grid_free(&grid);
    return status;
}

/* The tables that were asked for. */
static enum status print_tables(const struct request *request, const struct entry *run, int n,
                                int groups) {
    print_figures(request, run, n, groups);
    if (request->costs)
        print_costs(run, n, groups);
    return request->compare ? print_comparison(request, run, n, groups) : STATUS_OK;
}

static enum status write_page(const struct request *request, const struct entry *run, int n,
                              int groups) {
    struct page page = {
        run, n, groups, &request->result, request->split, request->bench, request->benches};
    return page_write(request->html, &page);
}

static enum status print_report(const struct request *request, struct entry *run, int n) {
    if (request->provenance)
        return provenance_print(stdout, run, n, &request->result, request->split);
    int groups = entries_group(run, n);
    entries_drop_doubles(run, n);
    entries_tell_data(run, n);
    if (!request->html || !output_is_stdout(request->html))
        TRY(print_tables(request, run, n, groups));
    if (request->plot)
        TRY(plot_draw(request->plot, send_curves, &(struct curves){run, n}));
    if (request->html)
        TRY(write_page(request, run, n, groups));
    return count_finished(run, n) > 0
               ? STATUS_OK
               : log_error(STATUS_INPUT, "none of the %d runs has finished with a valid result", n);
}

static enum status report(const struct request *request) {
    struct entry *run = mem_zero(request->runs, sizeof *run);
    int n = 0;
    enum status worst = read_runs(request, run, &n);
    enum status status = n > 0 ? print_report(request, run, n) : STATUS_OK;
    mem_free(run);
    return status > worst ? status : worst;
}

enum status job_report(struct comm *comm, int argc, char **argv) {
    static const struct argp argp = {
        options, parse, "RUN_DIR...", "Compare runs: a Markdown table of their figures, or a page.",
        NULL,    NULL,  NULL};
    static char mrr[] = "mrr", ndcg[] = "ndcg";
    struct request request = {.result = {{mrr, ndcg}, 2}, .split = -1};
    bool done;
    request.directories = mem_alloc(argc, sizeof *request.directories);
    enum status status = args_parse(comm, &argp, argc, argv, &request, &done);
    if (status == STATUS_OK && !done && request.plot)
        status = output_check(comm, request.plot, OUTPUT_TEXT, request.overwrite);
    if (status == STATUS_OK && !done && request.html)
        status = output_check(comm, request.html, OUTPUT_TEXT, request.overwrite);
    if (status == STATUS_OK && !done)
        status = COMM_ON_ROOT(comm, report(&request));
    mem_free(request.directories);
    return status;
}
