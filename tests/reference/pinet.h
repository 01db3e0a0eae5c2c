/* The reference of pi-Net: see reference.h. */
#ifndef TESTS_REFERENCE_PINET_H
#define TESTS_REFERENCE_PINET_H
#include "core/models/pinet.h"
#include "tests/reference/transfer.h"

static inline void ref_prepare_pinet(const struct reference *r) {
    (void)r;
}

/* The next state of a domain's filter, in place. */
static inline void ref_pinet_filter(const struct reference *r, const char *s, const double *h,
                                    const double *c, double *state) {
#define P(name) ref_param(r, "filter.%s." name, s, "", 0, "")
    const struct pinet_options *own = pinet_options(r->config);
    int64_t d = r->config->model.dim;
    const double *of_g =
        own->projections == PROJECTIONS_SEPARATE ? P("members.candidate.w") : P("members.gate.w");
    double next[REF_DIM] = {0};
    for (int64_t k = 0; k < own->members; k++)
        for (int64_t i = 0; i < d; i++) {
            const double *e = P("members") + k * d, *w = P("gate.w") + i * 2 * d;
            double f = ref_sigma(ref_dot(w, h, d) + ref_dot(w + d, c, d) +
                                 ref_dot(P("h.w") + i * d, state, d) + P("gate.b")[i] +
                                 ref_dot(P("members.gate.w") + i * d, e, d));
            double g = tanh(ref_dot(P("candidate.w") + i * d, h, d) +
                            ref_dot(P("h.w") + (d + i) * d, state, d) + P("candidate.b")[i] +
                            ref_dot(of_g + i * d, e, d));
            next[i] += (f * state[i] + (1 - f) * g) / (double)own->members;
        }
    memcpy(state, next, sizeof next);
#undef P
}

static inline void ref_pinet_source(const struct reference *r, const struct ref_units *u,
                                    int domain, int64_t places, double *t) {
    ref_transfer(r, u, 1 - domain, places, ref_pinet_filter, t);
}

static inline void ref_pinet_losses(const struct reference *r, const int32_t *items, int64_t length,
                                    double *sum, int64_t *count) {
    ref_units_losses(r, items, length, ref_pinet_source, sum, count);
}

static inline void ref_pinet_scores(const struct reference *r, const int32_t *items, int64_t length,
                                    int domain, double *score) {
    ref_units_scores(r, items, length, domain, ref_pinet_source, score);
}

#endif
