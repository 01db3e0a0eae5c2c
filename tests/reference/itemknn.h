/* ItemKNN in plain loops over all pairs of items, in double precision: see fit_check.h. */
#ifndef TESTS_REFERENCE_ITEMKNN_H
#define TESTS_REFERENCE_ITEMKNN_H
#include "core/models/itemknn.h"
#include "fit_check.h"
#include <math.h>

/* Events of sequences that have i: of i itself, or of j at least once, or both counted once. */
static inline double ref_knn_count(const struct fit_data *data, int i, int j, bool events) {
    double sum = 0;
    for (int s = 0; s < data->count; s++) {
        int n, of_i = 0, of_j = 0;
        const int32_t *item = fit_data_last(data, s, data->max_len + 1, &n);
        for (int k = 0; k < n; k++)
            of_i += item[k] == i, of_j += item[k] == j;
        sum += of_j ? (events ? of_i : of_i > 0) : 0;
    }
    return sum;
}

static inline double ref_knn_similarity(const struct fit_data *data, const struct config *config,
                                        int i, int j) {
    const struct itemknn_options *o = itemknn_options(config);
    bool session = o->kind == KNN_SESSION;
    double shrink = isnan(o->shrink) ? (session ? 20 : 0) : o->shrink;
    double x = ref_knn_count(data, i, i, session), y = ref_knn_count(data, j, j, session);
    double both = ref_knn_count(data, i, j, session);
    if (i == j || both == 0)
        return 0;
    return session ? both / (sqrt(x + shrink) * sqrt(y + shrink))
                   : both / (sqrt(x) * sqrt(y) + shrink + 1e-6);
}

/* s[i][j] of i in the history and candidate j, of the neighbours that are kept. */
static inline void ref_knn_fit(const struct fit_data *data, const struct config *config,
                               double s[FIT_N][FIT_N]) {
    const struct itemknn_options *o = itemknn_options(config);
    for (int i = 0; i < FIT_N; i++) {
        double row[FIT_N];
        for (int j = 0; j < FIT_N; j++)
            row[j] = (double)(real)ref_knn_similarity(data, config, i, j);
        for (int j = 0; j < FIT_N; j++) {
            int before = 0; /* neighbours of i that come before j */
            for (int k = 0; k < FIT_N; k++)
                before += row[k] > row[j] || (row[k] == row[j] && k < j);
            double kept = before < o->neighbours ? row[j] : 0;
            *(o->kind == KNN_SESSION ? &s[i][j] : &s[j][i]) = kept;
        }
    }
}

static inline double ref_knn_score(const struct config *config, double s[FIT_N][FIT_N],
                                   const int32_t *history, int n, int j) {
    const struct itemknn_options *o = itemknn_options(config);
    bool last = o->history == KNN_HISTORY_LAST ||
                (o->history == KNN_HISTORY_AUTO && o->kind == KNN_SESSION);
    double sum = 0;
    for (int k = last ? n - 1 : 0; k >= 0 && k < n; k++) {
        bool again = false;
        for (int m = 0; m < k; m++)
            again = again || (!last && history[m] == history[k]);
        sum += again ? 0 : s[history[k]][j];
    }
    return sum;
}

#endif
