#include "jobs/report/bootstrap.h"
#include "core/mem.h"
#include "core/rng.h"
#include <math.h>
#include <stdlib.h>

enum { SAMPLES = 2000, SAMPLES_LEAST = 200 };
static const double draws_at_most = 2e9;
static const uint64_t draws_key = 0x6364737250616972;

struct users {
    const double *weight, *sum;
    int64_t count;
    int groups, metrics;
};

static void add_user(const struct users *u, int64_t k, double *weight, double *sum) {
    for (int g = 0; g < u->groups; g++)
        weight[g] += u->weight[k * u->groups + g];
    for (int c = 0; c < u->groups * u->metrics; c++)
        sum[c] += u->sum[k * u->groups * u->metrics + c];
}

/* The means of one sample, or with `sample` < 0 of all users once, into out [groups, metrics];
 * `weight` [groups] is scratch. */
static void draw(const struct users *u, int64_t sample, double *weight, double *out) {
    uint64_t first = (uint64_t)sample * (uint64_t)u->count;
    for (int g = 0; g < u->groups; g++)
        weight[g] = 0;
    for (int c = 0; c < u->groups * u->metrics; c++)
        out[c] = 0;
    for (int64_t k = 0; k < u->count; k++) {
        int64_t at = k;
        if (sample >= 0)
            at = (int64_t)(rng_uniform(draws_key, first + (uint64_t)k) * (double)u->count);
        add_user(u, at < u->count ? at : u->count - 1, weight, out);
    }
    for (int c = 0; c < u->groups * u->metrics; c++)
        out[c] /= weight[c / u->metrics];
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of values [count] at a distance of `stride`; samples that happen to have no target are left out. */
static struct interval interval_of(double mean, const double *value, int64_t count, int64_t stride,
                                   double *sorted) {
    int64_t n = 0;
    for (int64_t s = 0; s < count; s++)
        if (!isnan(value[s * stride]))
            sorted[n++] = value[s * stride];
    if (isnan(mean) || n == 0)
        return (struct interval){NAN, NAN, NAN};
    qsort(sorted, (size_t)n, sizeof *sorted, ascending);
    return (struct interval){mean, sorted[(int64_t)(0.025 * (double)(n - 1))],
                             sorted[(int64_t)ceil(0.975 * (double)(n - 1))]};
}

void bootstrap_means(const double *weight, const double *sum, int64_t users, int groups,
                     int metrics, struct interval *out) {
    struct users u = {weight, sum, users, groups, metrics};
    int columns = groups * metrics;
    double most = users > 0 ? draws_at_most / (double)users : 0;
    int64_t count = most > SAMPLES ? SAMPLES : most < SAMPLES_LEAST ? SAMPLES_LEAST : (int64_t)most;
    double *mean = mem_alloc((count + 1) * columns, sizeof *mean); /* of all, and of each sample */
    double *scratch = mem_alloc((count + 1) * groups, sizeof *scratch);
    double *sorted = mem_alloc(count, sizeof *sorted);
#pragma omp parallel for
    for (int64_t s = -1; s < count; s++)
        draw(&u, s, scratch + (s + 1) * groups, mean + (s + 1) * columns);
    for (int c = 0; c < columns; c++)
        out[c] = interval_of(mean[c], mean + columns + c, count, columns, sorted);
    mem_free(mean);
    mem_free(scratch);
    mem_free(sorted);
}
