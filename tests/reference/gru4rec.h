/* The reference of GRU4Rec: see reference.h. */
#ifndef TESTS_REFERENCE_GRU4REC_H
#define TESTS_REFERENCE_GRU4REC_H
#include "core/models/gru4rec.h"
#include "tests/reference/reference.h"

static inline void ref_prepare_gru4rec(const struct reference *r) {
    (void)r;
}

/* What a logit is made of: the state, behind the projection where there is one. */
static inline double ref_gru4rec_logit(const struct reference *r, void *state, int32_t item) {
    const struct gru4rec_options *own = gru4rec_options(r->config);
    int64_t d = r->config->model.dim, h = own->hidden ? own->hidden : d;
    double scale = r->config->model.scale;
    const double *q = state;
    if (own->output == OUTPUT_TIED)
        return scale * ref_dot(q, REF_NAMED(r, "embed.id") + item * d, d);
    const double *row = REF_NAMED(r, "embed.output") + item * (h + 1);
    return scale * (ref_dot(q, row, h) + row[h]);
}

/* What each item of a sequence leaves. */
static inline void ref_gru4rec_states(const struct reference *r, const int32_t *item, int64_t n,
                                      double q[][REF_DIM]) {
    const struct gru4rec_options *own = gru4rec_options(r->config);
    int64_t d = r->config->model.dim, h = own->hidden ? own->hidden : d;
    double s[REF_DIM] = {0}, x[REF_DIM];
    for (int64_t t = 0; t < n; t++) {
        for (int64_t i = 0; i < d; i++)
            x[i] = sqrt((double)d) * REF_NAMED(r, "embed.id")[item[t] * d + i];
        ref_gru(r, "gru", own->cell == CELL_TORCH, d, h, x, s);
        if (own->output == OUTPUT_TIED)
            ref_linear(REF_NAMED(r, "out.w"), REF_NAMED(r, "out.b"), s, d, h, q[t]);
        else
            memcpy(q[t], s, sizeof s);
    }
}

static inline void ref_gru4rec_losses(const struct reference *r, const int32_t *items,
                                      int64_t length, double *sum, int64_t *count) {
    ref_next_item_losses(r, items, length, ref_gru4rec_states, ref_gru4rec_logit, sum, count);
}

static inline void ref_gru4rec_scores(const struct reference *r, const int32_t *items,
                                      int64_t length, int domain, double *score) {
    ref_next_item_scores(r, items, length, domain, ref_gru4rec_states, ref_gru4rec_logit, score);
}

#endif
