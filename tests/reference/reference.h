/* TEMA-LLM (and with it LLM-EMF) and SemaCDR once more, in double precision, item by item and
 * position by position: no tape, no packing, no kernels of the program. Only names and shapes of
 * the parameters are shared with it. There is no dropout.
 *
 * `x` holds the parameters' values in the layout of struct params, so that a test can move them. */
#ifndef TESTS_REFERENCE_H
#define TESTS_REFERENCE_H
#include "core/mem.h"
#include "core/options.h"
#include "core/params.h"
#include "core/rng.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REF_DIM = 16, REF_LENGTH = 16, REF_KNOWN = 1 << 14 };

/* Items that a target of a domain (0, 1; 2: any) is compared with, itself left out or not. */
struct ref_candidates {
    int64_t n;
    const int32_t *item;
};

struct reference {
    const struct config *config;
    const struct params *params;
    double *x; /* [params->total] */
    int64_t items, a_items, max_len;
    const real *table[OPTION_LIST]; /* by modality; NULL: id or tags */
    int64_t dim[OPTION_LIST];
    int64_t tag_dim;
    const real *tag_vectors;
    const int64_t *tag_offsets;
    const int32_t *tag;
    const float *tag_weight;
    struct ref_candidates candidates[3];
    double (*rows)[REF_DIM]; /* [modalities, items] by ref_prepare_..., for the present x */
    int *known;              /* [REF_KNOWN] parameters found before, plus 1, by hash of the name */
};

static inline const double *ref_param(const struct reference *r, const char *format, const char *a,
                                      const char *b, int block, const char *c) {
    char name[PARAM_NAME];
    snprintf(name, sizeof name, format, a, b, block, c);
    int *known = &r->known[rng_hash(name) % REF_KNOWN];
    if (*known && !strcmp(r->params->list[*known - 1].name, name))
        return r->x + r->params->list[*known - 1].at;
    const struct param *p = params_find(r->params, name);
    if (!p) {
        fprintf(stderr, "reference: no parameter %s\n", name);
        abort();
    }
    *known = (int)(p - r->params->list) + 1;
    return r->x + p->at;
}

#define REF_NAMED(r, name) ref_param(r, name, "", "", 0, "")

/* ---- layers ---- */

