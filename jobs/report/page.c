/* The sections of the page from top to bottom, each of the objects beside this one. The page is made in
 * memory and written when all of it is there. */
#include "jobs/report/page.h"
#include "core/mem.h"
#include "io/file.h"
#include "io/output.h"
#include "io/protocol.h"
#include "jobs/report/chart.h"
#include "jobs/report/compare.h"
#include "jobs/report/html.h"
#include "jobs/report/provenance.h"
#include "jobs/report/speed.h"
#include "jobs/report/style.h"
#include "jobs/report/table.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = OPTION_PATH + 256 };

/* ---- head ---- */

static int count_data(const struct page *p, int r) {
    for (int q = 0; q < r; q++)
        if (entries_on_same_data(&p->run[q], &p->run[r]) &&
            !strcmp(p->run[q].result.config.data.path, p->run[r].result.config.data.path))
            return 0;
    return 1;
}

static void print_header(FILE *file, const struct page *p) {
    const char *comma = "";
    int counted = 0;
    for (int r = 0; r < p->n; r++)
        counted += entry_counts(&p->run[r]);
    fprintf(file, "<a class=\"skip\" href=\"#figures\">To the figures</a>\n<header>\n<h1>");
    fprintf(file, "%d run%s of %d setting%s</h1>\n<p>", p->n, p->n == 1 ? "" : "s", p->groups,
            p->groups == 1 ? "" : "s");
    fprintf(file, "%d with figures that count. Data: ", counted);
    for (int r = 0; r < p->n; r++)
        if (count_data(p, r)) {
            fputs(comma, file);
            html_text(file, p->run[r].result.config.data.path);
            fprintf(file, " (%.12s)", p->run[r].result.dataset_hash);
            comma = ", ";
        }
    fputs("</p>\n</header>\n", file);
}

static const struct {
    const char *id, *title;
} sections[] = {{"figures", "Figures"},
                {"curves", "Learning curves"},
                {"speed", "Speed"},
                {"runs", "Runs"},
                {"settings", "Settings"},
                {"provenance", "Provenance"},
                {"machine", "Machine and program"}};
enum { SECTIONS = sizeof sections / sizeof *sections };

static void print_contents(FILE *file) {
    fputs("<nav aria-label=\"Sections\"><ul>\n", file);
    for (int s = 0; s < SECTIONS; s++)
        fprintf(file, "<li><a href=\"#%s\">%s</a></li>\n", sections[s].id, sections[s].title);
    fputs("</ul></nav>\n", file);
}

/* ---- figures ---- */

static enum status print_comparison(FILE *file, const struct page *p) {
    struct grid grid = {0};
    enum status status = compare_groups(&grid, p->run, p->n, p->groups, p->request, p->split, true);
    if (status == STATUS_OK && grid.cells > 0)
        grid_print_html(
            &grid, "Intervals over users, and differences from the first settings",
            COMPARE_NOTE " Without a sign: the figures of the first settings themselves.", file);
    else if (status == STATUS_OK)
        fputs("<p>No run has ranks of its targets (<code>log.ranks=true</code>, or "
              "<code>evaluate --ranks</code>), so that there are no intervals.</p>\n",
              file);
    grid_free(&grid);
    return status;
}

static enum status print_figures(FILE *file, const struct page *p) {
    struct grid grid = {0};
    table_figures(&grid, p->run, p->n, p->groups, p->request, p->split);
    grid_print_html(&grid, "Figures by settings and domain", TABLE_NOTE, file);
    grid_free(&grid);
    return print_comparison(file, p);
}

/* ---- learning curves ---- */

enum { PANELS = RESULT_DOMAINS + 1 }; /* the loss, and each domain */

struct curves {
    struct chart_series *series[PANELS]; /* [n] */
    char **label;                        /* [n] */
};

static double value_of(const struct curve_point *point, int panel) {
    return panel == 0 ? point->loss : 100 * point->value[panel - 1];
}

/* The epoch whose parameters gave the run's figures of a domain; that of "all" is the first one's where
 * each has its own. */
static int64_t best_epoch(const struct run_result *result, int panel) {
    return result->best_epoch[panel == 2];
}

