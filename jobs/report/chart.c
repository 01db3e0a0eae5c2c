#include "jobs/report/chart.h"
#include "jobs/report/html.h"
#include <math.h>
#include <string.h>

enum { WIDTH = 480, HEIGHT = 280, LEFT = 58, RIGHT = 14, TOP = 34, BOTTOM = 42, MARKERS = 60 };

/* ---- axes ---- */

struct axis {
    double low, high, step; /* of ticks; of powers of two the step is 1 */
    bool doubling;
    double from, to; /* places of low and high */
};

/* 1, 2 or 5 times a power of ten, and not below x. */
static double round_step(double x) {
    double power = pow(10, floor(log10(x)));
    double digit = x / power;
    return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

static void widen(struct axis *axis, double x) {
    axis->low = x < axis->low ? x : axis->low;
    axis->high = x > axis->high ? x : axis->high;
}

static double measure(const struct axis *axis, double x) {
    return axis->doubling ? log2(x) : x;
}

/* About `ticks` of them, no closer than `least`; with `whole` the axis ends at ticks. */
static void set_ticks(struct axis *axis, int ticks, double least, bool whole) {
    if (axis->low > axis->high)
        axis->low = 0, axis->high = 1;
    if (axis->low == axis->high) {
        double room = axis->doubling ? 1 : axis->low != 0 ? fabs(axis->low) / 10 : 1;
        axis->low -= room, axis->high += room;
    }
    axis->step = round_step((axis->high - axis->low) / ticks);
    axis->step = axis->step < least ? least : axis->step;
    if (whole) {
        axis->low = floor(axis->low / axis->step + 1e-9) * axis->step;
        axis->high = ceil(axis->high / axis->step - 1e-9) * axis->step;
    }
}

static double place(const struct axis *axis, double x) {
    return axis->from +
           (measure(axis, x) - axis->low) / (axis->high - axis->low) * (axis->to - axis->from);
}

static struct axis empty_axis(bool doubling, double from, double to) {
    return (struct axis){INFINITY, -INFINITY, 1, doubling, from, to};
}

static void set_axes(const struct chart *c, struct axis *x, struct axis *y) {
    *x = empty_axis(c->doubling, LEFT, WIDTH - RIGHT);
    *y = empty_axis(c->doubling, HEIGHT - BOTTOM, TOP);
    for (int s = 0; s < c->n; s++)
        for (int64_t i = 0; i < c->series[s].count; i++) {
            widen(x, measure(x, c->series[s].x[i]));
            widen(y, measure(y, c->series[s].y[i]));
        }
    set_ticks(x, 8, 1, c->doubling);
    set_ticks(y, 5, c->doubling ? 1 : 0, true);
}

/* ---- pieces ---- */

static void put_text(FILE *file, double x, double y, const char *anchor, const char *text) {
    fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    html_text(file, text);
    fputs("</text>\n", file);
}

static void put_line(FILE *file, const char *class, double x0, double y0, double x1, double y1) {
    fprintf(file, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class,
            x0, y0, x1, y1);
}

/* The number that stands at a tick. */
static void name_tick(const struct axis *axis, double at, char text[32]) {
    int digits = axis->step < 1 ? (int)ceil(-log10(axis->step) - 1e-9) : 0;
    if (axis->doubling)
        snprintf(text, 32, "%g", exp2(at));
    else if (fabs(at) >= 1e6)
        snprintf(text, 32, "%.3g", at);
    else
        snprintf(text, 32, "%.*f", digits, fabs(at) < axis->step / 2 ? 0 : at);
}

static void put_ticks(FILE *file, const struct axis *x, const struct axis *y) {
    char text[32];
    for (double t = ceil(x->low / x->step - 1e-9); t * x->step <= x->high + 1e-9 * x->step; t++) {
        double at = x->doubling ? exp2(t * x->step) : t * x->step;
        name_tick(x, t * x->step, text);
        put_line(file, "tick", place(x, at), y->from, place(x, at), y->from + 4);
        put_text(file, place(x, at), y->from + 17, "middle", text);
    }
    for (double t = ceil(y->low / y->step - 1e-9); t * y->step <= y->high + 1e-9 * y->step; t++) {
        double at = y->doubling ? exp2(t * y->step) : t * y->step;
        name_tick(y, t * y->step, text);
        put_line(file, "grid", x->from, place(y, at), x->to, place(y, at));
        put_text(file, x->from - 7, place(y, at) + 4, "end", text);
    }
    put_line(file, "tick", x->from, y->from, x->to, y->from);
}

static void put_names(FILE *file, const struct chart *c, const struct axis *x,
                      const struct axis *y) {
    fprintf(file, "<text class=\"title\" x=\"%d\" y=\"16\">", LEFT);
    html_text(file, c->title);
    fputs("</text>\n", file);
    put_text(file, (x->from + x->to) / 2, HEIGHT - 6, "middle", c->x);
    fprintf(file, "<text transform=\"translate(13 %.1f) rotate(-90)\" text-anchor=\"middle\">",
            (y->from + y->to) / 2);
    html_text(file, c->y);
    fputs("</text>\n", file);
}

static void put_series(FILE *file, const struct chart_series *s, const struct axis *x,
                       const struct axis *y) {
    fprintf(file, "<g class=\"s%d\"><polyline points=\"", s->style % CHART_STYLES);
    for (int64_t i = 0; i < s->count; i++)
        fprintf(file, "%s%.1f,%.1f", i ? " " : "", place(x, s->x[i]), place(y, s->y[i]));
    fputs("\"/>\n", file);
    for (int64_t i = 0; i < s->count; i++)
        if (s->count <= MARKERS || i == s->marked)
            fprintf(file, "<circle%s cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"/>\n",
                    i == s->marked ? " class=\"marked\"" : "", place(x, s->x[i]), place(y, s->y[i]),
                    i == s->marked ? "4.5" : "1.8");
    fputs("</g>\n", file);
}

/* ---- what there is to see, in words ---- */

static void describe_series(FILE *file, const struct chart_series *s) {
    int64_t low = 0, high = 0, last = s->count - 1;
    for (int64_t i = 1; i < s->count; i++) {
        low = s->y[i] < s->y[low] ? i : low;
        high = s->y[i] > s->y[high] ? i : high;
    }
    html_text(file, s->label);
    if (s->count == 0)
        fputs(": no points. ", file);
    else
        fprintf(
            file,
            ": %lld points from %.4g at %.6g to %.4g at %.6g, lowest %.4g at %.6g, highest %.4g "
            "at %.6g. ",
            (long long)s->count, s->y[0], s->x[0], s->y[last], s->x[last], s->y[low], s->x[low],
            s->y[high], s->x[high]);
}

static void begin(FILE *file, const char *id, int width, int height) {
    fprintf(file,
            "<svg role=\"img\" aria-labelledby=\"%s-title %s-desc\" viewBox=\"0 0 %d %d\">\n"
            "<title id=\"%s-title\">",
            id, id, width, height, id);
}

static void put_description(FILE *file, const struct chart *c) {
    html_text(file, c->title);
    fprintf(file, "</title>\n<desc id=\"%s-desc\">", c->id);
    html_text(file, c->y);
    fputs(" by ", file);
    html_text(file, c->x);
    fputs(". ", file);
    for (int s = 0; s < c->n; s++)
        describe_series(file, &c->series[s]);
    fputs("</desc>\n", file);
}

void chart_lines(FILE *file, const struct chart *c) {
    struct axis x, y;
    set_axes(c, &x, &y);
    begin(file, c->id, WIDTH, HEIGHT);
    put_description(file, c);
    put_ticks(file, &x, &y);
    put_names(file, c, &x, &y);
    if (c->doubling) {
        double low = exp2(fmax(x.low, y.low)), high = exp2(fmin(x.high, y.high));
        put_line(file, "ideal", place(&x, low), place(&y, low), place(&x, high), place(&y, high));
    }
    for (int s = 0; s < c->n; s++)
        put_series(file, &c->series[s], &x, &y);
    fputs("</svg>\n", file);
}

void chart_legend(FILE *file, const char *label, int style) {
    fprintf(file,
            "<li><svg class=\"key\" viewBox=\"0 0 34 10\" aria-hidden=\"true\"><g class=\"s%d\">"
            "<polyline points=\"1,5 33,5\"/></g></svg> ",
            style % CHART_STYLES);
    html_marked(file, label);
    fputs("</li>\n", file);
}

/* ---- a bar ---- */

enum { BAR_WIDTH = 960, BAR_TOP = 22, BAR_HEIGHT = 30, LETTER = 7 };

void chart_bar(FILE *file, const char *id, const char *title, const char *const *name,
               const double *value, int n) {
    double sum = 0, at = 0;
    for (int i = 0; i < n; i++)
        sum += value[i];
    begin(file, id, BAR_WIDTH, BAR_TOP + BAR_HEIGHT + 2);
    html_text(file, title);
    fprintf(file, "</title>\n<desc id=\"%s-desc\">", id);
    for (int i = 0; i < n; i++) {
        html_text(file, name[i]);
        fprintf(file, " %.1f %%. ", 100 * value[i] / sum);
    }
    fputs("</desc>\n<text class=\"title\" x=\"0\" y=\"14\">", file);
    html_text(file, title);
    fputs("</text>\n", file);
    for (int i = 0; i < n; i++) {
        double width = BAR_WIDTH * value[i] / sum;
        char text[96];
        fprintf(file, "<rect class=\"f%d\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n",
                i % CHART_STYLES, at, BAR_TOP, width, BAR_HEIGHT);
        snprintf(text, sizeof text, "%.60s", name[i]);
        if ((double)strlen(text) * LETTER < width)
            put_text(file, at + width / 2, BAR_TOP + 20, "middle", text);
        at += width;
    }
    fputs("</svg>\n", file);
}
