#include "io/clip/config.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/file.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CONFIG_LIMIT = 1 << 20, PATH_LIMIT = 4096 };

/* ---- values of a JSON file ---- */

struct source {
    char path[PATH_LIMIT];
    json_t *json;
    const char *section; /* "text_config"; NULL: the whole */
};

static enum status bad(const struct source *s, const char *key, const char *what) {
    return log_error(STATUS_INPUT, "%s: %s%s%s %s", s->path, s->section ? s->section : "",
                     s->section ? "." : "", key, what);
}

static enum status source_open(struct source *s, const char *directory, const char *name) {
    char *text = NULL;
    json_error_t error;
    *s = (struct source){0};
    snprintf(s->path, sizeof s->path, "%s/%s", directory, name);
    TRY(file_read(s->path, CONFIG_LIMIT, &text));
    s->json = json_loads(text, 0, &error);
    mem_free(text);
    if (json_is_object(s->json))
        return STATUS_OK;
    enum status status = s->json ? log_error(STATUS_INPUT, "%s: is not a JSON object", s->path)
                                 : log_error(STATUS_INPUT, "%s:%d: is not JSON: %s", s->path,
                                             error.line, error.text);
    json_decref(s->json);
    s->json = NULL;
    return status;
}

/* The value of a key; NULL where it is not there, or null. What older files have in
 * "text_config_dict" comes before "text_config". */
