/* The reference of C2DSR: see reference.h. */
#ifndef TESTS_REFERENCE_C2DSR_H
#define TESTS_REFERENCE_C2DSR_H
#include "core/models/c2dsr.h"
#include "tests/reference/reference.h"

static inline void ref_prepare_c2dsr(const struct reference *r) {
    (void)r;
}

/* Of a stream: the places of the items kept, and their states. */
struct ref_c2dsr_stream {
    int64_t n, at[REF_LENGTH];
    double h[REF_LENGTH][REF_DIM];
};

/* What the items of a position are scored by. */
struct ref_c2dsr_position {
    double q[REF_DIM];
};

/* E + G of an item. */
static inline void ref_c2dsr_row(const struct reference *r, bool mixed, int32_t item, double *x) {
    const double *e = mixed ? REF_NAMED(r, "embed.mixed") : REF_NAMED(r, "embed.own");
    const double *bias =
        mixed ? REF_NAMED(r, "graph.mixed.b")
              : REF_NAMED(r, "graph.own.b") + ref_domain(r, item) * r->config->model.dim;
    const double *follows = r->follows[!mixed] + item * r->items;
    int64_t d = r->config->model.dim;
    double times = 0, mean[REF_DIM] = {0};
    for (int64_t j = 0; j < r->items; j++) {
        times += follows[j];
        for (int64_t i = 0; i < d; i++)
            mean[i] += follows[j] * e[j * d + i];
    }
    for (int64_t i = 0; i < d; i++)
        x[i] =
            e[item * d + i] + (e[item * d + i] + (times > 0 ? mean[i] / times : 0) + bias[i]) / 2;
}

/* States of stream s over the last `most` of its items among items[0..length), given as they are in
 * the sequence and as they are fed. */
static inline void ref_c2dsr_encode(const struct reference *r, int s, const int32_t *items,
                                    const int32_t *fed, int64_t length, int64_t most,
                                    struct ref_c2dsr_stream *out) {
    double e[REF_LENGTH][REF_DIM];
    int64_t all = 0, seen = 0;
    for (int64_t i = 0; i < length; i++)
        all += ref_in(r, s, items[i]);
    out->n = 0;
    for (int64_t i = 0; i < length; i++) {
        if (!ref_in(r, s, items[i]) || seen++ < all - most)
            continue;
        ref_c2dsr_row(r, s == 2, fed[i], e[out->n]);
        out->at[out->n++] = i;
    }
    if (out->n > 0)
        ref_encode(r, ref_streams[s], "id", r->config->model.dim, out->n, e, NULL, out->h);
}

static inline double ref_c2dsr_logit(const struct reference *r, void *state, int32_t item) {
    const struct ref_c2dsr_position *p = state;
    int64_t d = r->config->model.dim;
    double scale = r->config->model.scale;
    const double *row = REF_NAMED(r, "embed.output") + item * (d + 1);
    return scale * (ref_dot(p->q, row, d) + row[d]);
}

/* Of state h_m + h (h NULL: h_m alone), with no item scored from `none`. */
static inline double ref_c2dsr_loss(const struct reference *r, const double *mixed, const double *h,
                                    const double *none, int32_t target) {
    int64_t d = r->config->model.dim;
    double scale = r->config->model.scale;
    struct ref_c2dsr_position p;
    for (int64_t i = 0; i < d; i++)
        p.q[i] = mixed[i] + (h ? h[i] : 0);
    double z = scale * (ref_dot(none, REF_NAMED(r, "none.w"), d) + *REF_NAMED(r, "none.b"));
    double sum = exp(ref_log_sum(r, ref_domain(r, target), target, ref_c2dsr_logit, &p)) + exp(z);
    return log(sum) - ref_c2dsr_logit(r, &p, target);
}

/* D_s(x, y). */
static inline double ref_c2dsr_agreement(const struct reference *r, int s, const double *x,
                                         const double *y) {
    const double *b = ref_param(r, "infomax.%s.w", ref_streams[s], "", 0, "");
    int64_t d = r->config->model.dim;
    double sum = *ref_param(r, "infomax.%s.b", ref_streams[s], "", 0, "");
    for (int64_t i = 0; i < d; i++)
        sum += y[i] * ref_dot(b + i * d, x, d);
    return sum;
}

/* The sequence with the items of domain s as they are, and random ones in place of the others. */
static inline void ref_c2dsr_corrupt(const struct reference *r, int s, const int32_t *items,
                                     int64_t length, int32_t *out) {
    uint64_t key = rng_key((uint64_t)r->config->run.seed, RNG_CORRUPTION, (uint64_t)r->step,
                           (uint64_t)r->sequence);
    int64_t lo = s ? 0 : r->a_items, n = s ? r->a_items : r->items - r->a_items;
    for (int64_t i = 0; i < length; i++)
        out[i] = ref_domain(r, items[i]) == s ? items[i]
                                              : (int32_t)(lo + rng_below(key, (uint64_t)i, n));
}

