/* CLIP's encoders against a reference in plain loops, on a model that the test makes, and all of the way
 * from texts and pictures to rows against a golden file, which is skipped where it is absent
 * (CDSR_SHARED). */
#include "tests/reference/clip.h"
#include "core/clip/resample.h"
#include "core/clip/tower.h"
#include "core/mem.h"
#include "io/clip/config.h"
#include "io/clip/tokens.h"
#include "io/picture/picture.h"
#include "io/safetensors.h"
#include "tests/balanced.h"
#include <criterion/criterion.h>
#include <hdf5.h>
#include <stdio.h>
#include <unistd.h>

BALANCED(clip);

enum { TEXTS = 5, PICTURES = 3 };

/* Rows have norm 1 and are stored as float32. Rounding grows with the layers and the sums in them; in
 * bfloat16 operands are off by up to 2^-8 and their errors hardly add up. */
#define TIGHT (200 * (double)REAL_EPS + 2 * (double)FLT_EPSILON)
#define BFLOAT 1e-2

/* The weights as the program lays them out, to be given to mem_free. */
static real *weights_of(struct test_model *m, const struct clip_shape *shape) {
    int64_t count, total, rows;
    struct clip_tensor *list = clip_layout(shape, &count, &total);
    real *x = mem_alloc(total, sizeof *x);
    for (int64_t i = 0; i < count; i++) {
        const struct model_tensor *t = test_model_tensor(m, list[i].name);
        cr_assert_eq(t->ndim, list[i].ndim, "%s", t->name);
        for (int d = 0; d < t->ndim; d++)
            cr_assert_eq(t->extent[d], list[i].extent[d], "%s", t->name);
        rows = i + 1 < count ? list[i + 1].at - list[i].at : total - list[i].at;
        cr_assert_eq(rows, t->size, "%s", t->name);
        for (int64_t k = 0; k < t->size; k++)
            x[list[i].at + k] = t->x[k];
    }
    mem_free(list);
    return x;
}

static void expect_near(const char *what, const float *a, const double *b, int64_t n, double most) {
    double worst = 0;
    for (int64_t i = 0; i < n; i++)
        worst = fmax(worst, fabs((double)a[i] - b[i]));
    cr_expect(worst <= most, "%s: %.3g, not %.3g", what, worst, most);
}

/* ---- towers ---- */

static const int64_t offsets[TEXTS + 1] = {0, 2, 5, 6, 18, 25};

static void random_tokens(const struct clip_shape *s, int32_t *tokens) {
    for (int64_t t = 0; t < offsets[TEXTS]; t++)
        tokens[t] =
            (int32_t)rng_below(rng_key(6, RNG_TEST, 0, 0), (uint64_t)t, (uint64_t)s->vocabulary);
}

static void check_texts(enum activation f, bool bf16, double most) {
    struct test_model model = test_model_shapes(f);
    test_model_make(&model);
    struct clip_tower tower = {.shape = model.config.texts, .bf16 = bf16};
    int32_t tokens[32];
    float out[TEXTS * 16];
    double want[TEXTS * 16];
    real *weights = weights_of(&model, &tower.shape);
    tower.weights = weights;
    random_tokens(&tower.shape, tokens);
    for (int i = 0; i < TEXTS; i++)
        ref_clip_text(&model, tokens + offsets[i], (int)(offsets[i + 1] - offsets[i]),
                      want + 16 * i);
    clip_encode_texts(&tower, tokens, offsets, TEXTS, out);
    expect_near("texts", out, want, TEXTS * 16, most);
    clip_encode_texts(&tower, tokens + offsets[3], (int64_t[]){0, offsets[4] - offsets[3]}, 1, out);
    expect_near("one text", out, want + 3 * 16, 16, most);
    clip_tower_free(&tower);
    mem_free(weights);
    test_model_free(&model);
}

