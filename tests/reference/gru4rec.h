/* The reference of GRU4Rec: see reference.h. */
#ifndef TESTS_REFERENCE_GRU4REC_H
#define TESTS_REFERENCE_GRU4REC_H
#include "core/models/gru4rec.h"
#include "tests/reference/reference.h"

static inline double ref_sigma(double x) {
    return 1 / (1 + exp(-x));
}

/* The next state of a recurrent unit called `name` from the state s, in place; `after`: the reset gate
 * stands behind the product. */
static inline void ref_gru(const struct reference *r, const char *name, bool after, int64_t in,
                           int64_t h, const double *x, double *s) {
    const double *xw = ref_param(r, "%s.x.w", name, "", 0, ""),
                 *xb = ref_param(r, "%s.x.b", name, "", 0, ""),
                 *hw = ref_param(r, "%s.h.w", name, "", 0, ""),
                 *hb = after ? ref_param(r, "%s.h.b", name, "", 0, "") : NULL;
    double a[3 * REF_DIM], m[3 * REF_DIM], gated[REF_DIM], next[REF_DIM];
    ref_linear(xw, xb, x, 3 * h, in, a);
    ref_linear(hw, hb, s, 3 * h, h, m);
    for (int64_t i = 0; i < h; i++)
        gated[i] = ref_sigma(a[i] + m[i]) * s[i];
    for (int64_t i = 0; i < h; i++) {
        double reset = ref_sigma(a[i] + m[i]), update = ref_sigma(a[h + i] + m[h + i]);
        double c = after ? tanh(a[2 * h + i] + reset * m[2 * h + i])
                         : tanh(a[2 * h + i] + ref_dot(hw + (2 * h + i) * h, gated, h));
        next[i] = update * s[i] + (1 - update) * c;
    }
    memcpy(s, next, (size_t)h * sizeof *s);
}

static inline void ref_prepare_gru4rec(const struct reference *r) {
    (void)r;
}

/* What a logit is made of: the state, behind the projection where there is one. */
static inline double ref_gru4rec_logit(const struct reference *r, void *state, int32_t item) {
    const struct gru4rec_options *own = gru4rec_options(r->config);
    int64_t d = r->config->model.dim, h = own->hidden ? own->hidden : d;
    double scale = r->config->model.scale.count ? r->config->model.scale.value[0] : 1;
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
    double s[REF_DIM] = {0};
    for (int64_t t = 0; t < n; t++) {
        ref_gru(r, "gru", own->cell == CELL_TORCH, d, h, REF_NAMED(r, "embed.id") + item[t] * d, s);
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
