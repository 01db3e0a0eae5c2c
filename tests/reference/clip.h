/* The encoders of CLIP once more, in double precision, one text or picture at a time, in plain loops. Of
 * the program it shares the struct of the sizes alone. */
#ifndef TESTS_REFERENCE_CLIP_H
#define TESTS_REFERENCE_CLIP_H
#include "tests/clip_model.h"
#include <math.h>

enum { REF_ROWS = 32, REF_COLS = 64 };

typedef double ref_states[REF_ROWS][REF_COLS];

static inline const float *ref_clip_tensor(struct test_model *m, const char *prefix, int layer,
                                           const char *name) {
    char full[128];
    if (layer < 0)
        snprintf(full, sizeof full, "%s%s", prefix, name);
    else
        snprintf(full, sizeof full, "%s.encoder.layers.%d.%s", prefix, layer, name);
    return test_model_tensor(m, full)->x;
}

/* y = W x + b */
static inline void ref_clip_linear(struct test_model *m, const char *prefix, int layer,
                                   const char *name, int in, int out, const double *x, double *y) {
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    const float *w = ref_clip_tensor(m, prefix, layer, full);
    snprintf(full, sizeof full, "%s.bias", name);
    const float *b = ref_clip_tensor(m, prefix, layer, full);
    for (int o = 0; o < out; o++) {
        y[o] = b[o];
        for (int i = 0; i < in; i++)
            y[o] += (double)w[o * in + i] * x[i];
    }
}

static inline void ref_clip_norm(struct test_model *m, const char *prefix, int layer,
                                 const char *name, int n, double eps, const double *x, double *y) {
    char full[64];
    double mean = 0, square = 0;
    snprintf(full, sizeof full, "%s.weight", name);
    const float *gain = ref_clip_tensor(m, prefix, layer, full);
    snprintf(full, sizeof full, "%s.bias", name);
    const float *bias = ref_clip_tensor(m, prefix, layer, full);
    for (int i = 0; i < n; i++)
        mean += x[i] / n;
    for (int i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean) / n;
    for (int i = 0; i < n; i++)
        y[i] = gain[i] * (x[i] - mean) / sqrt(square + eps) + bias[i];
}

static inline void ref_clip_attention(const struct clip_shape *s, int rows, ref_states q,
                                      ref_states k, ref_states v, ref_states out) {
    int width = (int)(s->width / s->heads);
    for (int i = 0; i < rows; i++)
        for (int h = 0; h < s->heads; h++) {
            double p[REF_ROWS], sum = 0;
            int last = s->input == CLIP_TEXTS ? i : rows - 1;
            for (int j = 0; j <= last; j++) {
                double z = 0;
                for (int c = h * width; c < (h + 1) * width; c++)
                    z += q[i][c] * k[j][c];
                sum += p[j] = exp(z / sqrt(width));
            }
            for (int c = h * width; c < (h + 1) * width; c++) {
                out[i][c] = 0;
                for (int j = 0; j <= last; j++)
                    out[i][c] += p[j] / sum * v[j][c];
            }
        }
}

static inline double ref_clip_activation(enum activation f, double u) {
    return f == ACTIVATION_GELU ? u * 0.5 * (1 + erf(u / sqrt(2))) : u / (1 + exp(-1.702 * u));
}