static void check_pictures(enum activation f, bool bf16, double most) {
    struct test_model model = test_model_shapes(f);
    test_model_make(&model);
    struct clip_tower tower = {.shape = model.config.pictures, .bf16 = bf16};
    int64_t size = 3 * tower.shape.side * tower.shape.side;
    real *weights = weights_of(&model, &tower.shape);
    real *pixels = mem_alloc(PICTURES * size, sizeof *pixels);
    double *exact = mem_alloc(PICTURES * size, sizeof *exact);
    float out[PICTURES * 16];
    double want[PICTURES * 16];
    for (int64_t i = 0; i < PICTURES * size; i++)
        exact[i] = (double)(pixels[i] = (real)rng_normal(rng_key(7, RNG_TEST, 0, 0), (uint64_t)i));
    for (int i = 0; i < PICTURES; i++)
        ref_clip_picture(&model, exact + i * size, want + 16 * i);
    tower.weights = weights;
    clip_encode_pictures(&tower, pixels, PICTURES, out);
    expect_near("pictures", out, want, PICTURES * 16, most);
    clip_tower_free(&tower);
    mem_free(weights);
    mem_free(pixels);
    mem_free(exact);
    test_model_free(&model);
}

Test(clip, texts) {
    check_texts(ACTIVATION_QUICK_GELU, false, TIGHT);
    check_texts(ACTIVATION_GELU, false, TIGHT);
}

Test(clip, pictures) {
    check_pictures(ACTIVATION_QUICK_GELU, false, TIGHT);
    check_pictures(ACTIVATION_GELU, false, TIGHT);
}

Test(clip, in_bfloat16) {
    check_texts(ACTIVATION_QUICK_GELU, true, BFLOAT);
    check_pictures(ACTIVATION_QUICK_GELU, true, BFLOAT);
}

/* Products count: 2 (4 d^2 + 2 d inner) per token and layer, and what comes before and after. */
Test(clip, work) {
    struct test_model model = test_model_shapes(ACTIVATION_QUICK_GELU);
    test_model_make(&model);
    struct clip_tower tower = {.shape = model.config.texts};
    const struct clip_shape *s = &tower.shape;
    int32_t tokens[32];
    float out[TEXTS * 16];
    real *weights = weights_of(&model, s);
    tower.weights = weights;
    random_tokens(s, tokens);
    clip_encode_texts(&tower, tokens, offsets, TEXTS, out);
    double d = (double)s->width, linear = 2 * (4 * d * d + 2 * d * (double)s->inner), attention = 0;
    for (int i = 0; i < TEXTS; i++) {
        double n = (double)(offsets[i + 1] - offsets[i]);
        attention += 4 * d * n * (n + 1) / 2;
    }
    double want = (double)s->layers * (linear * (double)offsets[TEXTS] + attention) +
                  2 * TEXTS * d * (double)s->projection;
    cr_expect(fabs(tower.flops - want) < 1e-9 * want, "%g, not %g", tower.flops, want);
    clip_tower_free(&tower);
    mem_free(weights);
    test_model_free(&model);
}

/* ---- resampling ---- */

static uint8_t noise(int64_t i) {
    return (uint8_t)rng_below(rng_key(8, RNG_TEST, 0, 0), (uint64_t)i, 256);
}

static double kernel(double x) {
    x = fabs(x);
    return x < 1   ? 1.5 * x * x * x - 2.5 * x * x + 1
           : x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2
                   : 0;
}

/* One value of a line of n, `step` apart, at `middle`, by the formula. */
static double resampled(const double *line, int64_t n, int64_t step, double middle, double scale) {
    double stretch = scale > 1 ? scale : 1, sum = 0, weights = 0;
    for (int64_t i = 0; i < n; i++) {
        double w = kernel(((double)i + 0.5 - middle) / stretch);
        sum += w * line[i * step];
        weights += w;
    }
    return fmin(255, fmax(0, sum / weights));
}

/* Values are rounded after the rows as the program does it, then exact. The last rounding makes half of
 * a difference. Where the first one finds itself in the middle between two values, weights of 22 places
 * may take it to the other one: weights sum up to 5 / 4 in size. */
