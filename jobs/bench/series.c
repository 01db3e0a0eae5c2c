#include "jobs/bench/series.h"
#include "core/mem.h"
#include <stdlib.h>
#include <string.h>

void series_add(struct series *s, double x) {
    if (s->n == s->room) {
        s->room = 2 * s->room + 16;
        s->x = mem_resize(s->x, s->room, sizeof *s->x);
    }
    s->x[s->n++] = x;
}

void series_free(struct series *s) {
    mem_free(s->x);
    *s = (struct series){0};
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The k-th and the l-th smallest, their mean. */
static double order(const struct series *s, int64_t k, int64_t l) {
    double *sorted = mem_alloc(s->n, sizeof *sorted);
    memcpy(sorted, s->x, (size_t)s->n * sizeof *sorted);
    qsort(sorted, (size_t)s->n, sizeof *sorted, by_value);
    double mean = k == l ? sorted[k] : (sorted[k] + sorted[l]) / 2;
    mem_free(sorted);
    return mean;
}

double series_min(const struct series *s) {
    return order(s, 0, 0);
}

double series_median(const struct series *s) {
    return order(s, (s->n - 1) / 2, s->n / 2);
}

double series_max(const struct series *s) {
    return order(s, s->n - 1, s->n - 1);
}

json_t *series_json(const struct series *s) {
    return json_pack("{s:f, s:f, s:f, s:I}", "min", series_min(s), "median", series_median(s),
                     "max", series_max(s), "repetitions", (json_int_t)s->n);
}
