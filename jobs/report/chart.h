/* Pictures in a page of HTML, as SVG: lines over two axes, and a bar that is shared out. Their colours and
 * dashes are classes of the page's style: s0 to s7 of lines, f0 to f7 of areas. Each has a title, and a
 * description that says in words what there is to see. Not collective.
 *
 * They are not drawn by gnuplot, as those of --plot: its SVG has the colours and fonts that it was made
 * with, where a page is dark or light as its reader wants it, and its text is not to be read out. */
#ifndef JOBS_REPORT_CHART_H
#define JOBS_REPORT_CHART_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { CHART_STYLES = 8 };

struct chart_series {
    const char *label;
    int style; /* taken modulo CHART_STYLES */
    int64_t count;
    double *x, *y;  /* [count], finite; x ascends */
    int64_t marked; /* a point that stands out; -1: none */
};

struct chart {
    const char *id; /* of its own in the page: letters and digits */
    const char *title, *x, *y;
    bool doubling; /* axes in powers of two, and a line for y = x */
    const struct chart_series *series;
    int n;
};

void chart_lines(FILE *file, const struct chart *chart);

/* The name of a series in a legend, behind a piece of its line. */
void chart_legend(FILE *file, const char *label, int style);

/* A bar of `n` parts in proportion to `value`; style k is that of part k. */
void chart_bar(FILE *file, const char *id, const char *title, const char *const *name,
               const double *value, int n);

#endif
