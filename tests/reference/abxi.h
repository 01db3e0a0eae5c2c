/* The reference of ABXI: see reference.h. */
#ifndef TESTS_REFERENCE_ABXI_H
#define TESTS_REFERENCE_ABXI_H
#include "core/models/abxi.h"
#include "tests/reference/reference.h"

enum { REF_FFN = 32, REF_LAYER = 64 };

/* out += W3 (silu(W1 x) * W2 x), of the layer called `layer`.in, `layer`.out. */
static inline void ref_swiglu(const struct reference *r, const char *layer, const double *x,
                              double *out) {
    int64_t d = r->config->model.dim, f = abxi_options(r->config)->ffn_dim;
    double in[2 * REF_FFN], y[REF_DIM];
    ref_linear(ref_param(r, "%s.in.w", layer, "", 0, ""), NULL, x, 2 * f, d, in);
    for (int64_t i = 0; i < f; i++)
        in[i] *= in[f + i] / (1 + exp(-in[i]));
    ref_linear(ref_param(r, "%s.out.w", layer, "", 0, ""), NULL, in, d, f, y);
    for (int64_t i = 0; i < d; i++)
        out[i] += y[i];
}

/* out += A B x, of the map called `layer`.a, `layer`.b. */
static inline void ref_low_rank(const struct reference *r, const char *layer, int64_t rank,
                                const double *x, double *out) {
    int64_t d = r->config->model.dim;
    for (int64_t k = 0; k < rank; k++) {
        double z = ref_dot(ref_param(r, "%s.b", layer, "", 0, "") + k * d, x, d);
        for (int64_t i = 0; i < d; i++)
            out[i] += ref_param(r, "%s.a", layer, "", 0, "")[i * rank + k] * z;
    }
}

static inline void ref_layer_norm(const struct reference *r, const char *layer, const double *x,
                                  double *out) {
    ref_norm(ref_param(r, "%s.g", layer, "", 0, ""), ref_param(r, "%s.b", layer, "", 0, ""), x,
             r->config->model.dim, out);
}

/* States of stream s with these n items. */
static inline void ref_abxi_states(const struct reference *r, int s, const int32_t *item, int64_t n,
                                   double h[][REF_DIM]) {
    int64_t d = r->config->model.dim, rank = abxi_options(r->config)->dlora_rank;
    double q[REF_LENGTH][REF_DIM], k[REF_LENGTH][REF_DIM], v[REF_LENGTH][REF_DIM];
    char layer[REF_LAYER];
    for (int64_t t = 0; t < n; t++)
        for (int64_t i = 0; i < d; i++)
            h[t][i] = REF_NAMED(r, "embed.id")[item[t] * d + i] +
                      REF_NAMED(r, "enc.pos")[(n - 1 - t) * d + i];
    for (int b = 0; b < r->config->model.blocks; b++) {
        const double *w = ref_param(r, "enc.%s%s%d.attn.qkv.w", "", "", b, "");
        const double *bias = ref_param(r, "enc.%s%s%d.attn.qkv.b", "", "", b, "");
        for (int64_t t = 0; t < n; t++) {
            ref_linear(w, bias, h[t], d, d, q[t]);
            ref_linear(w + d * d, bias + d, h[t], d, d, k[t]);
            ref_linear(w + 2 * d * d, bias + 2 * d, h[t], d, d, v[t]);
        }
        ref_attend(r, n, d, q, k, v, ref_param(r, "enc.%s%s%d.attn.out.w", "", "", b, ""),
                   ref_param(r, "enc.%s%s%d.attn.out.b", "", "", b, ""), h);
        for (int64_t t = 0; t < n; t++) {
            double x[REF_DIM], sum[REF_DIM];
            snprintf(layer, sizeof layer, "enc.%d.ln", b);
            ref_layer_norm(r, layer, h[t], x);
            memcpy(sum, x, sizeof sum);
            snprintf(layer, sizeof layer, "enc.%d.ffn", b);
            ref_swiglu(r, layer, x, sum);
            snprintf(layer, sizeof layer, "enc.%d.%s.lora", b, ref_streams[s]);
            ref_low_rank(r, layer, rank, x, sum);
            snprintf(layer, sizeof layer, "enc.%d.%s.ln", b, ref_streams[s]);
            ref_layer_norm(r, layer, sum, h[t]);
        }
    }
}

