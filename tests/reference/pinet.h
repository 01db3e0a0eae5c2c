/* The reference of pi-Net: see reference.h. */
#ifndef TESTS_REFERENCE_PINET_H
#define TESTS_REFERENCE_PINET_H
#include "core/models/pinet.h"
#include "tests/reference/reference.h"

/* What a sequence leaves in each domain: the places of the items kept, states and what goes over to
 * the other domain. */
struct ref_pinet {
    int64_t n[2], at[2][REF_LENGTH];
    double h[2][REF_LENGTH][REF_DIM], t[2][REF_LENGTH][REF_DIM];
};

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

/* How many items of domain s there are among the first `places`. */
static inline int64_t ref_pinet_seen(const struct ref_pinet *p, int s, int64_t places) {
    int64_t n = 0;
    while (n < p->n[s] && p->at[s][n] < places)
        n++;
    return n;
}

/* h of domain s. */
static inline void ref_pinet_encode(const struct reference *r, int s, const int32_t *items,
                                    int64_t length, struct ref_pinet *p) {
    int64_t d = r->config->model.dim, all = 0, seen = 0;
    double state[REF_DIM] = {0}, x[REF_DIM];
    for (int64_t i = 0; i < length; i++)
        all += ref_in(r, s, items[i]);
    p->n[s] = 0;
    for (int64_t place = 0; place < length; place++) {
        if (!ref_in(r, s, items[place]) || seen++ < all - r->max_len)
            continue;
        for (int64_t i = 0; i < d; i++)
            x[i] = sqrt((double)d) * REF_NAMED(r, "embed.id")[items[place] * d + i];
        ref_gru(r, s ? "gru.b" : "gru.a", false, d, d, x, state);
        p->at[s][p->n[s]] = place;
        memcpy(p->h[s][p->n[s]++], state, sizeof state);
    }
}

static inline void ref_pinet_run(const struct reference *r, const int32_t *items, int64_t length,
                                 struct ref_pinet *p) {
    static const double none[REF_DIM];
    int64_t d = r->config->model.dim;
    for (int s = 0; s < 2; s++)
        ref_pinet_encode(r, s, items, length, p);
    for (int s = 0; s < 2; s++) {
        double filter[REF_DIM] = {0}, state[REF_DIM] = {0};
        for (int64_t i = 0; i < p->n[s]; i++) {
            int64_t others = ref_pinet_seen(p, 1 - s, p->at[s][i]);
            ref_pinet_filter(r, ref_streams[s], p->h[s][i], others ? p->h[1 - s][others - 1] : none,
                             filter);
            ref_gru(r, s ? "transfer.b" : "transfer.a", false, d, d, filter, state);
            memcpy(p->t[s][i], state, sizeof state);
        }
    }
}

/* [t, h] for an item of `domain` behind the first `places`. */
static inline void ref_pinet_state(const struct reference *r, const struct ref_pinet *p, int domain,
                                   int64_t places, double *q) {
    int64_t d = r->config->model.dim, own = ref_pinet_seen(p, domain, places),
            others = ref_pinet_seen(p, 1 - domain, places);
    memset(q, 0, 2 * REF_DIM * sizeof *q);
    if (others)
        memcpy(q, p->t[1 - domain][others - 1], (size_t)d * sizeof *q);
    if (own)
        memcpy(q + d, p->h[domain][own - 1], (size_t)d * sizeof *q);
}

static inline double ref_pinet_logit(const struct reference *r, void *q, int32_t item) {
    int64_t d = r->config->model.dim;
    double scale = r->config->model.scale.count ? r->config->model.scale.value[0] : 1;
    const double *row = REF_NAMED(r, "embed.output") + item * (2 * d + 1);
    return scale * (ref_dot(q, row, 2 * d) + row[2 * d]);
}

static inline void ref_pinet_losses(const struct reference *r, const int32_t *items, int64_t length,
                                    double *sum, int64_t *count) {
    struct ref_pinet p;
    double q[2 * REF_DIM];
    int wanted = r->config->train.target;
    ref_pinet_run(r, items, length - 1, &p);
    for (int64_t i = length > r->max_len ? length - r->max_len : 1; i < length; i++) {
        int domain = ref_domain(r, items[i]);
        bool all = wanted == TARGET_BOTH && r->config->model.mixed_softmax == MIXED_ALL;
        if (wanted != TARGET_BOTH && domain != (wanted == TARGET_B))
            continue;
        ref_pinet_state(r, &p, domain, i, q);
        *sum += ref_log_sum(r, all ? 2 : domain, items[i], ref_pinet_logit, q) -
                ref_pinet_logit(r, q, items[i]);
        ++*count;
    }
}

static inline void ref_pinet_scores(const struct reference *r, const int32_t *items, int64_t length,
                                    int domain, double *score) {
    int64_t lo = domain ? r->a_items : 0, hi = domain ? r->items : r->a_items;
    struct ref_pinet p;
    double q[2 * REF_DIM], sum = 0;
    ref_pinet_run(r, items, length, &p);
    ref_pinet_state(r, &p, domain, length, q);
    for (int64_t i = lo; i < hi; i++)
        sum += score[i - lo] = exp(ref_pinet_logit(r, q, (int32_t)i));
    for (int64_t i = lo; i < hi; i++)
        score[i - lo] /= sum;
}

#endif
