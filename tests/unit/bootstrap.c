#include "jobs/report/bootstrap.h"
#include "core/mem.h"
#include "core/rng.h"
#include "tests/balanced.h"
#include <criterion/criterion.h>
#include <math.h>

BALANCED(bootstrap);

enum { USERS = 2000 };

/* Users with one target each or, `targets` > 1, with as many of the same figure. */
static struct interval of_uniform(int targets, double *error) {
    static double weight[USERS], sum[USERS];
    double mean = 0, squares = 0;
    struct interval i;
    for (int u = 0; u < USERS; u++) {
        double x = rng_uniform(7, (uint64_t)u);
        weight[u] = targets;
        sum[u] = targets * x;
        mean += x / USERS;
    }
    for (int u = 0; u < USERS; u++)
        squares += (sum[u] / targets - mean) * (sum[u] / targets - mean);
    *error = sqrt(squares / USERS / USERS);
    bootstrap_means(weight, sum, USERS, 1, 1, &i);
    cr_expect(fabs(i.mean - mean) < 1e-12, "mean %g, not %g", i.mean, mean);
    return i;
}

/* The ends of a mean of many are those of a normal distribution: 1.96 standard errors away. A
 * quantile of 2,000 samples is off by 0.06 of them, at most 0.25 in a million tries. */
Test(bootstrap, interval_of_a_mean) {
    double error;
    struct interval i = of_uniform(1, &error);
    cr_expect(fabs((i.mean - i.low) / error - 1.96) < 0.25, "below: %g", (i.mean - i.low) / error);
    cr_expect(fabs((i.high - i.mean) / error - 1.96) < 0.25, "above: %g",
              (i.high - i.mean) / error);
}

/* A user's targets are drawn together: more of the same make nothing surer. */
Test(bootstrap, users_are_drawn_not_targets) {
    double error;
    struct interval one = of_uniform(1, &error), three = of_uniform(3, &error);
    cr_expect(fabs(one.low - three.low) < 1e-12 && fabs(one.high - three.high) < 1e-12);
}

/* Two groups of targets and two figures; a group without targets has none. */
Test(bootstrap, groups_and_figures) {
    enum { GROUPS = 3, METRICS = 2 };
    static const double weight[] = {1, 0, 1, 2, 0, 2, 0, 0, 0};
    static const double sum[] = {3, -1, 0, 0, 3, -1, 6, -2, 0, 0, 6, -2, 0, 0, 0, 0, 0, 0};
    struct interval out[GROUPS * METRICS];
    bootstrap_means(weight, sum, 3, GROUPS, METRICS, out);
    for (int g = 0; g < GROUPS; g += 2) {
        const struct interval *a = &out[g * METRICS], *b = a + 1;
        cr_expect(a->mean == 3 && a->low == 3 && a->high == 3, "3, not %g", a->mean);
        cr_expect(b->mean == -1 && b->low == -1 && b->high == -1, "-1, not %g", b->mean);
    }
    cr_expect(isnan(out[METRICS].mean) && isnan(out[METRICS].low), "no target: no mean");
}
