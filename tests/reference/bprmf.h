/* The reference of BPRMF: see reference.h. */
#ifndef TESTS_REFERENCE_BPRMF_H
#define TESTS_REFERENCE_BPRMF_H
#include "tests/reference/reference.h"

static inline void ref_prepare_bprmf(const struct reference *r) {
    int64_t width = r->config->model.dim + 1;
    const double *id = REF_NAMED(r, "embed.id");
    for (int32_t item = 0; item < r->items; item++)
        memcpy(r->rows[item], id + item * width, (size_t)width * sizeof *id);
}

/* <p, e> + b, the last of an item's numbers. */
static inline double ref_bprmf_logit(const struct reference *r, void *user, int32_t item) {
    int64_t d = r->config->model.dim;
    const double *row = ref_row(r, 0, item);
    return ref_dot(user, row, d) + row[d];
}

/* The vector of user u at token t of the items; of a user that training does not know (-1), or that
 * has none of his own, the mean. */
static inline void ref_user_vector(const struct reference *r, int64_t u, const int32_t *item,
                                   int64_t t, double p[REF_DIM]) {
    int64_t d = r->config->model.dim;
    bool known = u >= 0 && r->config->model.user == USER_TABLE;
    for (int64_t i = 0; i < d; i++) {
        p[i] = known ? REF_NAMED(r, "embed.users")[u * d + i] : 0;
        for (int64_t s = 0; s <= t && !known; s++)
            p[i] += ref_row(r, 0, item[s])[i] / (double)(t + 1);
    }
}

/* Sum of the losses of a model that scores items for the user's vector, and their number. */
static inline void ref_user_losses(const struct reference *r,
                                   double (*score)(const struct reference *, void *, int32_t),
                                   const int32_t *items, int64_t length, double *sum,
                                   int64_t *count) {
    int32_t kept[REF_LENGTH + 1];
    double p[REF_DIM];
    int64_t n = ref_cut(r, 2, items, length, r->max_len + 1, kept) - 1;
    for (int64_t t = 0; t < n; t++) {
        if (!ref_wanted(r, kept[t + 1]))
            continue;
        ref_user_vector(r, r->sequence, kept, t, p);
        *sum += ref_loss(r, 2, t, kept[t + 1], score, p);
        ++*count;
    }
}

static inline void ref_bprmf_losses(const struct reference *r, const int32_t *items, int64_t length,
                                    double *sum, int64_t *count) {
    ref_user_losses(r, ref_bprmf_logit, items, length, sum, count);
}

static inline void ref_bprmf_scores(const struct reference *r, const int32_t *items, int64_t length,
                                    int domain, double *score) {
    int64_t lo = domain ? r->a_items : 0, hi = domain ? r->items : r->a_items;
    int32_t kept[REF_LENGTH];
    double p[REF_DIM], sum = 0;
    int64_t n = ref_cut(r, 2, items, length, r->max_len, kept);
    ref_user_vector(r, -1, kept, n - 1, p);
    for (int64_t i = lo; i < hi; i++)
        sum += score[i - lo] = exp(ref_bprmf_logit(r, p, (int32_t)i));
    for (int64_t i = lo; i < hi; i++)
        score[i - lo] /= sum;
}

#endif