static void check_resample(int64_t width, int64_t height, int64_t side) {
    int64_t shorter = width < height ? width : height;
    int64_t wide = width == shorter ? side : side * width / shorter;
    int64_t high = height == shorter ? side : side * height / shorter;
    double across = (double)width / (double)wide, down = (double)height / (double)high, worst = 0;
    uint8_t *rgb = mem_alloc(width * height, 3), *out = mem_alloc(side * side, 3);
    double *in = mem_alloc(width * height, sizeof *in),
           *narrow = mem_alloc(side * height, sizeof *in);
    for (int64_t i = 0; i < width * height * 3; i++)
        rgb[i] = noise(i);
    resample_picture(rgb, width, height, side, out);
    for (int c = 0; c < 3; c++) {
        for (int64_t i = 0; i < width * height; i++)
            in[i] = rgb[3 * i + c];
        for (int64_t y = 0; y < height; y++)
            for (int64_t x = 0; x < side; x++)
                narrow[y * side + x] =
                    round(resampled(in + y * width, width, 1,
                                    ((double)(x + (wide - side) / 2) + 0.5) * across, across));
        for (int64_t y = 0; y < side; y++)
            for (int64_t x = 0; x < side; x++)
                worst = fmax(worst,
                             fabs(out[3 * (y * side + x) + c] -
                                  resampled(narrow + x, height, side,
                                            ((double)(y + (high - side) / 2) + 0.5) * down, down)));
    }
    cr_expect(worst <= 0.5 + 1.25 + 1e-3, "%ld x %ld to %ld: %.3g", (long)width, (long)height,
              (long)side, worst);
    mem_free(rgb);
    mem_free(out);
    mem_free(in);
    mem_free(narrow);
}

Test(resample, follows_the_formula) {
    check_resample(61, 47, 24);
    check_resample(30, 200, 17);
    check_resample(7, 5, 24);
    check_resample(1, 1, 8);
    check_resample(3, 90, 2);
}

Test(resample, leaves_a_picture_of_that_size_as_it_is) {
    uint8_t rgb[9 * 9 * 3], out[9 * 9 * 3];
    for (int64_t i = 0; i < (int64_t)sizeof rgb; i++)
        rgb[i] = noise(i);
    resample_picture(rgb, 9, 9, 9, out);
    cr_expect_arr_eq(rgb, out, sizeof rgb);
}

Test(resample, cuts_the_middle) {
    uint8_t rgb[4 * 9 * 3] = {0}, out[4 * 4 * 3];
    for (int i = 0; i < 4; i++)
        rgb[(i * 9 + 2) * 3] = 200; /* of nine columns those from the third on remain */
    resample_picture(rgb, 9, 4, 4, out);
    for (int i = 0; i < 16; i++)
        cr_expect_eq(out[3 * i], i % 4 == 0 ? 200 : 0);
}

Test(resample, normalises) {
    static const uint8_t rgb[] = {0, 51, 255, 102, 0, 51, 255, 255, 0, 0, 102, 0};
    static const double mean[] = {.5, .2, 0}, deviation[] = {.25, .5, 1};
    real out[12];
    clip_normalise(rgb, 2, mean, deviation, out);
    cr_expect_float_eq(out[0], -2, 1e-6);
    cr_expect_float_eq(out[1], -.4, 1e-6);
    cr_expect_float_eq(out[4], 0, 1e-6);
    cr_expect_float_eq(out[8], 1, 1e-6);
    cr_expect_float_eq(out[9], .2, 1e-6);
}

/* ---- golden file ---- */

struct golden {
    char folder[4096];
    hid_t file;
    struct clip_config config;
};

static bool golden_open(struct golden *g) {
    char path[4200];
    const char *shared = getenv("CDSR_SHARED");
    snprintf(g->folder, sizeof g->folder, "%.4000s/golden/clip-tiny",
             shared ? shared : "../shared");
    snprintf(path, sizeof path, "%s/golden.h5", g->folder);
    if (access(path, R_OK)) {
        cr_log_warn("%s is absent: nothing compared", path);
        return false;
    }
    g->file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    cr_assert(g->file >= 0);
    cr_assert_eq(clip_config_read(g->folder, &g->config), STATUS_OK);
    return true;
}