static void fill_series(struct chart_series *s, const struct entry *run, int panel,
                        const struct curve_point *point, int64_t count) {
    bool each = run->result.per_domain && (panel == 0 || panel == PANELS - 1);
    s->x = mem_alloc(count, sizeof *s->x);
    s->y = mem_alloc(count, sizeof *s->y);
    s->style = run->group;
    s->marked = -1;
    for (int64_t i = 0; i < count; i++) {
        double y = value_of(&point[i], panel);
        if (!isfinite(y))
            continue;
        if (!each && point[i].epoch == best_epoch(&run->result, panel))
            s->marked = s->count;
        s->x[s->count] = (double)point[i].epoch;
        s->y[s->count++] = y;
    }
}

static enum status read_curve(struct curves *c, const struct page *p, int r) {
    const struct entry *run = &p->run[r];
    struct curve_point *point;
    int64_t count;
    char path[PATH];
    snprintf(path, sizeof path, "%s/log.jsonl", run->directory);
    c->label[r] = mem_string(run->directory);
    for (int k = 0; k < PANELS; k++)
        c->series[k][r] = (struct chart_series){.label = c->label[r], .marked = -1};
    if (run->twice || !file_exists(path))
        return STATUS_OK;
    TRY(run_result_curve(run->directory, p->request->metric[0], &run->result.config.eval.cutoffs,
                         &point, &count));
    for (int k = 0; k < PANELS; k++)
        fill_series(&c->series[k][r], run, k, point, count);
    mem_free(point);
    return STATUS_OK;
}

static void curves_free(struct curves *c, int n) {
    for (int k = 0; k < PANELS; k++) {
        for (int r = 0; r < n; r++) {
            mem_free(c->series[k][r].x);
            mem_free(c->series[k][r].y);
        }
        mem_free(c->series[k]);
    }
    for (int r = 0; r < n; r++)
        mem_free(c->label[r]);
    mem_free(c->label);
}

static void print_legend(FILE *file, const struct page *p) {
    fputs("<ul class=\"legend\">\n", file);
    for (int g = 0; g < p->groups; g++) {
        const struct entry *first = table_first_of(p->run, g);
        char *settings = table_settings_text(p->run, p->n, first);
        chart_legend(file, *settings ? settings : first->result.config.model.name, g);
        mem_free(settings);
    }
    fputs("</ul>\n", file);
}

static void print_panel(FILE *file, const struct page *p, const struct chart_series *series,
                        int panel) {
    const struct run_result *first = table_first_figures(p->run, p->n);
    char id[32], title[2 * OPTION_NAME], metric[TABLE_METRIC], unit[TABLE_METRIC + 16];
    int64_t points = 0;
    for (int r = 0; r < p->n; r++)
        points += series[r].count;
    if (points == 0)
        return;
    table_metric(p->request->metric[0], &first->config.eval.cutoffs, metric);
    snprintf(id, sizeof id, "curve%d", panel);
    snprintf(unit, sizeof unit, panel == 0 ? "loss" : "%s, %%", metric);
    if (panel == 0)
        snprintf(title, sizeof title, "Training loss");
    else
        snprintf(title, sizeof title, "Validation %s, %s", metric, table_domain(first, panel - 1));
    fputs("<figure>\n", file);
    chart_lines(file, &(struct chart){id, title, "epoch", unit, false, series, p->n});
    fputs("</figure>\n", file);
}

static enum status print_curves(FILE *file, const struct page *p) {
    struct curves c = {.label = mem_zero(p->n, sizeof *c.label)};
    enum status status = STATUS_OK;
    for (int k = 0; k < PANELS; k++)
        c.series[k] = mem_zero(p->n, sizeof *c.series[k]);
    for (int r = 0; r < p->n && status == STATUS_OK; r++)
        status = read_curve(&c, p, r);
    if (status == STATUS_OK) {
        print_legend(file, p);
        fputs("<div class=\"charts\">\n", file);
        for (int k = 0; k < PANELS; k++)
            print_panel(file, p, c.series[k], k);
        fputs("</div>\n<p class=\"note\">A line for each run; a ring: its best epoch. The loss is "
              "the "
              "mean of the epoch's steps that were logged; losses of different kinds are not to be "
              "compared. The figure is that of the full candidates where there are any.</p>\n",
              file);
    }
    curves_free(&c, p->n);
    return status;
}

