/* The reference of SASRec: see reference.h. */
#ifndef TESTS_REFERENCE_SASREC_H
#define TESTS_REFERENCE_SASREC_H
#include "core/models/sasrec.h"
#include "tests/reference/reference.h"

static inline void ref_prepare_sasrec(const struct reference *r) {
    int64_t d = r->config->model.dim;
    const double *id = REF_NAMED(r, "embed.id");
    for (int32_t item = 0; item < r->items; item++)
        memcpy(r->rows[item], id + item * d, (size_t)d * sizeof *id);
}

static inline double ref_sasrec_logit(const struct reference *r, void *state, int32_t item) {
    int64_t d = r->config->model.dim;
    double scale = r->config->model.scale.count ? r->config->model.scale.value[0] : 1;
    if (sasrec_options(r->config)->similarity == SIMILARITY_COSINE)
        return ref_scale(r, "id") * ref_cosine(state, ref_row(r, 0, item), d);
    return scale * ref_dot(state, ref_row(r, 0, item), d);
}

/* States of the last items of a history; returns their number. */
static inline int64_t ref_sasrec_states(const struct reference *r, const int32_t *item, int64_t n,
                                        double h[][REF_DIM]) {
    double e[REF_LENGTH][REF_DIM];
    for (int64_t t = 0; t < n; t++)
        memcpy(e[t], ref_row(r, 0, item[t]), sizeof e[t]);
    ref_encode(r, "mixed", "id", r->config->model.dim, n, e, NULL, h);
    return n;
}

/* Sum of -log P over the targets of train.target, and their number. */
static inline void ref_sasrec_losses(const struct reference *r, const int32_t *items,
                                     int64_t length, double *sum, int64_t *count) {
    int32_t kept[REF_LENGTH + 1];
    double h[REF_LENGTH][REF_DIM];
    int64_t n = ref_cut(r, 2, items, length, r->max_len + 1, kept) - 1;
    ref_sasrec_states(r, kept, n, h);
    for (int64_t t = 0; t < n; t++)
        if (ref_wanted(r, kept[t + 1])) {
            *sum += ref_loss(r, 2, t, kept[t + 1], ref_sasrec_logit, h[t]);
            ++*count;
        }
}

/* Probabilities of the domain's items after a history. */
static inline void ref_sasrec_scores(const struct reference *r, const int32_t *items,
                                     int64_t length, int domain, double *score) {
    int64_t lo = domain ? r->a_items : 0, hi = domain ? r->items : r->a_items;
    int32_t kept[REF_LENGTH];
    double h[REF_LENGTH][REF_DIM], sum = 0;
    int64_t n = ref_cut(r, 2, items, length, r->max_len, kept);
    ref_sasrec_states(r, kept, n, h);
    for (int64_t i = lo; i < hi; i++)
        sum += score[i - lo] = exp(ref_sasrec_logit(r, h[n - 1], (int32_t)i));
    for (int64_t i = lo; i < hi; i++)
        score[i - lo] /= sum;
}

#endif
