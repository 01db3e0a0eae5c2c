/* The reference of NCF: see reference.h. */
#ifndef TESTS_REFERENCE_NCF_H
#define TESTS_REFERENCE_NCF_H
#include "core/models/ncf.h"
#include "tests/reference/bprmf.h"

static inline void ref_prepare_ncf(const struct reference *r) {
    int64_t d = r->config->model.dim;
    const double *id = REF_NAMED(r, "embed.id");
    for (int32_t item = 0; item < r->items; item++)
        memcpy(r->rows[item], id + item * d, (size_t)d * sizeof *id);
}

/* The tower over the vectors of a user and an item side by side. */
static inline double ref_ncf_score(const struct reference *r, void *user, int32_t item) {
    const struct numbers *tower = &ncf_options(r->config)->tower;
    int64_t d = r->config->model.dim, n = (int64_t)tower->value[0];
    double h[REF_DIM], of_user[REF_DIM], y[REF_DIM];
    ref_linear(REF_NAMED(r, "tower.0.item.w"), REF_NAMED(r, "tower.0.item.b"), ref_row(r, 0, item),
               n, d, h);
    ref_linear(REF_NAMED(r, "tower.0.user.w"), NULL, user, n, d, of_user);
    for (int64_t i = 0; i < n; i++)
        h[i] += of_user[i];
    for (int k = 1; k <= tower->count; k++) {
        int64_t out = k < tower->count ? (int64_t)tower->value[k] : 1;
        for (int64_t i = 0; i < n; i++)
            h[i] = fmax(h[i], 0);
        ref_linear(ref_param(r, "tower.%s%s%d.w", "", "", k, ""),
                   ref_param(r, "tower.%s%s%d.b", "", "", k, ""), h, out, n, y);
        memcpy(h, y, sizeof h);
        n = out;
    }
    return h[0];
}

static inline void ref_ncf_losses(const struct reference *r, const int32_t *items, int64_t length,
                                  double *sum, int64_t *count) {
    ref_user_losses(r, ref_ncf_score, items, length, sum, count);
}

static inline void ref_ncf_scores(const struct reference *r, const int32_t *items, int64_t length,
                                  int domain, double *score) {
    int64_t lo = domain ? r->a_items : 0, hi = domain ? r->items : r->a_items;
    int32_t kept[REF_LENGTH];
    double p[REF_DIM];
    int64_t n = ref_cut(r, 2, items, length, r->max_len, kept);
    ref_user_vector(r, -1, kept, n - 1, p);
    for (int64_t i = lo; i < hi; i++)
        score[i - lo] = ref_ncf_score(r, p, (int32_t)i);
}

#endif