/* The caller's to be given to mem_free. */
static double *golden_read(const struct golden *g, const char *name, int64_t *n) {
    hid_t set = H5Dopen2(g->file, name, H5P_DEFAULT), space = H5Dget_space(set);
    *n = H5Sget_simple_extent_npoints(space);
    double *x = mem_alloc(*n, sizeof *x);
    cr_assert(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, x) >= 0, "%s", name);
    H5Sclose(space);
    H5Dclose(set);
    return x;
}

static json_t *golden_list(const struct golden *g, const char *name) {
    char *text = NULL;
    hid_t attribute = H5Aopen(g->file, name, H5P_DEFAULT), type = H5Aget_type(attribute);
    cr_assert(H5Aread(attribute, type, &text) >= 0);
    json_t *list = json_loads(text, 0, NULL);
    H5free_memory(text);
    H5Tclose(type);
    H5Aclose(attribute);
    return list;
}

/* A tower with the golden weights, to be given to mem_free. */
static real *golden_tower(const struct golden *g, const struct clip_shape *shape,
                          struct clip_tower *tower) {
    char path[4200];
    int64_t count, total;
    struct safetensors file;
    struct clip_tensor *list = clip_layout(shape, &count, &total);
    real *x = mem_alloc(total, sizeof *x);
    float *rows = mem_alloc(total, sizeof *rows);
    snprintf(path, sizeof path, "%s/model.safetensors", g->folder);
    cr_assert_eq(safetensors_open_all(&file, path), STATUS_OK);
    for (int64_t i = 0; i < count; i++) {
        struct numbers numbers;
        cr_assert_eq(safetensors_find(&file, list[i].name, list[i].ndim, list[i].extent, &numbers),
                     STATUS_OK);
        cr_assert_eq(numbers_read(&numbers, 0, numbers.rows, rows + list[i].at), STATUS_OK);
    }
    for (int64_t i = 0; i < total; i++)
        x[i] = rows[i];
    safetensors_close(&file);
    mem_free(rows);
    mem_free(list);
    *tower = (struct clip_tower){.shape = *shape, .weights = x};
    return x;
}

static void expect_rows(const struct golden *g, const char *name, const float *rows, int64_t n,
                        double most) {
    int64_t all;
    double *want = golden_read(g, name, &all);
    cr_assert_eq(all, n);
    expect_near(name, rows, want, n, most);
    mem_free(want);
}

enum { GOLDEN_TEXTS = 19, GOLDEN_TOKENS = 20, GOLDEN_PICTURES = 11, GOLDEN_WIDTH = 32 };

/* The tokens as they are stored, padded with the end's. */
static void expect_tokens(const double *want, const int32_t *tokens, int64_t n, const char *text) {
    for (int64_t k = 0; k < GOLDEN_TOKENS; k++)
        cr_expect_eq((int32_t)want[k], tokens[k < n ? k : n - 1], "%s: token %ld", text, (long)k);
}

static void check_golden_texts(const struct golden *g, const struct clip_tokens *t) {
    json_t *texts = golden_list(g, "texts");
    int64_t n, at[GOLDEN_TEXTS + 1] = {0};
    double *want = golden_read(g, "tokens", &n);
    int32_t tokens[GOLDEN_TEXTS * GOLDEN_TOKENS];
    float rows[GOLDEN_TEXTS * GOLDEN_WIDTH];
    struct clip_tower tower;
    real *weights = golden_tower(g, &g->config.texts, &tower);
    cr_assert_eq(json_array_size(texts), GOLDEN_TEXTS);
    for (int64_t i = 0; i < GOLDEN_TEXTS; i++) {
        const char *text = json_string_value(json_array_get(texts, (size_t)i));
        n = clip_tokens_encode(t, text, GOLDEN_TOKENS, tokens + at[i]);
        expect_tokens(want + i * GOLDEN_TOKENS, tokens + at[i], n, text);
        at[i + 1] = at[i] + clip_tokens_used(tokens + at[i], n, g->config.end);
    }
    for (int bf16 = 0; bf16 < 2; bf16++) {
        tower.bf16 = bf16;
        clip_encode_texts(&tower, tokens, at, GOLDEN_TEXTS, rows);
        expect_rows(g, "text/embeds", rows, GOLDEN_TEXTS * GOLDEN_WIDTH, bf16 ? BFLOAT : 1e-5);
    }
    clip_tower_free(&tower);
    mem_free(weights);
    mem_free(want);
    json_decref(texts);
}