static inline double ref_dot(const double *a, const double *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* y = w x + b; b may be NULL. */
static inline void ref_linear(const double *w, const double *b, const double *x, int64_t out,
                              int64_t in, double *y) {
    for (int64_t o = 0; o < out; o++)
        y[o] = ref_dot(w + o * in, x, in) + (b ? b[o] : 0);
}

static inline void ref_norm(const double *gain, const double *bias, const double *x, int64_t d,
                            double *y) {
    double mean = 0, var = 0;
    for (int64_t i = 0; i < d; i++)
        mean += x[i] / (double)d;
    for (int64_t i = 0; i < d; i++)
        var += (x[i] - mean) * (x[i] - mean) / (double)d;
    for (int64_t i = 0; i < d; i++)
        y[i] = gain[i] * (x[i] - mean) / sqrt(var + 1e-8) + bias[i];
}

static inline double ref_cosine(const double *a, const double *b, int64_t d) {
    double norm = sqrt(ref_dot(a, a, d) * ref_dot(b, b, d));
    return norm > 0 ? ref_dot(a, b, d) / norm : 0;
}

/* x[t] += w_out (causal attention of q[t] to k, v [0..t]) + b_out. */
static inline void ref_attend(const struct reference *r, int64_t n, int64_t d, double q[][REF_DIM],
                              double k[][REF_DIM], double v[][REF_DIM], const double *w_out,
                              const double *b_out, double x[][REF_DIM]) {
    int64_t heads = r->config->model.heads, width = d / heads;
    for (int64_t t = 0; t < n; t++) {
        double mixed[REF_DIM] = {0}, out[REF_DIM], weight[REF_LENGTH], sum;
        for (int64_t h = 0; h < heads; h++) {
            sum = 0;
            for (int64_t j = 0; j <= t; j++)
                sum += weight[j] =
                    exp(ref_dot(q[t] + h * width, k[j] + h * width, width) / sqrt((double)width));
            for (int64_t j = 0; j <= t; j++)
                for (int64_t i = 0; i < width; i++)
                    mixed[h * width + i] += weight[j] / sum * v[j][h * width + i];
        }
        ref_linear(w_out, b_out, mixed, d, d, out);
        for (int64_t i = 0; i < d; i++)
            x[t][i] += out[i];
    }
}

/* One encoder over n items whose rows are e [n]; tags [n] or NULL. The encoder is called
 * enc.`stream`.`modality`. */
static inline void ref_encode(const struct reference *r, const char *stream, const char *modality,
                              int64_t d, int64_t n, double e[][REF_DIM], double tags[][REF_DIM],
                              double h[][REF_DIM]) {
#define P(name) ref_param(r, "enc.%s.%s." name, stream, modality, 0, "")
#define B(name) ref_param(r, "enc.%s.%s.%d." name, stream, modality, b, "")
    double x[REF_LENGTH][REF_DIM], q[REF_LENGTH][REF_DIM], k[REF_LENGTH][REF_DIM],
        v[REF_LENGTH][REF_DIM], g[REF_LENGTH][REF_DIM], y[REF_DIM], z[REF_DIM];
    for (int64_t t = 0; t < n; t++) {
        for (int64_t i = 0; i < d; i++)
            x[t][i] = sqrt((double)d) * e[t][i] + P("pos")[t * d + i];
        if (tags)
            ref_linear(P("tag.w"), P("tag.b"), tags[t], d, r->tag_dim, g[t]);
    }
    for (int b = 0; b < r->config->model.blocks; b++) {
        for (int64_t t = 0; t < n; t++) {
            ref_norm(B("ln1.g"), B("ln1.b"), x[t], d, y);
            ref_linear(B("attn.qkv.w"), B("attn.qkv.b"), y, d, d, q[t]);
            ref_linear(B("attn.qkv.w") + d * d, B("attn.qkv.b") + d, y, d, d, k[t]);
            ref_linear(B("attn.qkv.w") + 2 * d * d, B("attn.qkv.b") + 2 * d, y, d, d, v[t]);
        }
        ref_attend(r, n, d, q, k, v, B("attn.out.w"), B("attn.out.b"), x);
        for (int64_t t = 0; tags && t < n; t++) {
            ref_norm(B("tag.ln.g"), B("tag.ln.b"), x[t], d, y);
            ref_linear(B("tag.q.w"), B("tag.q.b"), y, d, d, q[t]);
            ref_linear(B("tag.kv.w"), B("tag.kv.b"), g[t], d, d, k[t]);
            ref_linear(B("tag.kv.w") + d * d, B("tag.kv.b") + d, g[t], d, d, v[t]);
        }
        if (tags)
            ref_attend(r, n, d, q, k, v, B("tag.out.w"), B("tag.out.b"), x);
        for (int64_t t = 0; t < n; t++) {
            ref_norm(B("ln2.g"), B("ln2.b"), x[t], d, y);
            ref_linear(B("ffn.1.w"), B("ffn.1.b"), y, d, d, z);
            for (int64_t i = 0; i < d; i++)
                z[i] = z[i] > 0 ? z[i] : 0;
            ref_linear(B("ffn.2.w"), B("ffn.2.b"), z, d, d, y);
            for (int64_t i = 0; i < d; i++)
                x[t][i] += y[i];
        }
    }
    for (int64_t t = 0; t < n; t++)
        ref_norm(P("ln.g"), P("ln.b"), x[t], d, h[t]);
#undef P
#undef B
}

static inline double ref_scale(const struct reference *r, const char *modality) {
    return r->config->model.scale.count ? r->config->model.scale.value[0]
                                        : exp(*ref_param(r, "scale.%s", modality, "", 0, ""));
}

/* ---- sequences ---- */

static const char *const ref_streams[] = {"a", "b", "mixed"};

static inline bool ref_in(const struct reference *r, int s, int32_t item) {
    return s == 2 || (item < r->a_items) == (s == 0);
}

/* The last `most` items of stream s among items[0..length); returns their number. */
static inline int64_t ref_cut(const struct reference *r, int s, const int32_t *items,
                              int64_t length, int64_t most, int32_t *out) {
    int64_t all = 0, n = 0;
    for (int64_t i = 0; i < length; i++)
        all += ref_in(r, s, items[i]);
    for (int64_t i = 0, seen = 0; i < length; i++)
        if (ref_in(r, s, items[i]) && seen++ >= all - most)
            out[n++] = items[i];
    return n;
}

static inline int ref_domain(const struct reference *r, int32_t item) {
    return item >= r->a_items;
}

/* log of the sum over the candidates of a set and the target of exp(logit). */
static inline double ref_log_sum(const struct reference *r, int set, int32_t target,
                                 double (*logit)(const struct reference *, void *, int32_t),
                                 void *state) {
    double sum = exp(logit(r, state, target));
    for (int64_t c = 0; c < r->candidates[set].n; c++)
        if (r->candidates[set].item[c] != target)
            sum += exp(logit(r, state, r->candidates[set].item[c]));
    return log(sum);
}

/* ---- TEMA-LLM ---- */

static inline void ref_tags(const struct reference *r, int32_t item, double *e) {
    const double *u = r->config->model.tags == TAGS_LEARNED ? REF_NAMED(r, "tag.u") : NULL;
    double norm;
    memset(e, 0, (size_t)r->tag_dim * sizeof *e);
    for (int64_t k = r->tag_offsets[item]; k < r->tag_offsets[item + 1]; k++) {
        const real *t = r->tag_vectors + r->tag[k] * r->tag_dim;
        double logit = (double)r->tag_weight[k] / r->config->model.tag_kappa;
        for (int64_t i = 0; u && i < r->tag_dim; i++)
            logit += u[i] * (double)t[i];
        for (int64_t i = 0; i < r->tag_dim; i++)
            e[i] += (u ? exp(logit) : 1) * (double)t[i];
    }
    norm = sqrt(ref_dot(e, e, r->tag_dim));
    for (int64_t i = 0; i < r->tag_dim && norm > 0; i++)
        e[i] /= norm;
}

static inline bool ref_is_tags(const struct reference *r, int m) {
    return !strcmp(r->config->model.modalities.name[m], "tags");
}

static inline int64_t ref_width(const struct reference *r, int m) {
    return ref_is_tags(r, m) ? r->tag_dim : r->table[m] ? r->dim[m] : r->config->model.dim;
}

/* Row of an item in modality m, as the encoder takes it. */
static inline const double *ref_row(const struct reference *r, int m, int32_t item) {
    return r->rows[m * r->items + item];
}

static inline void ref_prepare_emf(const struct reference *r) {
    for (int m = 0; m < r->config->model.modalities.count; m++) {
        int64_t d = ref_width(r, m);
        const double *id = r->table[m] || ref_is_tags(r, m) ? NULL : REF_NAMED(r, "embed.id");
        for (int32_t item = 0; item < r->items; item++)
            if (ref_is_tags(r, m))
                ref_tags(r, item, r->rows[m * r->items + item]);
            else
                for (int64_t i = 0; i < d; i++)
                    r->rows[m * r->items + item][i] =
                        id ? id[item * d + i] : (double)r->table[m][item * d + i];
    }
}

struct ref_state {
    int m;
    int64_t d;
    double scale;
    const double *h;
};

static inline double ref_logit(const struct reference *r, void *state, int32_t item) {
    const struct ref_state *s = state;
    return s->scale * ref_cosine(s->h, ref_row(r, s->m, item), s->d);
}

/* w of eq. 8. */
static inline void ref_weights(const struct reference *r, double *w) {
    int terms = r->config->model.modalities.count;
    double sum = 0;
    bool given = r->config->model.fusion_weights.count > 0;
    for (int m = 0; m < terms; m++)
        sum += w[m] = given       ? r->config->model.fusion_weights.value[m]
                      : terms > 1 ? exp(REF_NAMED(r, "fusion.w")[m])
                                  : 1;
    for (int m = 0; m < terms; m++)
        w[m] /= sum;
}

/* States of modality m of a stream's items. */
static inline int64_t ref_states(const struct reference *r, int s, int m, const int32_t *item,
                                 int64_t n, double h[][REF_DIM]) {
    double e[REF_LENGTH][REF_DIM], tags[REF_LENGTH][REF_DIM];
    bool tagged =
        r->config->model.tags != TAGS_NONE && r->config->model.tag_attention == TAG_ATTENTION_ON;
    int64_t d = ref_width(r, m);
    for (int64_t t = 0; t < n; t++) {
        memcpy(e[t], ref_row(r, m, item[t]), sizeof e[t]);
        for (int k = 0; tagged && k < r->config->model.modalities.count; k++)
            if (ref_is_tags(r, k))
                memcpy(tags[t], ref_row(r, k, item[t]), sizeof tags[t]);
    }
    ref_encode(r, ref_streams[s], r->config->model.modalities.name[m], d, n, e,
               tagged ? tags : NULL, h);
    return d;
}

/* Sum of -log P over the positions of stream s of one sequence, and their number. */
static inline double ref_emf_stream(const struct reference *r, int s, const int32_t *items,
                                    int64_t length, int64_t *count) {
    int32_t kept[REF_LENGTH + 1];
    int terms = r->config->model.modalities.count;
    int64_t n = ref_cut(r, s, items, length, r->max_len + 1, kept) - 1;
    double p[REF_LENGTH] = {0}, w[OPTION_LIST], h[REF_LENGTH][REF_DIM], loss = 0;
    ref_weights(r, w);
    for (int m = 0; m < terms && n > 0; m++) {
        const char *name = r->config->model.modalities.name[m];
        int64_t d = ref_states(r, s, m, kept, n, h);
        for (int64_t t = 0; t < n; t++) {
            struct ref_state state = {m, d, ref_scale(r, name), h[t]};
            int32_t target = kept[t + 1];
            p[t] += w[m] * exp(ref_logit(r, &state, target) -
                               ref_log_sum(r, ref_domain(r, target), target, ref_logit, &state));
        }
    }
    for (int64_t t = 0; t < n; t++)
        loss -= log(p[t]);
    *count += n > 0 ? n : 0;
    return loss;
}

/* Scores [items of the domain] of a history. */
static inline void ref_emf_scores(const struct reference *r, const int32_t *items, int64_t length,
                                  int domain, double *score) {
    int64_t lo = domain ? r->a_items : 0, hi = domain ? r->items : r->a_items;
    double w[OPTION_LIST], h[REF_LENGTH][REF_DIM];
    ref_weights(r, w);
    memset(score, 0, (size_t)(hi - lo) * sizeof *score);
    for (int s = 0; s < 3; s++) {
        int32_t kept[REF_LENGTH];
        int64_t n = ref_cut(r, s, items, length, r->max_len, kept);
        double lambda = s == 2        ? r->config->model.lambda2
                        : s == domain ? 1
                                      : r->config->model.lambda1;
        for (int m = 0; m < r->config->model.modalities.count && n > 0; m++) {
            int64_t d = ref_states(r, s, m, kept, n, h);
            struct ref_state state = {m, d, ref_scale(r, r->config->model.modalities.name[m]),
                                      h[n - 1]};
            double sum = 0;
            for (int64_t i = lo; i < hi; i++)
                sum += exp(ref_logit(r, &state, (int32_t)i));
            for (int64_t i = lo; i < hi; i++)
                score[i - lo] += lambda * w[m] * exp(ref_logit(r, &state, (int32_t)i)) / sum;
        }
    }
}

/* ---- SemaCDR ---- */

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
        ref_encode(r, ref_streams[s], "id", d, n, e, NULL, h);
    return n;
}

/* u for a target in `domain` after item `now` of a sequence: of every stream the last state up to
 * it. */
static inline void ref_fuse(const struct reference *r, const int64_t n[3],
                            double h[3][REF_LENGTH][REF_DIM], int64_t at[3][REF_LENGTH],
                            int64_t now, int domain, double *u) {
    int64_t d = r->config->model.dim;
    bool adaptive = r->config->model.stream_fusion == STREAM_FUSION_ADAPTIVE;
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
    double loss = 0, temperature = r->config->model.contrast_temperature;
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
