/* How sure a mean over users is: the percentile bootstrap (Efron, Tibshirani, An Introduction to the
 * Bootstrap, 1993, chapter 13). Not collective. */
#ifndef JOBS_REPORT_BOOTSTRAP_H
#define JOBS_REPORT_BOOTSTRAP_H
#include <stdint.h>

/* `low` to `high` has 95 % of what the mean is over as many users drawn with replacement. */
struct interval {
    double mean, low, high; /* NaN: of nothing */
};

/* Means of `metrics` figures over the targets in each of `groups` groups. A user has weight[users,
 * groups] targets in them, whose figures add up to sum[users, groups, metrics]; users are drawn, not
 * targets. Into out[groups, metrics]; always the same for the same input. 2,000 samples are drawn,
 * of more than a million users fewer, at least 200. */
void bootstrap_means(const double *weight, const double *sum, int64_t users, int groups,
                     int metrics, struct interval *out);

#endif
