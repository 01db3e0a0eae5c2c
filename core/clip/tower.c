/* The block of weights is laid out in the order in which forward takes its tensors, so that one list
 * serves the reader of files and this: queries, keys and values of a layer are neighbours and so one
 * matrix. The working memory of a layer is given back before the next one. */
#include "core/clip/tower.h"
#include "core/check.h"
#include "core/mem.h"
#include "core/ops/attention.h"
#include "core/ops/embedding.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- layout ---- */

struct layout {
    struct clip_tensor *list;
    int64_t count, room, total;
};

static void add(struct layout *l, const int64_t extent[4], const char *name, ...)
    __attribute__((format(printf, 3, 4)));

/* Extents end with 0. */
static void add(struct layout *l, const int64_t extent[4], const char *name, ...) {
    if (l->count == l->room) {
        l->room = 2 * l->room + 64;
        l->list = mem_resize(l->list, l->room, sizeof *l->list);
    }
    struct clip_tensor *t = &l->list[l->count++];
    int64_t size = 1;
    va_list args;
    va_start(args, name);
    vsnprintf(t->name, sizeof t->name, name, args);
    va_end(args);
    for (t->ndim = 0; t->ndim < 4 && extent[t->ndim]; t->ndim++)
        size *= t->extent[t->ndim] = extent[t->ndim];
    t->at = l->total;
    l->total += size;
}

static void add_matrix(struct layout *l, int64_t rows, int64_t cols, const char *prefix,
                       const char *name) {
    add(l, (const int64_t[4]){rows, cols}, "%s%s.weight", prefix, name);
}

static void add_vector(struct layout *l, int64_t n, const char *prefix, const char *name) {
    add(l, (const int64_t[4]){n}, "%s%s", prefix, name);
}

static void add_norm(struct layout *l, int64_t n, const char *prefix, const char *name) {
    add(l, (const int64_t[4]){n}, "%s%s.weight", prefix, name);
    add(l, (const int64_t[4]){n}, "%s%s.bias", prefix, name);
}

static void add_linear(struct layout *l, int64_t out, int64_t in, const char *prefix,
                       const char *name) {
    add_matrix(l, out, in, prefix, name);
    add(l, (const int64_t[4]){out}, "%s%s.bias", prefix, name);
}

static void add_layer(struct layout *l, const struct clip_shape *s, const char *model, int64_t i) {
    static const char *const parts[] = {"q", "k", "v"};
    int64_t d = s->width;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s.encoder.layers.%lld.", model, (long long)i);
    add_norm(l, d, prefix, "layer_norm1");
    for (int p = 0; p < 3; p++)
        add(l, (const int64_t[4]){d, d}, "%sself_attn.%s_proj.weight", prefix, parts[p]);
    for (int p = 0; p < 3; p++)
        add(l, (const int64_t[4]){d}, "%sself_attn.%s_proj.bias", prefix, parts[p]);
    add_linear(l, d, d, prefix, "self_attn.out_proj");
    add_norm(l, d, prefix, "layer_norm2");
    add_linear(l, s->inner, d, prefix, "mlp.fc1");
    add_linear(l, d, s->inner, prefix, "mlp.fc2");
}

static void add_layers(struct layout *l, const struct clip_shape *s, const char *model) {
    for (int64_t i = 0; i < s->layers; i++)
        add_layer(l, s, model, i);
}

static void add_texts(struct layout *l, const struct clip_shape *s) {
    add_matrix(l, s->vocabulary, s->width, "text_model.embeddings.", "token_embedding");
    add_matrix(l, s->positions, s->width, "text_model.embeddings.", "position_embedding");
    add_layers(l, s, "text_model");
    add_norm(l, s->width, "text_model.", "final_layer_norm");
    add_matrix(l, s->projection, s->width, "", "text_projection");
}

static void add_pictures(struct layout *l, const struct clip_shape *s) {
    add(l, (const int64_t[4]){s->width, CLIP_CHANNELS, s->patch, s->patch},
        "vision_model.embeddings.patch_embedding.weight");
    add_vector(l, s->width, "vision_model.embeddings.", "class_embedding");
    add_matrix(l, s->positions, s->width, "vision_model.embeddings.", "position_embedding");
    add_norm(l, s->width, "vision_model.", "pre_layrnorm"); /* so in the published files */
    add_layers(l, s, "vision_model");
    add_norm(l, s->width, "vision_model.", "post_layernorm");
    add_matrix(l, s->projection, s->width, "", "visual_projection");
}

