/* The reference of Tri-CDR: see reference.h. */
#ifndef TESTS_REFERENCE_TRICDR_H
#define TESTS_REFERENCE_TRICDR_H
#include "core/models/tricdr.h"
#include "tests/reference/reference.h"

enum { REF_TRI_USERS = 16, REF_TRI_WIDE = 80, REF_TRI_NARROW = 40 };

/* Of the last targets of the sequences so far: unit projections and u, by mixed, source, target. */
struct ref_tricdr {
    int64_t n;
    double p[REF_TRI_USERS][3][REF_DIM], u[REF_TRI_USERS][3][REF_DIM];
};
static struct ref_tricdr ref_tri;

static inline void ref_prepare_tri(const struct reference *r) {
    (void)r;
    ref_tri.n = 0;
}

/* States of stream s of items[0..length), and the place of each among all. */
static inline int64_t ref_tri_stream(const struct reference *r, int s, const int32_t *items,
                                     int64_t length, double h[][REF_DIM], int64_t *at) {
    const double *table = s == 2 ? REF_NAMED(r, "embed.mixed") : REF_NAMED(r, "embed.id");
    double e[REF_LENGTH][REF_DIM];
    int64_t n = 0, all = 0, d = r->config->model.dim;
    for (int64_t i = 0; i < length; i++)
        all += ref_in(r, s, items[i]);
    for (int64_t i = 0, seen = 0; i < length; i++)
        if (ref_in(r, s, items[i]) && seen++ >= all - r->max_len) {
            memcpy(e[n], table + items[i] * d, (size_t)d * sizeof **e);
            at[n++] = i;
        }
    if (n > 0)
        ref_encode(r, ref_streams[s], "id", d, n, e, NULL, h);
    return n;
}

static inline double ref_tri_rectify(double x, double slope) {
    return x > 0 ? x : slope * x;
}

/* The attention's network, its first layer written as five blocks. */
static inline double ref_tri_score(const struct reference *r, const double *h, const double *q,
                                   const double *m) {
    int64_t d = r->config->model.dim;
    double x[REF_TRI_WIDE], y[REF_TRI_NARROW], product[REF_DIM], out;
    for (int64_t i = 0; i < d; i++)
        product[i] = h[i] * q[i];
    for (int o = 0; o < REF_TRI_WIDE; o++)
        x[o] = ref_tri_rectify(ref_dot(REF_NAMED(r, "attend.key.w") + o * d, h, d) +
                                   ref_dot(REF_NAMED(r, "attend.query.w") + o * d, q, d) +
                                   ref_dot(REF_NAMED(r, "attend.product.w") + o * d, product, d) +
                                   ref_dot(REF_NAMED(r, "attend.mean.w") + o * d, m, d) +
                                   REF_NAMED(r, "attend.query.b")[o],
                               *REF_NAMED(r, "attend.slope1"));
    ref_linear(REF_NAMED(r, "attend.narrow.w"), REF_NAMED(r, "attend.narrow.b"), x, REF_TRI_NARROW,
               REF_TRI_WIDE, y);
    for (int o = 0; o < REF_TRI_NARROW; o++)
        y[o] = ref_tri_rectify(y[o], *REF_NAMED(r, "attend.slope2"));
    ref_linear(REF_NAMED(r, "attend.score.w"), REF_NAMED(r, "attend.score.b"), y, 1, REF_TRI_NARROW,
               &out);
    return out;
}

/* u of the mixed, the source and the target stream, of a target in `domain` behind item `now`.
 * False: a stream has no items up to there. */
static inline bool ref_tri_attend(const struct reference *r, const int64_t n[3],
                                  double h[3][REF_LENGTH][REF_DIM], int64_t at[3][REF_LENGTH],
                                  int64_t now, int domain, double u[3][REF_DIM]) {
    int64_t d = r->config->model.dim, seen[3] = {0};
    const int stream[3] = {2, 1 - domain, domain};
    double q[REF_DIM] = {0}, m[REF_DIM] = {0}, weight[REF_LENGTH];
    for (int s = 0; s < 3; s++)
        while (seen[s] < n[s] && at[s][seen[s]] <= now)
            seen[s]++;
    if (seen[domain] > 0)
        memcpy(q, h[domain][seen[domain] - 1], sizeof q);
    for (int64_t t = 0; t < seen[2]; t++)
        for (int64_t i = 0; i < d; i++)
            m[i] += h[2][t][i] / (double)seen[2];
    memset(u, 0, 3 * sizeof *u);
    for (int k = 0; k < 3; k++) {
        double sum = 0;
        for (int64_t t = 0; t < seen[stream[k]]; t++)
            sum += weight[t] = exp(ref_tri_score(r, h[stream[k]][t], q, m));
        for (int64_t t = 0; t < seen[stream[k]]; t++)
            for (int64_t i = 0; i < d; i++)
                u[k][i] += weight[t] / sum * h[stream[k]][t][i];
    }
    return seen[0] > 0 && seen[1] > 0;
}

static inline void ref_tri_fuse(const struct reference *r, double u[3][REF_DIM], double *z) {
    int64_t d = r->config->model.dim;
    double all[3 * REF_DIM], x[REF_DIM];
    for (int k = 0; k < 3; k++)
        memcpy(all + k * d, u[k], (size_t)d * sizeof *all);
    ref_linear(REF_NAMED(r, "fuse.1.w"), REF_NAMED(r, "fuse.1.b"), all, d, 3 * d, x);
    for (int64_t i = 0; i < d; i++)
        x[i] = ref_tri_rectify(x[i], (double)(real)0.01);
    ref_linear(REF_NAMED(r, "fuse.2.w"), REF_NAMED(r, "fuse.2.b"), x, d, d, z);
}