static inline void ref_clip_layers(struct test_model *m, const char *prefix,
                                   const struct clip_shape *s, int rows, ref_states x) {
    static ref_states n, q, k, v, a;
    int d = (int)s->width, inner = (int)s->inner;
    for (int l = 0; l < s->layers; l++) {
        for (int t = 0; t < rows; t++) {
            ref_clip_norm(m, prefix, l, "layer_norm1", d, s->eps, x[t], n[t]);
            ref_clip_linear(m, prefix, l, "self_attn.q_proj", d, d, n[t], q[t]);
            ref_clip_linear(m, prefix, l, "self_attn.k_proj", d, d, n[t], k[t]);
            ref_clip_linear(m, prefix, l, "self_attn.v_proj", d, d, n[t], v[t]);
        }
        ref_clip_attention(s, rows, q, k, v, a);
        for (int t = 0; t < rows; t++) {
            double y[REF_COLS], h[REF_COLS];
            ref_clip_linear(m, prefix, l, "self_attn.out_proj", d, d, a[t], y);
            for (int c = 0; c < d; c++)
                x[t][c] += y[c];
            ref_clip_norm(m, prefix, l, "layer_norm2", d, s->eps, x[t], y);
            ref_clip_linear(m, prefix, l, "mlp.fc1", d, inner, y, h);
            for (int c = 0; c < inner; c++)
                h[c] = ref_clip_activation(s->activation, h[c]);
            ref_clip_linear(m, prefix, l, "mlp.fc2", inner, d, h, y);
            for (int c = 0; c < d; c++)
                x[t][c] += y[c];
        }
    }
}

/* Normed, projected, divided by its norm. */
static inline void ref_clip_project(struct test_model *m, const char *norm, const char *projection,
                                    const struct clip_shape *s, const double *state, double *out) {
    double y[REF_COLS], square = 0;
    const float *w = ref_clip_tensor(m, "", -1, projection);
    ref_clip_norm(m, "", -1, norm, (int)s->width, s->eps, state, y);
    for (int o = 0; o < s->projection; o++) {
        out[o] = 0;
        for (int c = 0; c < s->width; c++)
            out[o] += (double)w[o * s->width + c] * y[c];
        square += out[o] * out[o];
    }
    for (int o = 0; o < s->projection; o++)
        out[o] /= sqrt(square);
}

/* The state of the last of the n tokens counts. */
static inline void ref_clip_text(struct test_model *m, const int32_t *tokens, int n, double *out) {
    static ref_states x;
    const struct clip_shape *s = &m->config.texts;
    const float *table = ref_clip_tensor(m, "text_model.embeddings.", -1, "token_embedding.weight");
    const float *place =
        ref_clip_tensor(m, "text_model.embeddings.", -1, "position_embedding.weight");
    for (int t = 0; t < n; t++)
        for (int c = 0; c < s->width; c++)
            x[t][c] = (double)table[tokens[t] * s->width + c] + place[t * s->width + c];
    ref_clip_layers(m, "text_model", s, n, x);
    ref_clip_project(m, "text_model.final_layer_norm", "text_projection.weight", s, x[n - 1], out);
}

/* pixels [3, side, side] */
static inline void ref_clip_picture(struct test_model *m, const double *pixels, double *out) {
    static ref_states x;
    const struct clip_shape *s = &m->config.pictures;
    int side = (int)s->side, patch = (int)s->patch, across = side / patch, d = (int)s->width;
    const float *class = ref_clip_tensor(m, "vision_model.embeddings.", -1, "class_embedding");
    const float *w = ref_clip_tensor(m, "vision_model.embeddings.", -1, "patch_embedding.weight");
    const float *place =
        ref_clip_tensor(m, "vision_model.embeddings.", -1, "position_embedding.weight");
    for (int t = 0; t <= across * across; t++)
        for (int c = 0; c < d; c++) {
            x[t][c] = place[t * d + c] + (t == 0 ? (double)class[c] : 0);
            for (int ch = 0; t > 0 && ch < 3; ch++)
                for (int i = 0; i < patch; i++)
                    for (int j = 0; j < patch; j++) {
                        int row = (t - 1) / across * patch + i, col = (t - 1) % across * patch + j;
                        x[t][c] += (double)w[((c * 3 + ch) * patch + i) * patch + j] *
                                   pixels[(ch * side + row) * side + col];
                    }
        }
    for (int t = 0; t <= across * across; t++) {
        double y[REF_COLS];
        ref_clip_norm(m, "vision_model.", -1, "pre_layrnorm", d, s->eps, x[t], y);
        memcpy(x[t], y, (size_t)d * sizeof *y);
    }
    ref_clip_layers(m, "vision_model", s, across * across + 1, x);
    ref_clip_project(m, "vision_model.post_layernorm", "visual_projection.weight", s, x[0], out);
}

#endif