struct clip_tensor *clip_layout(const struct clip_shape *shape, int64_t *count, int64_t *total) {
    struct layout l = {0};
    if (shape->input == CLIP_TEXTS)
        add_texts(&l, shape);
    else
        add_pictures(&l, shape);
    *count = l.count;
    *total = l.total;
    return l.list;
}

/* ---- forward ---- */

struct forward {
    const struct clip_shape *shape;
    struct tape *tape;
    const real *weights; /* those that come next */
    const int64_t *offsets;
    int64_t sequences;
};

static struct forward begin(struct clip_tower *tower, const int64_t *offsets, int64_t n) {
    tape_begin(&tower->tape, false, 0);
    tower->tape.bf16 = tower->bf16;
    return (struct forward){&tower->shape, &tower->tape, tower->weights, offsets, n};
}

static struct tensor *take(struct forward *f, int64_t rows, int64_t cols) {
    struct tensor *t = tape_constant(f->tape, f->weights, rows, cols);
    f->weights += rows * cols;
    return t;
}

static struct tensor *norm(struct forward *f, struct tensor *x) {
    struct tensor *gain = take(f, 1, x->cols), *bias = take(f, 1, x->cols);
    return op_layer_norm(f->tape, x, gain, bias, (real)f->shape->eps);
}

static struct tensor *linear(struct forward *f, struct tensor *x, int64_t out) {
    struct tensor *w = take(f, out, x->cols), *b = take(f, 1, out);
    return op_linear(f->tape, x, w, b);
}

/* x becomes the layer's output. */
static void layer(struct forward *f, struct tensor *x) {
    const struct clip_shape *s = f->shape;
    struct arena_mark mark = arena_mark(&f->tape->arena);
    struct tensor *qkv = linear(f, norm(f, x), 3 * s->width);
    struct tensor *a =
        op_attention(f->tape, qkv, f->offsets, f->sequences, (int)s->heads,
                     s->input == CLIP_TEXTS ? ATTEND_CAUSAL : ATTEND_ALL, &dropout_none);
    struct tensor *y = op_residual(f->tape, x, linear(f, a, s->width), &dropout_none);
    struct tensor *h = linear(f, norm(f, y), s->inner);
    h = op_activation(f->tape, h, s->activation, &dropout_none);
    y = op_residual(f->tape, y, linear(f, h, s->width), &dropout_none);
    memcpy(x->x, y->x, (size_t)(x->rows * x->cols) * sizeof *x->x);
    arena_release(&f->tape->arena, mark);
}

static void layers(struct forward *f, struct tensor *x) {
    for (int64_t i = 0; i < f->shape->layers; i++)
        layer(f, x);
}

/* The states of the tokens at[i], normed, projected and of unit norm, into out [sequences,
 * projection]. */
static void project(struct forward *f, struct tensor *x, const int32_t *at, float *out) {
    int64_t k = f->shape->projection;
    struct tensor *states = norm(f, op_gather(f->tape, x, at, f->sequences));
    struct tensor *y = op_linear(f->tape, states, take(f, k, states->cols), NULL);
    unit_norm_rows(y->x, y->rows, k);
    for (int64_t i = 0; i < y->rows * k; i++)
        out[i] = (float)y->x[i];
}

static int32_t *indices(struct tape *tape, int64_t n) {
    return arena_alloc(&tape->arena, n, sizeof(int32_t));
}

/* Where each token stands in its sequence. */
static int32_t *places(struct tape *tape, const int64_t *offsets, int64_t n) {
    int32_t *at = indices(tape, offsets[n]);
    for (int64_t i = 0; i < n; i++)
        for (int64_t t = offsets[i]; t < offsets[i + 1]; t++)
            at[t] = (int32_t)(t - offsets[i]);
    return at;
}