/* u for a target in `domain`, from the mixed state and the own one (NULL: zero). */
static inline void ref_abxi_join(const struct reference *r, int domain, const double *mixed,
                                 const double *own, double *u) {
    int64_t d = r->config->model.dim;
    double sum[REF_DIM], zero[REF_DIM] = {0}, y[REF_DIM];
    char layer[REF_LAYER];
    own = own ? own : zero;
    memcpy(sum, mixed, sizeof sum);
    ref_swiglu(r, "output.invariant", mixed, sum);
    snprintf(layer, sizeof layer, "output.%s.lora", ref_streams[domain]);
    ref_low_rank(r, layer, abxi_options(r->config)->ilora_rank, mixed, sum);
    snprintf(layer, sizeof layer, "output.%s.invariant_ln", ref_streams[domain]);
    ref_layer_norm(r, layer, sum, u);
    memcpy(sum, own, sizeof sum);
    snprintf(layer, sizeof layer, "output.%s.own", ref_streams[domain]);
    ref_swiglu(r, layer, own, sum);
    snprintf(layer, sizeof layer, "output.%s.own_ln", ref_streams[domain]);
    ref_layer_norm(r, layer, sum, y);
    for (int64_t i = 0; i < d; i++)
        u[i] += y[i];
}

static inline double ref_abxi_logit(const struct reference *r, void *u, int32_t item) {
    int64_t d = r->config->model.dim;
    return r->config->model.scale * ref_dot(u, REF_NAMED(r, "embed.id") + item * d, d);
}

/* Adds the sum over domains of the mean over the user's targets in it, and one user. */
static inline void ref_abxi_losses(const struct reference *r, const int32_t *items, int64_t length,
                                   double *sum, int64_t *count) {
    double h[3][REF_LENGTH][REF_DIM], u[REF_DIM], mean[2] = {0};
    int64_t n[3] = {0}, targets[2] = {0}, first = length - r->max_len > 1 ? length - r->max_len : 1;
    int32_t kept[3][REF_LENGTH + 1] = {{0}};
    for (int s = 0; s < 3; s++) {
        n[s] = ref_cut(r, s, items, length, r->max_len + 1, kept[s]) - 1; /* the last is a target */
        if (n[s] > 0)
            ref_abxi_states(r, s, kept[s], n[s], h[s]);
    }
    for (int64_t i = first; i < length; i++) {
        int domain = ref_domain(r, items[i]);
        int64_t after = 0; /* targets of the domain from this one on */
        if (!ref_wanted(r, items[i]))
            continue;
        for (int64_t j = i; j < length; j++)
            after += ref_domain(r, items[j]) == domain;
        ref_abxi_join(r, domain, h[2][i - first],
                      after > n[domain] ? NULL : h[domain][n[domain] - after], u);
        mean[domain] += ref_loss(r, 2, i - first, items[i], ref_abxi_logit, u);
        targets[domain]++;
    }
    for (int domain = 0; domain < 2; domain++)
        *sum += targets[domain] ? mean[domain] / (double)targets[domain] : 0;
    *count += length > 1;
}

/* Probabilities of the domain's items after a history. */
static inline void ref_abxi_scores(const struct reference *r, const int32_t *items, int64_t length,
                                   int domain, double *score) {
    int64_t lo = domain ? r->a_items : 0, hi = domain ? r->items : r->a_items;
    double mixed[REF_LENGTH][REF_DIM], own[REF_LENGTH][REF_DIM], u[REF_DIM], sum = 0;
    int32_t kept[REF_LENGTH] = {0};
    int64_t n = ref_cut(r, 2, items, length, r->max_len, kept);
    ref_abxi_states(r, 2, kept, n, mixed);
    int64_t m = ref_cut(r, domain, items, length, r->max_len, kept);
    ref_abxi_states(r, domain, kept, m, own);
    ref_abxi_join(r, domain, mixed[n - 1], m ? own[m - 1] : NULL, u);
    for (int64_t i = lo; i < hi; i++)
        sum += score[i - lo] = exp(ref_abxi_logit(r, u, (int32_t)i));
    for (int64_t i = lo; i < hi; i++)
        score[i - lo] /= sum;
}

#endif
