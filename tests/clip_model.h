/* A tiny random CLIP model, made by the tests that need one: its tensors by name, and its files as the
 * library transformers has them. Tensors stand in another order than the program lays them out. */
#ifndef TESTS_CLIP_MODEL_H
#define TESTS_CLIP_MODEL_H
#include "core/rng.h"
#include "io/clip/config.h"
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MODEL_TENSORS = 128 };

struct model_tensor {
    char name[96];
    int ndim;
    int64_t extent[4], size;
    float *x;
};

struct test_model {
    struct clip_config config;
    int count;
    struct model_tensor list[MODEL_TENSORS];
};

static inline struct test_model test_model_shapes(enum activation f) {
    return (struct test_model){.config = {.texts = {CLIP_TEXTS, 24, 40, 2, 3, 16, f, 1e-5,
                                                    .positions = 12, .vocabulary = 530},
                                          .pictures = {CLIP_PICTURES, 20, 36, 3, 2, 16, f, 1e-5,
                                                       .positions = 10, .side = 24, .patch = 8},
                                          .end = CLIP_GREATEST,
                                          .mean = {.5, .4, .3},
                                          .deviation = {.2, .25, .3}}};
}

/* Extents end with 0. */
static inline void model_add(struct test_model *m, const char *prefix, const char *name,
                             const int64_t extent[4]) {
    struct model_tensor *t = &m->list[m->count++];
    uint64_t key;
    snprintf(t->name, sizeof t->name, "%.50s%.40s", prefix, name);
    key = rng_key(5, RNG_TEST, rng_hash(t->name), 0);
    for (t->size = 1, t->ndim = 0; t->ndim < 4 && extent[t->ndim]; t->ndim++)
        t->size *= t->extent[t->ndim] = extent[t->ndim];
    t->x = malloc((size_t)t->size * sizeof *t->x);
    for (int64_t i = 0; i < t->size; i++)
        t->x[i] = (float)(0.3 * rng_normal(key, (uint64_t)i));
    for (int64_t i = 0; strstr(name, "norm") && strstr(name, "weight") && i < t->size; i++)
        t->x[i] += 1;
}

static inline void model_add_pair(struct test_model *m, const char *prefix, const char *name,
                                  int64_t out, int64_t in) {
    char full[96];
    snprintf(full, sizeof full, "%s.bias", name);
    model_add(m, prefix, full, (int64_t[4]){out});
    snprintf(full, sizeof full, "%s.weight", name);
    model_add(m, prefix, full, (int64_t[4]){out, in});
}

static inline void model_add_layers(struct test_model *m, const char *model,
                                    const struct clip_shape *s) {
    static const char *const linear[] = {"k_proj", "v_proj", "q_proj", "out_proj"};
    char prefix[64], name[64];
    for (int l = (int)s->layers - 1; l >= 0; l--) {
        snprintf(prefix, sizeof prefix, "%s.encoder.layers.%d.", model, l);
        for (int i = 0; i < 4; i++) {
            snprintf(name, sizeof name, "self_attn.%s", linear[i]);
            model_add_pair(m, prefix, name, s->width, s->width);
        }
        model_add_pair(m, prefix, "layer_norm1", s->width, 0);
        model_add_pair(m, prefix, "mlp.fc1", s->inner, s->width);
        model_add_pair(m, prefix, "mlp.fc2", s->width, s->inner);
        model_add_pair(m, prefix, "layer_norm2", s->width, 0);
    }
}

static inline void test_model_make(struct test_model *m) {
    const struct clip_shape *t = &m->config.texts, *p = &m->config.pictures;
    model_add(m, "", "logit_scale", (int64_t[4]){1});
    model_add(m, "text_model.embeddings.", "token_embedding.weight",
              (int64_t[4]){t->vocabulary, t->width});
    model_add(m, "text_model.embeddings.", "position_embedding.weight",
              (int64_t[4]){t->positions, t->width});
    model_add_layers(m, "text_model", t);
    model_add_pair(m, "text_model.", "final_layer_norm", t->width, 0);
    model_add(m, "", "text_projection.weight", (int64_t[4]){t->projection, t->width});
    model_add(m, "vision_model.embeddings.", "class_embedding", (int64_t[4]){p->width});
    model_add(m, "vision_model.embeddings.", "patch_embedding.weight",
              (int64_t[4]){p->width, 3, p->patch, p->patch});
    model_add(m, "vision_model.embeddings.", "position_embedding.weight",
              (int64_t[4]){p->positions, p->width});
    model_add_pair(m, "vision_model.", "pre_layrnorm", p->width, 0);
    model_add_layers(m, "vision_model", p);
    model_add_pair(m, "vision_model.", "post_layernorm", p->width, 0);
    model_add(m, "", "visual_projection.weight", (int64_t[4]){p->projection, p->width});
}

static inline void test_model_free(struct test_model *m) {
    for (int i = 0; i < m->count; i++)
        free(m->list[i].x);
    m->count = 0;
}

static inline struct model_tensor *test_model_tensor(struct test_model *m, const char *name) {
    for (int i = 0; i < m->count; i++)
        if (!strcmp(m->list[i].name, name))
            return &m->list[i];
    fprintf(stderr, "the model has no tensor %s\n", name);
    abort();
}

/* ---- files ---- */

