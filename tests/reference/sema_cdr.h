/* The reference of SemaCDR: see reference.h. */
#ifndef TESTS_REFERENCE_SEMA_CDR_H
#define TESTS_REFERENCE_SEMA_CDR_H
#include "core/models/sema_cdr.h"
#include "tests/reference/reference.h"

/* Adapted row of view v (1: specific, 2: agnostic) of an item; false: it has none. */
static inline bool ref_view(const struct reference *r, int v, int32_t item, double *out) {
    int64_t d = r->config->model.dim;
    double row[REF_DIM], x[REF_DIM];
    bool there = false;
    for (int64_t i = 0; i < r->dim[v]; i++) {
        row[i] = (double)r->table[v][item * r->dim[v] + i];
        there = there || row[i] != 0;
    }
#define V(name) (v == 1 ? REF_NAMED(r, "view.specific." name) : REF_NAMED(r, "view.agnostic." name))
    ref_linear(V("1.w"), V("1.b"), row, d, r->dim[v], x);
    for (int64_t i = 0; i < d; i++)
        x[i] *= 0.5 * (1 + erf(x[i] / sqrt(2)));
    ref_linear(V("2.w"), V("2.b"), x, d, d, out);
#undef V
    return there;
}

static inline void ref_item(const struct reference *r, int32_t item, double *e) {
    static const char *const gates[] = {"gate.id", "gate.specific", "gate.agnostic"};
    int64_t d = r->config->model.dim;
    double view[3][REF_DIM], weight[3], sum = 0;
    for (int v = 0; v < 3; v++) {
        bool there = v == 0 || ref_view(r, v, item, view[v]);
        if (v == 0)
            memcpy(view[0], REF_NAMED(r, "embed.id") + item * d, (size_t)d * sizeof **view);
        weight[v] = there ? exp(ref_dot(ref_param(r, "%s.w", gates[v], "", 0, ""), view[v], d) +
                                *ref_param(r, "%s.b", gates[v], "", 0, ""))
                          : 0;
        sum += weight[v];
    }
    memset(e, 0, (size_t)d * sizeof *e);
    for (int v = 0; v < 3; v++)
        for (int64_t i = 0; i < d && weight[v] > 0; i++)
            e[i] += weight[v] / sum * view[v][i];
}

static inline void ref_prepare_sema(const struct reference *r) {
    for (int32_t item = 0; item < r->items; item++)
        ref_item(r, item, r->rows[item]);
}

static inline double ref_item_logit(const struct reference *r, void *state, int32_t item) {
    const double *u = state;
    return ref_scale(r, "id") * ref_cosine(u, r->rows[item], r->config->model.dim);
}

/* States of stream s of items[0..length), and the index of the last item of each among all items.
 */
static inline int64_t ref_sema_stream(const struct reference *r, int s, const int32_t *items,
                                      int64_t length, double h[][REF_DIM], int64_t *at) {
    double e[REF_LENGTH][REF_DIM];
    int64_t n = 0, all = 0, d = r->config->model.dim;
    for (int64_t i = 0; i < length; i++)
        all += ref_in(r, s, items[i]);
    for (int64_t i = 0, seen = 0; i < length; i++)
        if (ref_in(r, s, items[i]) && seen++ >= all - r->max_len) {
            memcpy(e[n], r->rows[items[i]], sizeof e[n]);
            at[n++] = i;
        }
    if (n > 0)
        ref_encode(r, ref_encoder(r, s), "id", d, n, e, NULL, h);
    return n;
}

/* u for a target in `domain` after item `now` of a sequence: of every stream the last state up to
 * it. */
