/* What the references of the models share: the models once more, in double precision, item by item
 * and position by position, with no tape, no packing, no kernels of the program. Only names and
 * shapes of the parameters are shared with it. There is no dropout.
 *
 * `x` holds the parameters' values in the layout of struct params, so that a test can move them. */
#ifndef TESTS_REFERENCE_H
#define TESTS_REFERENCE_H
#include "core/batch.h"
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
    int64_t step;             /* of training */
    const double *follows[2]; /* [items, items] how often the column's item stands right behind the
                               * row's, among all items and among those of its domain */
    int64_t samples;
    const struct sample *sample; /* [samples] the training sequences */
    int64_t sequence;            /* number of the one whose losses are wanted */
    const int32_t *drawn[3]; /* by stream: the items drawn for each of its positions, if any are */
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
    double scale = r->config->model.scale;
    return isnan(scale) ? exp(*ref_param(r, "scale.%s", modality, "", 0, "")) : scale;
}

/* ---- sequences ---- */

static const char *const ref_streams[] = {"a", "b", "mixed"};

/* Whose encoder encodes stream s where the streams may share one. */
static inline const char *ref_encoder(const struct reference *r, int s) {
    return r->config->model.share_encoders == SHARE_STREAMS ? "shared" : ref_streams[s];
}

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

/* Items drawn for each position of stream s. */
static inline int64_t ref_each(const struct reference *r, int s) {
    bool both = r->config->train.loss == LOSS_INFONCE && s == 2 &&
                r->config->model.mixed_softmax == MIXED_ALL;
    return r->config->train.bce_negatives * (both ? 2 : 1);
}

/* Loss of a target against the `each` items drawn for its position. */
static inline double ref_drawn(const struct reference *r, const int32_t *drawn, int64_t each,
                               int32_t target,
                               double (*logit)(const struct reference *, void *, int32_t),
                               void *state) {
    bool pairs = r->config->train.loss == LOSS_BPR;
    bool softmax = r->config->train.loss == LOSS_INFONCE;
    double z = logit(r, state, target), sum = pairs ? 0 : softmax ? 1 : log1p(exp(-z));
    for (int64_t k = 0; k < each; k++) {
        double other = logit(r, state, drawn[k]);
        sum += softmax ? exp(other - z) : log1p(exp(pairs ? other - z : other));
    }
    return softmax ? log(sum) : sum;
}

/* Is the target in the domain of train.target? */
static inline bool ref_wanted(const struct reference *r, int32_t target) {
    int wanted = r->config->train.target;
    return wanted == TARGET_BOTH || ref_domain(r, target) == (wanted == TARGET_B);
}

/* Loss of the target at position t of stream s by train.loss: exact, sampled, bce, bpr or infonce. */
static inline double ref_loss(const struct reference *r, int s, int64_t t, int32_t target,
                              double (*logit)(const struct reference *, void *, int32_t),
                              void *state) {
    bool all = s == 2 && r->config->train.target == TARGET_BOTH &&
               r->config->model.mixed_softmax == MIXED_ALL;
    if (r->drawn[s])
        return ref_drawn(r, r->drawn[s] + t * ref_each(r, s), ref_each(r, s), target, logit, state);
    return ref_log_sum(r, all ? 2 : ref_domain(r, target), target, logit, state) -
           logit(r, state, target);
}

/* Row of an item in modality m, as the encoder takes it. */
static inline const double *ref_row(const struct reference *r, int m, int32_t item) {
    return r->rows[m * r->items + item];
}

/* ---- models of one head over the mixed stream ---- */

/* States that the items of a sequence leave, one per item; the logit of an item from one of them. */
typedef void ref_states_fn(const struct reference *r, const int32_t *item, int64_t n,
                           double h[][REF_DIM]);
typedef double ref_logit_fn(const struct reference *r, void *state, int32_t item);

/* Sum of the losses of the targets of train.target, and their number. */
static inline void ref_next_item_losses(const struct reference *r, const int32_t *items,
                                        int64_t length, ref_states_fn *states, ref_logit_fn *logit,
                                        double *sum, int64_t *count) {
    int32_t kept[REF_LENGTH + 1] = {0};
    double h[REF_LENGTH][REF_DIM];
    int64_t n = ref_cut(r, 2, items, length, r->max_len + 1, kept) - 1;
    states(r, kept, n, h);
    for (int64_t t = 0; t < n; t++)
        if (ref_wanted(r, kept[t + 1])) {
            *sum += ref_loss(r, 2, t, kept[t + 1], logit, h[t]);
            ++*count;
        }
}

/* Probabilities of the domain's items after a history. */
static inline void ref_next_item_scores(const struct reference *r, const int32_t *items,
                                        int64_t length, int domain, ref_states_fn *states,
                                        ref_logit_fn *logit, double *score) {
    int64_t lo = domain ? r->a_items : 0, hi = domain ? r->items : r->a_items;
    int32_t kept[REF_LENGTH] = {0};
    double h[REF_LENGTH][REF_DIM], sum = 0;
    int64_t n = ref_cut(r, 2, items, length, r->max_len, kept);
    states(r, kept, n, h);
    for (int64_t i = lo; i < hi; i++)
        sum += score[i - lo] = exp(logit(r, h[n - 1], (int32_t)i));
    for (int64_t i = lo; i < hi; i++)
        score[i - lo] /= sum;
}

#endif