static inline FILE *model_file(const char *dir, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "wb");
    if (!file)
        abort();
    return file;
}

static inline void model_put_json(const char *dir, const char *name, json_t *json) {
    FILE *file = model_file(dir, name);
    json_dumpf(json, file, 0);
    fclose(file);
    json_decref(json);
}

static inline void test_model_put_weights(const struct test_model *m, const char *dir) {
    json_t *header = json_object();
    int64_t at = 0;
    for (int i = 0; i < m->count; i++) {
        const struct model_tensor *t = &m->list[i];
        json_t *shape = json_array();
        for (int d = 0; d < t->ndim; d++)
            json_array_append_new(shape, json_integer(t->extent[d]));
        json_object_set_new(header, t->name,
                            json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape,
                                      "data_offsets", at, at + 4 * t->size));
        at += 4 * t->size;
    }
    char *text = json_dumps(header, 0);
    uint64_t length = strlen(text);
    FILE *file = model_file(dir, "model.safetensors");
    fwrite(&length, sizeof length, 1, file);
    fwrite(text, 1, length, file);
    for (int i = 0; i < m->count; i++)
        fwrite(m->list[i].x, sizeof(float), (size_t)m->list[i].size, file);
    fclose(file);
    free(text);
    json_decref(header);
}

static inline json_t *model_section(const struct clip_shape *s) {
    return json_pack("{s:I, s:I, s:I, s:I, s:f, s:s}", "hidden_size", s->width, "intermediate_size",
                     s->inner, "num_hidden_layers", s->layers, "num_attention_heads", s->heads,
                     "layer_norm_eps", s->eps, "hidden_act",
                     s->activation == ACTIVATION_GELU ? "gelu" : "quick_gelu");
}

static inline void test_model_put_config(const struct test_model *m, const char *dir) {
    const struct clip_config *c = &m->config;
    json_t *texts = model_section(&c->texts), *pictures = model_section(&c->pictures);
    json_object_set_new(texts, "vocab_size", json_integer(c->texts.vocabulary));
    json_object_set_new(texts, "max_position_embeddings", json_integer(c->texts.positions));
    json_object_set_new(texts, "eos_token_id", json_integer(c->end));
    json_object_set_new(pictures, "image_size", json_integer(c->pictures.side));
    json_object_set_new(pictures, "patch_size", json_integer(c->pictures.patch));
    model_put_json(dir, "config.json",
                   json_pack("{s:s, s:I, s:o, s:o}", "model_type", "clip", "projection_dim",
                             c->texts.projection, "text_config", texts, "vision_config", pictures));
    model_put_json(dir, "preprocessor_config.json",
                   json_pack("{s:[f, f, f], s:[f, f, f]}", "image_mean", c->mean[0], c->mean[1],
                             c->mean[2], "image_std", c->deviation[0], c->deviation[1],
                             c->deviation[2]));
}

/* Token of a byte, of a word's end with "</w>": itself if printable, else from U+0100 on. */
static inline void model_byte(int byte, const char *end, char token[16]) {
    int c = 256;
    for (int b = 0; b < byte; b++)
        c += !((b > 32 && b < 127) || (b > 160 && b < 173) || b > 173);
    if ((byte > 32 && byte < 127) || (byte > 160 && byte < 173) || byte > 173)
        c = byte;
    if (c < 128)
        snprintf(token, 16, "%c%s", c, end);
    else
        snprintf(token, 16, "%c%c%s", 0xc0 | c >> 6, 0x80 | (c & 63), end);
}

static const char *const model_merges[][2] = {
    {"t", "h"},     {"th", "e</w>"}, {"c", "a"},      {"ca", "t</w>"},
    {"'", "s</w>"}, {"l", "l</w>"},  {"'", "ll</w>"}, {"\xc3\x83", "\xc2\xa9</w>"},
    {"e", "e"},     {"a", "t</w>"}};
enum { MODEL_MERGES = sizeof model_merges / sizeof *model_merges, MODEL_START = 528, MODEL_END };

/* Bytes are 0 to 255, at the end of a word 256 to 511, then come the merges. */
static inline void test_model_put_tokens(const char *dir) {
    json_t *tokens = json_object();
    char token[32];
    for (int i = 0; i < 512; i++) {
        model_byte(i % 256, i < 256 ? "" : "</w>", token);
        json_object_set_new(tokens, token, json_integer(i));
    }
    FILE *file = model_file(dir, "merges.txt");
    fputs("#version: 0.2\n", file);
    for (int i = 0; i < MODEL_MERGES; i++) {
        fprintf(file, "%s %s\n", model_merges[i][0], model_merges[i][1]);
        snprintf(token, sizeof token, "%s%s", model_merges[i][0], model_merges[i][1]);
        json_object_set_new(tokens, token, json_integer(512 + i));
    }
    fclose(file);
    json_object_set_new(tokens, "<|startoftext|>", json_integer(MODEL_START));
    json_object_set_new(tokens, "<|endoftext|>", json_integer(MODEL_END));
    model_put_json(dir, "vocab.json", tokens);
}

/* All files of the model, in a new folder. */
static inline void test_model_put(const struct test_model *m, const char *dir) {
    if (mkdir(dir, 0777))
        abort();
    test_model_put_config(m, dir);
    test_model_put_weights(m, dir);
    test_model_put_tokens(dir);
}

#endif