static const json_t *value_of(const struct source *s, const char *key) {
    char dict[64];
    const json_t *object = s->json, *value = NULL;
    if (s->section) {
        snprintf(dict, sizeof dict, "%s_dict", s->section);
        value = json_object_get(json_object_get(s->json, dict), key);
        object = json_object_get(s->json, s->section);
    }
    value = value ? value : json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

/* An integer in [lo, hi]; *out is the default already. */
static enum status get_integer(const struct source *s, const char *key, int64_t lo, int64_t hi,
                               int64_t *out) {
    char what[96];
    const json_t *value = value_of(s, key);
    if (!value)
        return STATUS_OK;
    int64_t n = json_is_integer(value) ? json_integer_value(value) : lo - 1;
    if (n < lo || n > hi) {
        snprintf(what, sizeof what, "is not an integer from %lld to %lld", (long long)lo,
                 (long long)hi);
        return bad(s, key, what);
    }
    *out = n;
    return STATUS_OK;
}

static enum status get_positive(const struct source *s, const char *key, double *out) {
    const json_t *value = value_of(s, key);
    if (!value)
        return STATUS_OK;
    if (!json_is_number(value) || !(json_number_value(value) > 0))
        return bad(s, key, "is not a number above 0");
    *out = json_number_value(value);
    return STATUS_OK;
}

static enum status get_activation(const struct source *s, enum activation *out) {
    const json_t *value = value_of(s, "hidden_act");
    const char *name = value ? json_string_value(value) : "quick_gelu";
    if (!name || (strcmp(name, "quick_gelu") != 0 && strcmp(name, "gelu") != 0))
        return bad(s, "hidden_act", "is not one of quick_gelu, gelu");
    *out = strcmp(name, "gelu") != 0 ? ACTIVATION_QUICK_GELU : ACTIVATION_GELU;
    return STATUS_OK;
}

/* ---- config.json ---- */

enum { WIDTH = 1 << 14, INNER = 1 << 17, LAYERS = 256, POSITIONS = 1 << 12, SIDE = 1 << 11 };

static enum status get_layers(const struct source *s, struct clip_shape *shape) {
    TRY(get_integer(s, "hidden_size", 1, WIDTH, &shape->width));
    TRY(get_integer(s, "intermediate_size", 1, INNER, &shape->inner));
    TRY(get_integer(s, "num_hidden_layers", 1, LAYERS, &shape->layers));
    TRY(get_integer(s, "num_attention_heads", 1, WIDTH, &shape->heads));
    TRY(get_positive(s, "layer_norm_eps", &shape->eps));
    if (shape->width % shape->heads != 0)
        return bad(s, "num_attention_heads", "does not divide hidden_size");
    return get_activation(s, &shape->activation);
}

static enum status get_texts(struct source *s, struct clip_config *c) {
    s->section = "text_config";
    c->texts = (struct clip_shape){.input = CLIP_TEXTS,
                                   .width = 512,
                                   .inner = 2048,
                                   .layers = 12,
                                   .heads = 8,
                                   .projection = c->texts.projection,
                                   .eps = 1e-5,
                                   .positions = 77,
                                   .vocabulary = 49408};
    c->end = CLIP_GREATEST;
    TRY(get_layers(s, &c->texts));
    TRY(get_integer(s, "max_position_embeddings", 2, POSITIONS, &c->texts.positions));
    TRY(get_integer(s, "vocab_size", 2, 1 << 22, &c->texts.vocabulary));
    return get_integer(s, "eos_token_id", 0, c->texts.vocabulary - 1, &c->end);
}

static enum status get_pictures(struct source *s, struct clip_config *c) {
    struct clip_shape *p = &c->pictures;
    int64_t channels = CLIP_CHANNELS;
    s->section = "vision_config";
    *p = (struct clip_shape){.input = CLIP_PICTURES,
                             .width = 768,
                             .inner = 3072,
                             .layers = 12,
                             .heads = 12,
                             .projection = p->projection,
                             .eps = 1e-5,
                             .side = 224,
                             .patch = 32};
    TRY(get_layers(s, p));
    TRY(get_integer(s, "num_channels", CLIP_CHANNELS, CLIP_CHANNELS, &channels));
    TRY(get_integer(s, "image_size", 1, SIDE, &p->side));
    TRY(get_integer(s, "patch_size", 1, SIDE, &p->patch));
    if (p->side % p->patch != 0)
        return bad(s, "patch_size", "does not divide image_size");
    p->positions = (p->side / p->patch) * (p->side / p->patch) + 1;
    return p->positions <= POSITIONS ? STATUS_OK : bad(s, "patch_size", "makes too many patches");
}

static enum status get_model(struct source *s, struct clip_config *c) {
    int64_t projection = 512;
    const json_t *type = value_of(s, "model_type");
    if (type && (!json_is_string(type) || strcmp(json_string_value(type), "clip") != 0))
        return bad(s, "model_type", "is not clip");
    TRY(get_integer(s, "projection_dim", 1, WIDTH, &projection));
    c->texts.projection = c->pictures.projection = projection;
    TRY(get_texts(s, c));
    return get_pictures(s, c);
}

/* ---- preprocessor_config.json ---- */

/* A step that is done here, unless the file says that it is not. */
static enum status check_done(const struct source *s, const char *key) {
    const json_t *value = value_of(s, key);
    return !value || json_is_true(value) ? STATUS_OK : bad(s, key, "is not true");
}

/* A size, or an object with one under each of the names. */
static enum status check_size(const struct source *s, const char *key, const char *first,
                              const char *second, int64_t side) {
    char what[64];
    const json_t *value = value_of(s, key);
    const json_t *a = json_is_object(value) ? json_object_get(value, first) : value;
    const json_t *b = json_is_object(value) ? json_object_get(value, second) : value;
    if (!value || (json_integer_value(a) == side && json_integer_value(b) == side))
        return STATUS_OK;
    snprintf(what, sizeof what, "is not the model's image_size, %lld", (long long)side);
    return bad(s, key, what);
}

static enum status get_channels(const struct source *s, const char *key, double least,
                                double out[CLIP_CHANNELS]) {
    const json_t *value = value_of(s, key);
    if (!value)
        return STATUS_OK;
    bool good = json_array_size(value) == CLIP_CHANNELS;
    for (size_t c = 0; good && c < CLIP_CHANNELS; c++) {
        out[c] = json_number_value(json_array_get(value, c));
        good = out[c] >= least && out[c] <= 1;
    }
    return good ? STATUS_OK : bad(s, key, "is not three numbers up to 1, of red, green and blue");
}

static enum status get_preparation(const struct source *s, struct clip_config *c) {
    static const char *const steps[] = {"do_resize", "do_center_crop", "do_rescale",
                                        "do_normalize"};
    int64_t resample = 3;
    double scale = 1 / 255.;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        TRY(check_done(s, steps[i]));
    TRY(get_integer(s, "resample", 3, 3, &resample));
    TRY(get_positive(s, "rescale_factor", &scale));
    if (fabs(scale * 255 - 1) > 1e-6)
        return bad(s, "rescale_factor", "is not 1 / 255");
    TRY(check_size(s, "size", "shortest_edge", "shortest_edge", c->pictures.side));
    TRY(check_size(s, "crop_size", "height", "width", c->pictures.side));
    TRY(get_channels(s, "image_mean", 0, c->mean));
    return get_channels(s, "image_std", 1e-3, c->deviation);
}

static enum status read_preparation(const char *directory, struct clip_config *config) {
    static const double mean[] = {0.48145466, 0.4578275, 0.40821073},
                        deviation[] = {0.26862954, 0.26130258, 0.27577711};
    struct source source;
    char path[PATH_LIMIT];
    memcpy(config->mean, mean, sizeof mean);
    memcpy(config->deviation, deviation, sizeof deviation);
    snprintf(path, sizeof path, "%s/preprocessor_config.json", directory);
    if (!file_exists(path))
        return STATUS_OK;
    TRY(source_open(&source, directory, "preprocessor_config.json"));
    enum status status = get_preparation(&source, config);
    json_decref(source.json);
    return status;
}

enum status clip_config_read(const char *directory, struct clip_config *config) {
    struct source source;
    struct clip_config found = {0};
    TRY(source_open(&source, directory, "config.json"));
    enum status status = get_model(&source, &found);
    json_decref(source.json);
    if (status == STATUS_OK)
        status = read_preparation(directory, &found);
    if (status == STATUS_OK)
        *config = found;
    return status;
}