static inline double ref_tri_logit(const struct reference *r, void *z, int32_t item) {
    int64_t d = r->config->model.dim;
    return ref_scale(r, "id") * ref_cosine(z, REF_NAMED(r, "embed.id") + item * d, d);
}

static inline void ref_tri_project(const struct reference *r, int k, const double *u, double *p) {
    static const char *const role[] = {"mixed", "source", "target"};
    int64_t d = r->config->model.dim;
    double x[REF_DIM];
#define C(name) ref_param(r, "contrast.%s." name, role[k], "", 0, "")
    ref_linear(C("1.w"), C("1.b"), u, d, d, x);
    for (int64_t i = 0; i < d; i++)
        x[i] = ref_tri_rectify(x[i], 0);
    ref_linear(C("2.w"), C("2.b"), x, d, d, p);
#undef C
    double norm = sqrt(ref_dot(p, p, d));
    for (int64_t i = 0; i < d; i++)
        p[i] /= norm;
}

static inline void ref_tri_keep(const struct reference *r, double u[3][REF_DIM]) {
    for (int k = 0; k < 3; k++) {
        memcpy(ref_tri.u[ref_tri.n][k], u[k], sizeof *u);
        if (tricdr_options(r->config)->contrast > 0)
            ref_tri_project(r, k, u[k], ref_tri.p[ref_tri.n][k]);
    }
    ref_tri.n++;
}

/* The sum of the losses of the targets of a sequence. */
static inline double ref_tri_sequence(const struct reference *r, const int32_t *items,
                                      int64_t length, int64_t *count) {
    double h[3][REF_LENGTH][REF_DIM], u[3][REF_DIM], z[REF_DIM], loss = 0;
    int64_t at[3][REF_LENGTH], n[3];
    for (int s = 0; s < 3; s++)
        n[s] = ref_tri_stream(r, s, items, length - 1, h[s], at[s]);
    int64_t first = length - r->max_len > 1 ? length - r->max_len : 1;
    for (int64_t i = first; i < length; i++) {
        int domain = ref_domain(r, items[i]);
        if (!ref_wanted(r, items[i]))
            continue;
        bool all = ref_tri_attend(r, n, h, at, i - 1, domain, u);
        ref_tri_fuse(r, u, z);
        loss += ref_loss(r, 2, i - first, items[i], ref_tri_logit, z);
        ++*count;
        if (all && i == length - 1)
            ref_tri_keep(r, u);
    }
    return loss;
}

/* Mean of l over the points of two views, as it is defined. */
static inline double ref_tri_pair(const struct reference *r, int a, int b) {
    int64_t n = ref_tri.n, d = r->config->model.dim;
    double loss = 0, temperature = tricdr_options(r->config)->temperature;
    for (int64_t i = 0; i < 2 * n; i++) {
        const double *z = ref_tri.p[i % n][i < n ? a : b];
        double sum = 0;
        for (int64_t k = 0; k < 2 * n; k++)
            if (k != i)
                sum += exp(ref_dot(z, ref_tri.p[k % n][k < n ? a : b], d) / temperature);
        loss += log(sum) - ref_dot(z, ref_tri.p[i % n][i < n ? b : a], d) / temperature;
    }
    return loss / (2 * (double)n);
}

/* The losses of the last positions, in the places of those that there are. */
static inline void ref_tri_last(const struct reference *r, double *mean) {
    const struct tricdr_options *own = tricdr_options(r->config);
    int64_t d = r->config->model.dim;
    double triplet = 0;
    for (int64_t i = 0; i < ref_tri.n; i++) {
        double near = 0, far = 0;
        for (int64_t k = 0; k < d; k++) {
            near += pow(ref_tri.u[i][1][k] - ref_tri.u[i][0][k], 2);
            far += pow(ref_tri.u[i][1][k] - ref_tri.u[i][2][k], 2);
        }
        triplet += fmax(0, sqrt(near) - sqrt(far) + own->margin) / (double)ref_tri.n;
    }
    int at = 1;
    if (own->contrast > 0)
        mean[at++] = (ref_tri_pair(r, 0, 1) + ref_tri_pair(r, 0, 2) + ref_tri_pair(r, 1, 2)) / 3;
    if (own->weight > 0)
        mean[at] = triplet;
}

static inline void ref_tri_scores(const struct reference *r, const int32_t *items, int64_t length,
                                  int domain, double *score) {
    int64_t lo = domain ? r->a_items : 0, hi = domain ? r->items : r->a_items;
    double h[3][REF_LENGTH][REF_DIM], u[3][REF_DIM], z[REF_DIM], sum = 0;
    int64_t at[3][REF_LENGTH], n[3];
    for (int s = 0; s < 3; s++)
        n[s] = ref_tri_stream(r, s, items, length, h[s], at[s]);
    (void)ref_tri_attend(r, n, h, at, length - 1, domain, u);
    ref_tri_fuse(r, u, z);
    for (int64_t i = lo; i < hi; i++)
        sum += score[i - lo] = exp(ref_tri_logit(r, z, (int32_t)i));
    for (int64_t i = lo; i < hi; i++)
        score[i - lo] /= sum;
}

#endif
