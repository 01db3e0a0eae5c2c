/* Measurements of one thing, one after another. Not collective. */
#ifndef JOBS_BENCH_SERIES_H
#define JOBS_BENCH_SERIES_H
#include <jansson.h>
#include <stdint.h>

struct series {
    int64_t n, room;
    double *x;
};

void series_add(struct series *series, double x);
void series_free(struct series *series); /* safe on a zeroed object; zeroes it */

/* Of a series that is not empty. */
double series_min(const struct series *series);
double series_median(const struct series *series);
double series_max(const struct series *series);

/* The caller's: {"min", "median", "max", "repetitions"}. */
json_t *series_json(const struct series *series);

#endif