Test(clip, golden_texts) {
    struct golden g;
    struct clip_tokens tokens;
    if (!golden_open(&g))
        return;
    cr_assert_eq(clip_tokens_read(g.folder, g.config.texts.vocabulary, &tokens), STATUS_OK);
    check_golden_texts(&g, &tokens);
    clip_tokens_free(&tokens);
    H5Fclose(g.file);
}

/* From the file to normalised pixels: 1 of 255 off at most, of JPEG 2. */
static void check_golden_pixels(const struct golden *g, const char *name, const double *want) {
    char path[4400], why[PICTURE_WHY];
    struct picture picture;
    int64_t side = g->config.pictures.side;
    snprintf(path, sizeof path, "%s/images/%.100s", g->folder, name);
    cr_assert(picture_read(path, INFINITY, &picture, why), "%s: %s", name, why);
    uint8_t *rgb = mem_alloc(side * side, 3);
    real *pixels = mem_alloc(side * side * 3, sizeof *pixels);
    resample_picture(picture.rgb, picture.width, picture.height, side, rgb);
    clip_normalise(rgb, side, g->config.mean, g->config.deviation, pixels);
    double most = strstr(name, ".jpg") ? 2 : 1, worst = 0;
    for (int64_t i = 0; i < 3 * side * side; i++)
        worst = fmax(worst, fabs((double)pixels[i] - want[i]) *
                                g->config.deviation[i / (side * side)] * 255);
    cr_expect(worst <= most + 1e-3, "%s: %.3g of 255", name, worst);
    mem_free(rgb);
    mem_free(pixels);
    picture_free(&picture);
}

Test(clip, golden_pictures) {
    struct golden g;
    struct clip_tower tower;
    if (!golden_open(&g))
        return;
    json_t *names = golden_list(&g, "images");
    real *weights = golden_tower(&g, &g.config.pictures, &tower);
    int64_t n, size = 3 * tower.shape.side * tower.shape.side;
    real *pixels = mem_alloc(GOLDEN_PICTURES * size, sizeof *pixels);
    float rows[GOLDEN_PICTURES * GOLDEN_WIDTH];
    cr_assert_eq(json_array_size(names), GOLDEN_PICTURES);
    for (int64_t i = 0; i < GOLDEN_PICTURES; i++) {
        char path[128];
        const char *name = json_string_value(json_array_get(names, (size_t)i));
        snprintf(path, sizeof path, "pixels/%.100s", name);
        double *want = golden_read(&g, path, &n);
        cr_assert_eq(n, size);
        check_golden_pixels(&g, name, want);
        for (int64_t k = 0; k < size; k++)
            pixels[i * size + k] = (real)want[k];
        mem_free(want);
    }
    for (int bf16 = 0; bf16 < 2; bf16++) {
        tower.bf16 = bf16;
        clip_encode_pictures(&tower, pixels, GOLDEN_PICTURES, rows);
        expect_rows(&g, "image/embeds", rows, GOLDEN_PICTURES * GOLDEN_WIDTH, bf16 ? BFLOAT : 1e-5);
    }
    clip_tower_free(&tower);
    mem_free(weights);
    mem_free(pixels);
    json_decref(names);
    H5Fclose(g.file);
}
