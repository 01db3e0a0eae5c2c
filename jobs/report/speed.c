#include "jobs/report/speed.h"
#include "core/log.h"
#include "core/mem.h"
#include "jobs/report/chart.h"
#include "jobs/report/grid.h"
#include <jansson.h>
#include <math.h>
#include <string.h>

/* NaN: there is none. */
static double number_of(const json_t *object, const char *key) {
    const json_t *x = json_object_get(object, key);
    return json_is_number(x) ? json_number_value(x) : NAN;
}

static void add_number(struct grid *grid, const char *format, double x) {
    char text[64];
    snprintf(text, sizeof text, format, x); /* NOLINT: formats of this file */
    grid_cell(grid, "%s", isfinite(x) ? text : "-");
}

/* ---- bench.json: stages of a step ---- */

static void add_stage(struct grid *grid, const char *name, const json_t *rate, double step) {
    double seconds = number_of(rate, "seconds");
    grid_cell(grid, "%s", name);
    add_number(grid, "%.4g", 1e3 * seconds);
    add_number(grid, "%.1f", 100 * seconds / step);
    add_number(grid, "%.1f", number_of(rate, "gflops"));
    add_number(grid, "%.2f", number_of(rate, "gbs"));
    add_number(grid, "%.1f", 100 * number_of(rate, "fraction"));
}

/* The row of the step as a whole; its members have other names. */
static void add_step(struct grid *grid, const json_t *step) {
    grid_cell(grid, "step");
    add_number(grid, "%.4g", 1e3 * number_of(step, "seconds"));
    grid_cell(grid, "100.0");
    add_number(grid, "%.1f", number_of(step, "useful_gflops"));
    grid_cell(grid, "-");
    add_number(grid, "%.1f", 100 * number_of(step, "fraction_of_peak"));
}

static void fill_stages(struct grid *grid, const json_t *root) {
    static const char *const names[] = {"stage",   "ms",   "% of the step",
                                        "GFLOP/s", "GB/s", "% of peak"};
    json_t *step = json_object_get(root, "step"), *rate;
    const char *name;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        grid_column(grid, "", "%s", names[i]);
    grid->heads = 1;
    json_object_foreach(json_object_get(root, "stages"), name, rate)
        add_stage(grid, name, rate, number_of(step, "seconds"));
    if (step)
        add_step(grid, step);
    if (json_object_get(root, "fit"))
        add_stage(grid, "fit", json_object_get(root, "fit"), NAN);
    if (json_object_get(root, "evaluation"))
        add_stage(grid, "evaluation", json_object_get(root, "evaluation"), NAN);
}

static void print_bar(FILE *file, const json_t *stages, int k) {
    enum { MOST = 16 };
    const char *name[MOST], *key;
    double value[MOST];
    char id[32];
    json_t *rate;
    int n = 0;
    json_object_foreach((json_t *)stages, key,
                        rate) if (n < MOST && number_of(rate, "seconds") > 0) {
        name[n] = key;
        value[n++] = number_of(rate, "seconds");
    }
    if (n == 0)
        return;
    snprintf(id, sizeof id, "stages%d", k);
    fputs("<figure>\n", file);
    chart_bar(file, id, "Time of a step by stage", name, value, n);
    fputs("</figure>\n", file);
}

static void print_stages(FILE *file, const char *path, int k, const json_t *root) {
    const json_t *peak = json_object_get(root, "peak");
    struct grid grid = {0};
    char caption[512], note[256];
    double rate = number_of(json_object_get(root, "step"), "sequences_per_s");
    int n = snprintf(caption, sizeof caption, "%.300s: %.0f ranks of %.0f threads", path,
                     number_of(root, "ranks"), number_of(root, "threads"));
    if (isfinite(rate))
        snprintf(caption + n, sizeof caption - (size_t)n, ", batch %.0f, %.1f sequences/s",
                 number_of(root, "batch"), rate);
    snprintf(note, sizeof note,
             "Medians; peak of the same processes: sgemm %.1f GFLOP/s, copy %.1f GB/s, triad %.1f "
             "GB/s. Part of the reduction runs within encoder_backward.",
             number_of(peak, "sgemm_gflops"), number_of(peak, "copy_gbs"),
             number_of(peak, "triad_gbs"));
    print_bar(file, json_object_get(root, "stages"), k);
    fill_stages(&grid, root);
    grid_print_html(&grid, caption, note, file);
    grid_free(&grid);
}