/* ---- speed ---- */

static enum status print_speed(FILE *file, const struct page *p) {
    struct grid grid = {0};
    int k = 0;
    table_costs(&grid, p->run, p->n, p->groups);
    grid_print_html(&grid, "Costs of training by settings", "", file);
    grid_free(&grid);
    for (int r = 0; r < p->n; r++) {
        char path[PATH];
        snprintf(path, sizeof path, "%s/bench.json", p->run[r].directory);
        if (file_exists(path) && !p->run[r].twice)
            TRY(speed_print(file, path, k++));
    }
    for (int b = 0; b < p->benches; b++)
        TRY(speed_print(file, p->bench[b], k++));
    return STATUS_OK;
}

/* ---- runs and settings ---- */

static enum status print_runs(FILE *file, const struct page *p) {
    struct grid grid = {0};
    table_runs(&grid, p->run, p->n);
    grid_print_html(&grid, "Every run", "", file);
    grid_free(&grid);
    return STATUS_OK;
}

static enum status print_settings(FILE *file, const struct page *p) {
    struct grid grid = {0};
    table_all_settings(&grid, p->run, p->n, p->groups);
    grid_print_html(&grid, "Settings that are not their model's defaults", "", file);
    grid_free(&grid);
    return STATUS_OK;
}

/* ---- text of each run ---- */

typedef enum status print_fn(FILE *file, const struct entry *run);

/* What `print` says of a run; the caller's, NULL on failure. */
static char *text_of(const struct entry *run, print_fn *print, enum status *status) {
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    *status = print(file, run);
    fclose(file);
    return text;
}

/* Of runs of which the same is said it is said once, behind all their names. */
static void print_alike(FILE *file, const struct page *p, char **text) {
    for (int r = 0; r < p->n; r++) {
        const char *comma = "";
        int q = 0;
        while (q < r && strcmp(text[q], text[r]) != 0)
            q++;
        if (q < r)
            continue;
        fputs("<h3>", file);
        for (q = r; q < p->n; q++)
            if (!strcmp(text[q], text[r])) {
                fputs(comma, file);
                html_text(file, p->run[q].directory);
                comma = ", ";
            }
        fputs("</h3>\n<pre>", file);
        html_text(file, *text[r] ? text[r] : "Not known: the run has not come to an end.\n");
        fputs("</pre>\n", file);
    }
}

static enum status print_texts(FILE *file, const struct page *p, print_fn *print) {
    char **text = mem_zero(p->n, sizeof *text);
    enum status status = STATUS_OK;
    for (int r = 0; r < p->n && status == STATUS_OK; r++)
        text[r] = text_of(&p->run[r], print, &status);
    if (status == STATUS_OK)
        print_alike(file, p, text);
    for (int r = 0; r < p->n; r++)
        free(text[r]);
    mem_free(text);
    return status;
}

static enum status print_provenance(FILE *file, const struct page *p) {
    return print_texts(file, p, provenance_print_sources);
}

static enum status print_machine(FILE *file, const struct page *p) {
    return print_texts(file, p, provenance_print_program);
}

/* ---- the page ---- */

static enum status print_sections(FILE *file, const struct page *p) {
    static enum status (*const print[SECTIONS])(FILE *, const struct page *) = {
        print_figures,  print_curves,     print_speed,  print_runs,
        print_settings, print_provenance, print_machine};
    for (int s = 0; s < SECTIONS; s++) {
        fprintf(file, "<section aria-labelledby=\"%s\">\n<h2 id=\"%s\">%s</h2>\n", sections[s].id,
                sections[s].id, sections[s].title);
        TRY(print[s](file, p));
        fputs("</section>\n", file);
    }
    return STATUS_OK;
}

static enum status print_page(FILE *file, const struct page *p) {
    html_begin(file, "cdsr report", page_style);
    print_header(file, p);
    print_contents(file);
    fputs("<main>\n", file);
    TRY(print_sections(file, p));
    fputs("</main>\n", file);
    html_end(file);
    return STATUS_OK;
}

enum status page_write(const char *path, const struct page *page) {
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    enum status status = print_page(file, page);
    fclose(file);
    if (status == STATUS_OK)
        status = output_write(path, text);
    free(text);
    return status;
}
