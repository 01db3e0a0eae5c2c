/* What the references of pi-Net and PSJNet share: see reference.h. */
#ifndef TESTS_REFERENCE_DOMAIN_UNITS_H
#define TESTS_REFERENCE_DOMAIN_UNITS_H
#include "tests/reference/reference.h"

/* Of a sequence, in each domain: the places of the items kept, and the states they leave. */
struct ref_units {
    int64_t n[2], at[2][REF_LENGTH];
    double h[2][REF_LENGTH][REF_DIM];
};

/* What a source tells an item of `domain` behind the first `places`: t, zero before. */
typedef void ref_source_fn(const struct reference *r, const struct ref_units *u, int domain,
                           int64_t places, double *t);

/* How many items of domain s there are among the first `places`. */
static inline int64_t ref_units_seen(const struct ref_units *u, int s, int64_t places) {
    int64_t n = 0;
    while (n < u->n[s] && u->at[s][n] < places)
        n++;
    return n;
}

/* The latest state of domain s among the first `places`, zero without. */
static inline const double *ref_units_latest(const struct ref_units *u, int s, int64_t places) {
    static const double none[REF_DIM];
    int64_t n = ref_units_seen(u, s, places);
    return n ? u->h[s][n - 1] : none;
}

static inline void ref_units_encode(const struct reference *r, int s, const int32_t *items,
                                    int64_t length, struct ref_units *u) {
    int64_t d = r->config->model.dim, all = 0, seen = 0;
    double state[REF_DIM] = {0}, x[REF_DIM];
    for (int64_t i = 0; i < length; i++)
        all += ref_in(r, s, items[i]);
    u->n[s] = 0;
    for (int64_t place = 0; place < length; place++) {
        if (!ref_in(r, s, items[place]) || seen++ < all - r->max_len)
            continue;
        for (int64_t i = 0; i < d; i++)
            x[i] = sqrt((double)d) * REF_NAMED(r, "embed.id")[items[place] * d + i];
        ref_gru(r, s ? "gru.b" : "gru.a", false, d, d, x, state);
        u->at[s][u->n[s]] = place;
        memcpy(u->h[s][u->n[s]++], state, sizeof state);
    }
}

static inline void ref_units_run(const struct reference *r, const int32_t *items, int64_t length,
                                 struct ref_units *u) {
    for (int s = 0; s < 2; s++)
        ref_units_encode(r, s, items, length, u);
}

/* [t, h] for an item of `domain` behind the first `places`. */
static inline void ref_units_state(const struct reference *r, const struct ref_units *u, int domain,
                                   int64_t places, ref_source_fn *source, double *q) {
    int64_t d = r->config->model.dim;
    memset(q, 0, 2 * REF_DIM * sizeof *q);
    source(r, u, domain, places, q);
    memcpy(q + d, ref_units_latest(u, domain, places), (size_t)d * sizeof *q);
}

static inline double ref_units_logit(const struct reference *r, void *q, int32_t item) {
    int64_t d = r->config->model.dim;
    double scale = r->config->model.scale;
    const double *row = REF_NAMED(r, "embed.output") + item * (2 * d + 1);
    return scale * (ref_dot(q, row, 2 * d) + row[2 * d]);
}

static inline void ref_units_losses(const struct reference *r, const int32_t *items, int64_t length,
                                    ref_source_fn *source, double *sum, int64_t *count) {
    struct ref_units u;
    double q[2 * REF_DIM];
    int64_t first = length > r->max_len ? length - r->max_len : 1;
    ref_units_run(r, items, length - 1, &u);
    for (int64_t i = first; i < length; i++) {
        if (!ref_wanted(r, items[i]))
            continue;
        ref_units_state(r, &u, ref_domain(r, items[i]), i, source, q);
        *sum += ref_loss(r, 2, i - first, items[i], ref_units_logit, q);
        ++*count;
    }
}

static inline void ref_units_scores(const struct reference *r, const int32_t *items, int64_t length,
                                    int domain, ref_source_fn *source, double *score) {
    int64_t lo = domain ? r->a_items : 0, hi = domain ? r->items : r->a_items;
    struct ref_units u;
    double q[2 * REF_DIM], sum = 0;
    ref_units_run(r, items, length, &u);
    ref_units_state(r, &u, domain, length, source, q);
    for (int64_t i = lo; i < hi; i++)
        sum += score[i - lo] = exp(ref_units_logit(r, q, (int32_t)i));
    for (int64_t i = lo; i < hi; i++)
        score[i - lo] /= sum;
}

#endif