/* Means over the places of domain s, from the first of the mixed stream on. */
static inline void ref_c2dsr_mean(const struct ref_c2dsr_stream *own,
                                  const struct ref_c2dsr_stream *mixed, bool of_mixed, int64_t d,
                                  double *x) {
    double n = 0;
    memset(x, 0, REF_DIM * sizeof *x);
    for (int64_t k = 0; k < own->n; k++)
        if (own->at[k] >= mixed->at[0]) {
            const double *h = of_mixed ? mixed->h[own->at[k] - mixed->at[0]] : own->h[k];
            for (int64_t i = 0; i < d; i++)
                x[i] += h[i];
            n++;
        }
    for (int64_t i = 0; i < d; i++)
        x[i] /= n;
}

static inline double ref_c2dsr_infomax(const struct reference *r, const int32_t *items,
                                       int64_t length, const struct ref_c2dsr_stream stream[3]) {
    int64_t d = r->config->model.dim;
    double sum = 0, x[REF_DIM], real_y[REF_DIM], false_y[REF_DIM];
    for (int s = 0; s < 2; s++) {
        struct ref_c2dsr_stream corrupted;
        int32_t fed[REF_LENGTH];
        ref_c2dsr_corrupt(r, 1 - s, items, length, fed);
        ref_c2dsr_encode(r, 2, items, fed, length - 1, r->max_len, &corrupted);
        ref_c2dsr_mean(&stream[s], &stream[2], false, d, x);
        ref_c2dsr_mean(&stream[1 - s], &stream[2], true, d, real_y);
        ref_c2dsr_mean(&stream[1 - s], &corrupted, true, d, false_y);
        sum += log1p(exp(-ref_c2dsr_agreement(r, s, x, real_y))) +
               log1p(exp(ref_c2dsr_agreement(r, s, x, false_y)));
    }
    return sum;
}

/* The item behind place i in stream s, -1: none. */
static inline int32_t ref_c2dsr_next(const struct reference *r, int s, const int32_t *items,
                                     int64_t length, int64_t i) {
    for (i++; i < length; i++)
        if (ref_in(r, s, items[i]))
            return items[i];
    return -1;
}

/* The states of the three streams before the last item; a domain's last item, behind which none of the
 * domain stands, is left out. False: the sequence does not count. */
static inline bool ref_c2dsr_streams(const struct reference *r, const int32_t *items,
                                     int64_t length, struct ref_c2dsr_stream stream[3]) {
    bool counts = length > 1;
    for (int s = 2; s >= 0; s--) {
        int64_t end = length;
        while (end > 0 && !ref_in(r, s, items[end - 1]))
            end--;
        ref_c2dsr_encode(r, s, items, items, end > 0 ? end - 1 : 0, r->max_len, &stream[s]);
        counts = counts && stream[s].n > 0 && stream[s].at[stream[s].n - 1] >= stream[2].at[0];
    }
    return counts;
}

static inline void ref_c2dsr_losses(const struct reference *r, const int32_t *items, int64_t length,
                                    double *sum, int64_t *count) {
    const struct c2dsr_options *own = c2dsr_options(r->config);
    struct ref_c2dsr_stream stream[3];
    if (!ref_c2dsr_streams(r, items, length, stream))
        return;
    for (int s = 0; s < 3; s++) {
        for (int64_t k = 0; k < stream[s].n; k++) {
            int64_t at = stream[s].at[k];
            if (at < length - 1 - own->last || at < stream[2].at[0])
                continue;
            sum[s] +=
                ref_c2dsr_loss(r, stream[2].h[at - stream[2].at[0]], s == 2 ? NULL : stream[s].h[k],
                               stream[s].h[k], ref_c2dsr_next(r, s, items, length, at));
        }
        count[s] += own->last;
    }
    if (own->infomax > 0) {
        sum[3] += ref_c2dsr_infomax(r, items, length, stream);
        count[3]++;
    }
}

static inline void ref_c2dsr_scores(const struct reference *r, const int32_t *items, int64_t length,
                                    int domain, double *score) {
    int64_t lo = domain ? r->a_items : 0, hi = domain ? r->items : r->a_items;
    int64_t d = r->config->model.dim;
    struct ref_c2dsr_stream mixed, own;
    struct ref_c2dsr_position p;
    double sum = 0;
    ref_c2dsr_encode(r, 2, items, items, length, r->max_len, &mixed);
    ref_c2dsr_encode(r, domain, items, items, length, r->max_len, &own);
    for (int64_t i = 0; i < d; i++)
        p.q[i] = mixed.h[mixed.n - 1][i] + (own.n > 0 ? own.h[own.n - 1][i] : 0);
    for (int64_t i = lo; i < hi; i++)
        sum += score[i - lo] = exp(ref_c2dsr_logit(r, &p, (int32_t)i));
    for (int64_t i = lo; i < hi; i++)
        score[i - lo] /= sum;
}

#endif