/* ---- scaling.json: speed by ranks ---- */

static const char *const modes[] = {"strong", "weak"};
enum { MODES = sizeof modes / sizeof *modes };

static void fill_scaling(struct grid *grid, const json_t *root) {
    static const struct {
        const char *name, *key, *format;
    } columns[] = {{"ranks", "ranks", "%.0f"},
                   {"batch", "batch", "%.0f"},
                   {"seconds per step", "seconds", "%.4g"},
                   {"sequences/s", "sequences_per_s", "%.1f"},
                   {"of peak", "fraction_of_peak", "%.3f"},
                   {"MB per rank", "peak_rss_mb", "%.1f"},
                   {"speedup", "speedup", "%.2f"},
                   {"efficiency", "efficiency", "%.2f"}};
    enum { COLUMNS = sizeof columns / sizeof *columns };
    grid_column(grid, "", "scaling");
    grid->heads = 1;
    for (int c = 0; c < COLUMNS; c++)
        grid_column(grid, "", "%s", columns[c].name);
    for (int m = 0; m < MODES; m++) {
        size_t i;
        json_t *row;
        json_array_foreach(json_object_get(root, modes[m]), i, row) {
            grid_cell(grid, "%s", modes[m]);
            for (int c = 0; c < COLUMNS; c++)
                add_number(grid, columns[c].format, number_of(row, columns[c].key));
        }
    }
}

/* Ranks ascend; the speed of the first ones counts as theirs. */
static struct chart_series read_speedup(const json_t *rows, int mode) {
    struct chart_series s = {.label = modes[mode], .style = mode, .marked = -1};
    int64_t most = (int64_t)json_array_size(rows);
    s.x = mem_alloc(most, sizeof *s.x);
    s.y = mem_alloc(most, sizeof *s.y);
    for (int64_t i = 0; i < most; i++) {
        const json_t *row = json_array_get(rows, (size_t)i);
        double ranks = number_of(row, "ranks"), speedup = number_of(row, "speedup");
        if (!(ranks > 0 && speedup > 0 && isfinite(speedup)))
            continue;
        s.x[s.count] = ranks;
        s.y[s.count] = speedup * (s.count > 0 ? s.x[0] : ranks);
        s.count++;
    }
    return s;
}

static void print_scaling(FILE *file, const char *path, int k, const json_t *root) {
    struct chart_series series[MODES];
    struct grid grid = {0};
    char id[32];
    snprintf(id, sizeof id, "scaling%d", k);
    for (int m = 0; m < MODES; m++)
        series[m] = read_speedup(json_object_get(root, modes[m]), m);
    struct chart chart = {id, "Speed by ranks", "ranks", "speed, in ranks", true, series, MODES};
    fputs("<ul class=\"legend\">\n", file);
    for (int m = 0; m < MODES; m++)
        if (series[m].count > 0)
            chart_legend(file, modes[m], m);
    fputs("</ul>\n<figure class=\"small\">\n", file);
    chart_lines(file, &chart);
    fputs("</figure>\n", file);
    fill_scaling(&grid, root);
    grid_print_html(
        &grid, path,
        "Strong: the batch is shared out; weak: each rank has as much. Speed is that of the "
        "fewest ranks times their number; the grey line is that of no loss.",
        file);
    grid_free(&grid);
    for (int m = 0; m < MODES; m++) {
        mem_free(series[m].x);
        mem_free(series[m].y);
    }
}

/* ---- either ---- */

enum status speed_print(FILE *file, const char *path, int k) {
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    bool scaling = false, bench = json_is_object(json_object_get(root, "peak"));
    for (int m = 0; m < MODES; m++)
        scaling = scaling || json_is_array(json_object_get(root, modes[m]));
    if (scaling)
        print_scaling(file, path, k, root);
    else if (bench)
        print_stages(file, path, k, root);
    json_decref(root);
    return scaling || bench
               ? STATUS_OK
               : log_error(STATUS_INPUT,
                           "%s: is neither a bench.json of bench nor a scaling.json of "
                           "slurm/scaling.sh%s%s",
                           path, root ? "" : ": ", root ? "" : error.text);
}