void clip_encode_texts(struct clip_tower *tower, const int32_t *tokens, const int64_t *offsets,
                       int64_t n, float *out) {
    const struct clip_shape *s = &tower->shape;
    struct forward f = begin(tower, offsets, n);
    assert(s->input == CLIP_TEXTS);
    debug_assert(all_within(tokens, offsets[n], 0, s->vocabulary));
    int32_t *last = indices(f.tape, n), *at = places(f.tape, offsets, n);
    for (int64_t i = 0; i < n; i++) {
        assert(offsets[i + 1] > offsets[i] && offsets[i + 1] - offsets[i] <= s->positions);
        last[i] = (int32_t)offsets[i + 1] - 1;
    }
    struct tensor *table = take(&f, s->vocabulary, s->width);
    struct tensor *position = take(&f, s->positions, s->width);
    struct tensor *x = op_embed(f.tape, table, tokens, position, at, offsets[n], 1, &dropout_none);
    layers(&f, x);
    project(&f, x, last, out);
    tower->flops += f.tape->work[PHASE_FORWARD].flops;
}

/* The patches of a picture, row by row, each as [3, patch, patch]. */
static void cut(const struct clip_shape *s, const real *picture, real *patches) {
    int64_t across = s->side / s->patch;
    for (int64_t i = 0; i < across * across; i++)
        for (int64_t c = 0; c < CLIP_CHANNELS; c++)
            for (int64_t y = 0; y < s->patch; y++, patches += s->patch) {
                int64_t row = c * s->side + i / across * s->patch + y;
                memcpy(patches, picture + row * s->side + i % across * s->patch,
                       (size_t)s->patch * sizeof *patches);
            }
}

/* The rows of the patches of all pictures. */
static struct tensor *embed_patches(struct forward *f, const real *pixels) {
    const struct clip_shape *s = f->shape;
    int64_t picture = CLIP_CHANNELS * s->side * s->side,
            numbers = CLIP_CHANNELS * s->patch * s->patch;
    struct tensor *x = tape_tensor(f->tape, f->sequences * (s->positions - 1), numbers, false);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < f->sequences; i++)
        cut(s, pixels + i * picture, x->x + i * (s->positions - 1) * numbers);
    return op_linear(f->tape, x, take(f, s->width, numbers), NULL);
}

/* Before each picture's rows comes the class row. */
static struct tensor *with_class_rows(struct forward *f, const struct tensor *patches) {
    int64_t d = f->shape->width, rows = f->shape->positions;
    const struct tensor *class = take(f, 1, d);
    struct tensor *x = tape_tensor(f->tape, f->sequences * rows, d, false);
    for (int64_t i = 0; i < f->sequences; i++) {
        memcpy(x->x + i * rows * d, class->x, (size_t)d * sizeof *x->x);
        memcpy(x->x + (i * rows + 1) * d, patches->x + i * (rows - 1) * d,
               (size_t)((rows - 1) * d) * sizeof *x->x);
    }
    return x;
}

void clip_encode_pictures(struct clip_tower *tower, const real *pixels, int64_t n, float *out) {
    const struct clip_shape *s = &tower->shape;
    struct forward f = begin(tower, NULL, n);
    assert(s->input == CLIP_PICTURES && s->side % s->patch == 0);
    int64_t *offsets = arena_alloc(&f.tape->arena, n + 1, sizeof *offsets);
    int32_t *first = indices(f.tape, n);
    for (int64_t i = 0; i <= n; i++)
        offsets[i] = i * s->positions;
    for (int64_t i = 0; i < n; i++)
        first[i] = (int32_t)offsets[i];
    f.offsets = offsets;
    struct tensor *x = with_class_rows(&f, embed_patches(&f, pixels));
    x = op_embed(f.tape, x, NULL, take(&f, s->positions, s->width), places(f.tape, offsets, n),
                 offsets[n], 1, &dropout_none);
    x = norm(&f, x);
    layers(&f, x);
    project(&f, x, first, out);
    tower->flops += f.tape->work[PHASE_FORWARD].flops;
}

void clip_tower_free(struct clip_tower *tower) {
    tape_free(&tower->tape);
    *tower = (struct clip_tower){0};
}
