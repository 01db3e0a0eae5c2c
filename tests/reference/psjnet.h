/* The reference of PSJNet-II: see reference.h. */
#ifndef TESTS_REFERENCE_PSJNET_H
#define TESTS_REFERENCE_PSJNET_H
#include "core/models/psjnet.h"
#include "tests/reference/domain_units.h"

enum { REF_ROLES = 4 };

static inline void ref_prepare_psjnet(const struct reference *r) {
    if (psjnet_options(r->config)->roles > REF_ROLES)
        abort();
}

/* Arguments of gate and candidate of role k in column i, from its state. */
static inline void ref_psjnet_arguments(const struct reference *r, const char *s, const double *h,
                                        const double *c, const double *state, int64_t k, int64_t i,
                                        double *q, double *g) {
#define P(name) ref_param(r, "split.%s." name, s, "", 0, "")
    int64_t d = r->config->model.dim;
    const double *w = P("gate.w") + i * 2 * d, *u = P("roles") + k * d;
    *q = ref_dot(w, h, d) + ref_dot(w + d, c, d) + ref_dot(P("h.w") + i * d, state, d) +
         ref_dot(P("roles.gate.w") + i * d, u, d) + P("gate.b")[i];
    *g = ref_dot(P("candidate.w") + i * d, h, d) + ref_dot(P("h.w") + (d + i) * d, state, d) +
         ref_dot(P("roles.candidate.w") + i * d, u, d) + P("candidate.b")[i];
}

/* The next states of a source's roles, in place. */
static inline void ref_psjnet_split(const struct reference *r, const char *s, const double *h,
                                    const double *c, double state[][REF_DIM]) {
    int64_t d = r->config->model.dim, roles = psjnet_options(r->config)->roles;
    double next[REF_ROLES][REF_DIM] = {0}, q[REF_ROLES], g[REF_ROLES];
    for (int64_t i = 0; i < d; i++) {
        const double *none = P("none.w") + i * 2 * d;
        double sum = exp(ref_dot(none, h, d) + ref_dot(none + d, c, d) + P("none.b")[i]);
        for (int64_t k = 0; k < roles; k++) {
            ref_psjnet_arguments(r, s, h, c, state[k], k, i, &q[k], &g[k]);
            sum += exp(q[k]);
        }
        for (int64_t k = 0; k < roles; k++) {
            double f = ref_sigma(q[k]) * exp(q[k]) / sum;
            next[k][i] = f * tanh(g[k]) + (1 - f) * state[k][i];
        }
    }
    memcpy(state, next, sizeof next);
#undef P
}

/* The attention from the last state of the domain to all roles at all times of the source. */
static inline void ref_psjnet_source(const struct reference *r, const struct ref_units *u,
                                     int domain, int64_t places, double *t) {
#define P(name) ref_param(r, "join.%s." name, ref_streams[s], "", 0, "")
    int s = 1 - domain;
    int64_t d = r->config->model.dim, roles = psjnet_options(r->config)->roles;
    double state[REF_ROLES][REF_DIM] = {0}, total = 0;
    const double *own = ref_units_latest(u, domain, places);
    for (int64_t i = 0; i < ref_units_seen(u, s, places); i++) {
        ref_psjnet_split(r, ref_streams[s], u->h[s][i], ref_units_latest(u, domain, u->at[s][i]),
                         state);
        for (int64_t k = 0; k < roles; k++) {
            double score = 0;
            for (int64_t c = 0; c < d; c++)
                score += P("v")[c] * tanh(ref_dot(P("row.w") + c * d, state[k], d) + P("row.b")[c] +
                                          ref_dot(P("query.w") + c * d, own, d));
            total += exp(score);
            for (int64_t c = 0; c < d; c++)
                t[c] += exp(score) * state[k][c];
        }
    }
    for (int64_t c = 0; c < d && total > 0; c++)
        t[c] /= total;
#undef P
}

static inline void ref_psjnet_losses(const struct reference *r, const int32_t *items,
                                     int64_t length, double *sum, int64_t *count) {
    ref_units_losses(r, items, length, ref_psjnet_source, sum, count);
}

static inline void ref_psjnet_scores(const struct reference *r, const int32_t *items,
                                     int64_t length, int domain, double *score) {
    ref_units_scores(r, items, length, domain, ref_psjnet_source, score);
}

#endif
