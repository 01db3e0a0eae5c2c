/* EASE in plain loops, in double precision, the inverse by Gauss and Jordan: see fit_check.h. */
#ifndef TESTS_REFERENCE_EASE_H
#define TESTS_REFERENCE_EASE_H
#include "core/models/ease.h"
#include "fit_check.h"

static inline bool ref_ease_has(const struct fit_data *data, int s, int item) {
    int n;
    const int32_t *list = fit_data_last(data, s, data->max_len + 1, &n);
    for (int k = 0; k < n; k++)
        if (list[k] == item)
            return true;
    return false;
}

static inline int ref_ease_events(const struct fit_data *data, int item) {
    int events = 0;
    for (int s = 0; s < data->count; s++) {
        int n;
        const int32_t *list = fit_data_last(data, s, data->max_len + 1, &n);
        for (int k = 0; k < n; k++)
            events += list[k] == item;
    }
    return events;
}

/* Is the item among the most frequent ones? */
static inline bool ref_ease_keeps(const struct fit_data *data, const struct config *config,
                                  int item) {
    int64_t most = ease_options(config)->items, before = 0;
    for (int j = 0; j < FIT_N; j++) {
        int mine = ref_ease_events(data, item), other = ref_ease_events(data, j);
        before += other > mine || (other == mine && j < item);
    }
    return most == 0 || before < most;
}

/* a becomes its inverse; no pivots, as it is positive definite. */
static inline void ref_invert(double a[FIT_N][FIT_N], int n) {
    for (int k = 0; k < n; k++) {
        double pivot = a[k][k];
        a[k][k] = 1;
        for (int j = 0; j < n; j++)
            a[k][j] /= pivot;
        for (int i = 0; i < n; i++) {
            double factor = a[i][k];
            if (i == k)
                continue;
            a[i][k] = 0;
            for (int j = 0; j < n; j++)
                a[i][j] -= factor * a[k][j];
        }
    }
}

/* B of all items, zero where one is not kept. */
static inline void ref_ease_fit(const struct fit_data *data, const struct config *config,
                                double b[FIT_N][FIT_N]) {
    static double p[FIT_N][FIT_N];
    int item[FIT_N], n = 0;
    for (int i = 0; i < FIT_N; i++)
        if (ref_ease_keeps(data, config, i))
            item[n++] = i;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            p[i][j] = i == j ? ease_options(config)->lambda : 0;
            for (int s = 0; s < data->count; s++)
                p[i][j] += ref_ease_has(data, s, item[i]) && ref_ease_has(data, s, item[j]);
        }
    ref_invert(p, n);
    memset(b, 0, FIT_N * sizeof b[0]);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            b[item[i]][item[j]] = i == j ? 0 : -p[i][j] / p[j][j];
}

static inline double ref_ease_score(const struct config *config, double b[FIT_N][FIT_N],
                                    const int32_t *history, int n, int j) {
    double sum = 0;
    (void)config;
    for (int k = 0; k < n; k++) {
        bool again = false;
        for (int m = 0; m < k; m++)
            again = again || history[m] == history[k];
        sum += again ? 0 : b[history[k]][j];
    }
    return sum;
}

#endif