static inline void ref_fuse(const struct reference *r, const int64_t n[3],
                            double h[3][REF_LENGTH][REF_DIM], int64_t at[3][REF_LENGTH],
                            int64_t now, int domain, double *u) {
    int64_t d = r->config->model.dim;
    bool adaptive = sema_options(r->config)->stream_fusion == STREAM_FUSION_ADAPTIVE;
    double sum = 0;
    memset(u, 0, (size_t)d * sizeof *u);
    for (int s = 0; s < 3; s++) {
        int64_t last = -1;
        double hidden[REF_DIM], weight = 1;
        for (int64_t t = 0; t < n[s]; t++)
            last = at[s][t] <= now ? t : last;
        if (last < 0)
            continue;
        if (adaptive) {
            ref_linear(REF_NAMED(r, "streams.w"), REF_NAMED(r, "streams.b"), h[s][last], d, d,
                       hidden);
            for (int64_t i = 0; i < d; i++)
                hidden[i] = tanh(hidden[i]);
            int role = s == 2 ? 2 : s == domain ? 0 : 1;
            weight = exp(ref_dot(REF_NAMED(r, "streams.score.w") + role * d, hidden, d) +
                         REF_NAMED(r, "streams.score.b")[role]);
        }
        sum += weight;
        for (int64_t i = 0; i < d; i++)
            u[i] += weight * h[s][last][i];
    }
    for (int64_t i = 0; i < d; i++)
        u[i] /= sum;
}

/* Sum of -log P over the last max_len targets of a sequence in the domains trained for. */
static inline double ref_sema_sequence(const struct reference *r, const int32_t *items,
                                       int64_t length, int64_t *count) {
    double h[3][REF_LENGTH][REF_DIM], u[REF_DIM], loss = 0;
    int64_t at[3][REF_LENGTH], n[3];
    int target = r->config->train.target;
    bool all = r->config->model.mixed_softmax == MIXED_ALL && target == TARGET_BOTH;
    for (int s = 0; s < 3; s++)
        n[s] = ref_sema_stream(r, s, items, length - 1, h[s], at[s]);
    for (int64_t i = length - r->max_len > 1 ? length - r->max_len : 1; i < length; i++) {
        int domain = ref_domain(r, items[i]);
        if (target != TARGET_BOTH && domain != (target == TARGET_B))
            continue;
        ref_fuse(r, n, h, at, i - 1, domain, u);
        loss += ref_log_sum(r, all ? 2 : domain, items[i], ref_item_logit, u) -
                ref_item_logit(r, u, items[i]);
        ++*count;
    }
    return loss;
}

/* The symmetric InfoNCE of the views of the items that are marked and have both. */
static inline double ref_contrast(const struct reference *r, const bool *marked) {
    int64_t n = 0, d = r->config->model.dim;
    double(*a)[REF_DIM] = mem_alloc(r->items, sizeof *a),
    (*s)[REF_DIM] = mem_alloc(r->items, sizeof *s);
    double loss = 0, temperature = sema_options(r->config)->contrast_temperature;
    for (int64_t i = 0; i < r->items; i++)
        if (marked[i]) {
            bool has_a = ref_view(r, 1, (int32_t)i, a[n]), has_s = ref_view(r, 2, (int32_t)i, s[n]);
            n += has_a && has_s;
        }
    for (int64_t i = 0; i < n; i++) {
        double across = 0, down = 0;
        for (int64_t j = 0; j < n; j++) {
            across += exp(ref_cosine(a[i], s[j], d) / temperature);
            down += exp(ref_cosine(s[i], a[j], d) / temperature);
        }
        loss += log(across) + log(down) - 2 * ref_cosine(a[i], s[i], d) / temperature;
    }
    mem_free(a);
    mem_free(s);
    return loss / (2 * (double)n);
}

/* Probabilities of the domain's items after a history. */
static inline void ref_sema_scores(const struct reference *r, const int32_t *items, int64_t length,
                                   int domain, double *score) {
    int64_t lo = domain ? r->a_items : 0, hi = domain ? r->items : r->a_items;
    double h[3][REF_LENGTH][REF_DIM], u[REF_DIM], sum = 0;
    int64_t at[3][REF_LENGTH], n[3];
    for (int s = 0; s < 3; s++)
        n[s] = ref_sema_stream(r, s, items, length, h[s], at[s]);
    ref_fuse(r, n, h, at, length - 1, domain, u);
    for (int64_t i = lo; i < hi; i++)
        sum += score[i - lo] = exp(ref_item_logit(r, u, (int32_t)i));
    for (int64_t i = lo; i < hi; i++)
        score[i - lo] /= sum;
}

#endif
