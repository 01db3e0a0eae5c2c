/* A model that is fitted in closed form, on one rank, against plain loops: the scores of all items of
 * either domain after histories, some of them empty, longer than data.max_len or with repeated items.
 * Some training sequences have a single item or one item twice; the last item is in none. */
#ifndef TESTS_FIT_CHECK_H
#define TESTS_FIT_CHECK_H
#include "check.h"
#include "core/catalogue/rank.h"
#include "core/models/forward.h"
#include "core/models/model.h"
#include "one_rank.h"

enum { FIT_N = 40, FIT_A = 17, FIT_SEQUENCES = 60, FIT_ROOM = 12, FIT_HISTORIES = 12, FIT_LEN = 7 };

/* Sequences of varying length, items [count][FIT_ROOM]. */
struct fit_data {
    int count, max_len;
    int length[FIT_SEQUENCES];
    int32_t items[FIT_SEQUENCES][FIT_ROOM];
};

/* The last `most` items of sequence s. */
static inline const int32_t *fit_data_last(const struct fit_data *data, int s, int most, int *n) {
    *n = data->length[s] < most ? data->length[s] : most;
    return data->items[s] + data->length[s] - *n;
}

/* What stands for the model: a matrix of all items, and the score of item j from it. */
struct fit_reference {
    void (*fit)(const struct fit_data *data, const struct config *config, double w[FIT_N][FIT_N]);
    double (*score)(const struct config *config, double w[FIT_N][FIT_N], const int32_t *history,
                    int n, int j);
};

static inline void fit_data_make(struct fit_data *data, int count, uint64_t seed) {
    uint64_t key = check_key(seed);
    *data = (struct fit_data){.count = count, .max_len = FIT_LEN};
    for (int s = 0; s < count; s++) {
        data->length[s] = s < 2 ? s : 1 + (int)rng_below(key, 1000 + (uint64_t)s, FIT_ROOM);
        for (int k = 0; k < FIT_ROOM; k++) { /* small numbers are more frequent */
            double u = rng_uniform(key, (uint64_t)(FIT_ROOM * s + k));
            data->items[s][k] = (int32_t)(u * u * (FIT_N - 1));
        }
        if (s % 3 == 0)
            data->items[s][data->length[s] / 2] = data->items[s][0];
    }
}

/* ---- the fit ---- */

void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info);

/* By LAPACK. */
static inline enum status fit_invert(void *context, int n, fit_rows_fn *give, fit_rows_fn *take,
                                     void *state) {
    double *a = mem_alloc((int64_t)n * n, sizeof *a);
    int info;
    (void)context;
    give(state, 0, n, a);
    dpotrf_("L", &n, a, &n, &info);
    cr_assert_eq(info, 0);
    dpotri_("L", &n, a, &n, &info);
    cr_assert_eq(info, 0);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            a[(int64_t)i * n + j] = a[(int64_t)j * n + i];
    take(state, 0, n, a);
    mem_free(a);
    return STATUS_OK;
}

static inline void fit_model(struct model *model, const struct fit_data *data) {
    int64_t offsets[FIT_SEQUENCES + 1] = {0};
    int32_t items[FIT_SEQUENCES * FIT_ROOM];
    struct collectives one = {.size = 1, .gather = fit_gather, .sum = fit_sum};
    for (int s = 0; s < data->count; s++) {
        memcpy(items + offsets[s], data->items[s], (size_t)data->length[s] * sizeof *items);
        offsets[s + 1] = offsets[s] + data->length[s];
    }
    struct fit fit = {.local = fit_sequences_of(offsets, items, data->count, data->max_len + 1),
                      .collectives = &one,
                      .bring = fit_bring,
                      .invert = fit_invert};
    fit.context = &fit;
    cr_assert_eq(model->ops->fit(model, &fit), STATUS_OK);
    fit_sequences_free(&fit.local);
}

/* ---- scores ---- */

static inline void compare_scores(struct model *model, const struct fit_data *histories,
                                  const struct fit_reference *reference, double w[FIT_N][FIT_N],
                                  int domain) {
    struct tape tape = {0}, item_tape = {0};
    struct batch batch = {0};
    struct item_view all;
    struct sample samples[FIT_HISTORIES];
    struct rank_count full[FIT_HISTORIES];
    int32_t target[FIT_HISTORIES];
    int lo = domain ? FIT_A : 0, hi = domain ? FIT_N : FIT_A;
    real score[FIT_HISTORIES * FIT_N];
    for (int s = 0; s < histories->count; s++) {
        samples[s] = (struct sample){histories->items[s], histories->length[s], s, NULL};
        target[s] = lo + s;
    }
    model_pack_histories(model, &batch, samples, histories->count);
    tape_begin(&tape, false, 0);
    tape_begin(&item_tape, false, 0);
    model_view(model, &item_tape, NULL, &all);
    struct pass pass = {.tape = &tape, .batch = &batch, .items = &all};
    struct ranking ranking = {.target = target, .full = full, .scores = score};
    model_query(model, &pass, &all, domain, &ranking.query);
    cr_assert_eq(rank_targets(&tape.arena, &ranking), STATUS_OK);
    for (int s = 0; s < histories->count; s++) {
        int n, above = 0, equal = 0;
        const int32_t *item = fit_data_last(histories, s, histories->max_len, &n);
        const real *mine = score + s * (hi - lo);
        for (int j = lo; j < hi; j++) {
            double want = reference->score(model->config, w, item, n, j), size = fabs(want);
            for (int k = 0; k < n; k++)
                size += fabs(w[item[k]][j]);
            cr_expect(fabs((double)mine[j - lo] - want) <= 4 * (double)REAL_EPS * size + 1e-13,
                      "history %d, item %d: %.9g, want %.9g", s, j, (double)mine[j - lo], want);
            above += mine[j - lo] > mine[target[s] - lo];
            equal += j != target[s] && mine[j - lo] == mine[target[s] - lo];
        }
        cr_expect(full[s].above == above && full[s].equal == equal, "history %d: its rank", s);
    }
    batch_free(&batch);
    tape_free(&tape);
    tape_free(&item_tape);
}

static inline void fit_check(const struct fit_reference *reference, const char *const *settings,
                             size_t count) {
    static struct fit_data data, histories;
    static double w[FIT_N][FIT_N];
    fit_data_make(&data, FIT_SEQUENCES, 300);
    fit_data_make(&histories, FIT_HISTORIES, 301);
    for (size_t i = 0; i < count; i++) {
        struct config config;
        struct model model;
        const struct catalogue catalogue = {FIT_N, FIT_A, FIT_LEN};
        options_defaults(&config);
        check_set_all(&config, settings[i]);
        cr_assert_eq(model_configure(&config), STATUS_OK);
        cr_assert_eq(model_create(&model, &config, &catalogue, true), STATUS_OK);
        fit_model(&model, &data);
        cr_expect_null(model.ops->check(&model));
        reference->fit(&data, &config, w);
        for (int domain = 0; domain < 2; domain++)
            compare_scores(&model, &histories, reference, w, domain);
        model.params.list[0].tensor.x[0] = FIT_N; /* the first tensor names items */
        cr_expect_not_null(model.ops->check(&model), "a number that is no item's");
        model_free(&model);
    }
}

#endif
