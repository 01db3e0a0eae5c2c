/* LLM-EMF against golden files made in float64 by an implementation that shares no code with this
 * one: states, losses, gradients, ten AdamW steps, scores and ranks. Skipped where the files are
 * absent (CDSR_SHARED). */
#include "core/catalogue/rank.h"
#include "core/mem.h"
#include "core/models/forward.h"
#include "core/models/llm_emf.h"
#include "core/models/registry.h"
#include "core/optim.h"
#include "tests/balanced.h"
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <hdf5.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

BALANCED(golden, .init = models_register);

#ifdef CDSR_DOUBLE
#define TIGHT 1e-10
#define TRAJECTORY 1e-10
#define AFTER 1e-9
#else
#define TIGHT 1e-5
#define TRAJECTORY 1e-5
#define AFTER 1e-4
#endif

struct golden {
    hid_t file;
    struct config config;
    struct catalogue shape;
    struct model model;
    real *tables[OPTION_LIST], *units[OPTION_LIST];
};

static void *read_all(hid_t file, const char *name, hid_t type, size_t size, hsize_t dims[2]) {
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    cr_assert(set >= 0, "%s is missing", name);
    hid_t space = H5Dget_space(set);
    dims[0] = dims[1] = 1;
    H5Sget_simple_extent_dims(space, dims, NULL);
    void *out = mem_alloc((int64_t)(dims[0] * dims[1]) + 1, size);
    cr_assert(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0);
    H5Sclose(space);
    H5Dclose(set);
    return out;
}

static double *read_doubles(hid_t file, const char *name, int64_t *n) {
    hsize_t dims[2];
    double *x = read_all(file, name, H5T_NATIVE_DOUBLE, sizeof *x, dims);
    *n = (int64_t)(dims[0] * dims[1]);
    return x;
}

/* |a - b| / |b| over all elements. */
static double distance(const real *a, const double *b, int64_t n) {
    double diff = 0, norm = 0;
    for (int64_t i = 0; i < n; i++) {
        diff += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        norm += b[i] * b[i];
    }
    return norm > 0 ? sqrt(diff / norm) : sqrt(diff);
}

static void expect_near(const char *what, const real *a, const double *b, int64_t n, double tol) {
    double d = distance(a, b, n);
    cr_expect(d <= tol, "%s: relative distance %.3g above %.3g", what, d, tol);
}

static void set(struct config *config, const char *key, const char *format, ...) {
    char value[256];
    va_list args;
    va_start(args, format);
    vsnprintf(value, sizeof value, format, args);
    va_end(args);
    cr_assert_eq(options_set(config, "golden", key, value), STATUS_OK);
}

static void read_config(struct golden *g) {
    char *text = NULL;
    hid_t attr = H5Aopen(g->file, "config", H5P_DEFAULT), type = H5Aget_type(attr);
    cr_assert(H5Tis_variable_str(type) && H5Aread(attr, type, &text) >= 0);
    json_t *json = json_loads(text, 0, NULL);
    cr_assert(json);
#define STR(key) json_string_value(json_object_get(json, key))
#define NUM(key) json_number_value(json_object_get(json, key))
    options_defaults(&g->config);
    set(&g->config, "model.modalities", "[id, text, image]");
    set(&g->config, "model.dim", "%g", NUM("d"));
    set(&g->config, "model.blocks", "%g", NUM("blocks"));
    set(&g->config, "model.heads", "%g", NUM("heads"));
    set(&g->config, "model.scale", "learned");
    set(&g->config, "model.share_encoders", "none");
    set(&g->config, "model.fusion", "%s", STR("fusion"));
    set(&g->config, "model.fusion_weights", strcmp(STR("weights"), "learned") ? "[%s]" : "%s",
        STR("weights"));
    set(&g->config, "model.mixed_softmax", "%s", STR("mixed"));
    set(&g->config, "train.target", "%s", STR("target"));
    set(&g->config, "model.lambda1", "%.17g", NUM("lambda1"));
    set(&g->config, "model.lambda2", "%.17g", NUM("lambda2"));
    set(&g->config, "train.lr", "%.17g", NUM("lr"));
    set(&g->config, "train.weight_decay", "%.17g", NUM("wd"));
    set(&g->config, "model.dropout", "0");
    cr_assert_eq(model_configure(&g->config), STATUS_OK);
    g->shape.a_items = (int64_t)NUM("nx");
    g->shape.items = g->shape.a_items + (int64_t)NUM("ny");
    g->shape.max_len = (int64_t)NUM("max_len");
    json_decref(json);
    H5free_memory(text);
    H5Tclose(type);
    H5Aclose(attr);
}

/* The reference feeds the stored rows to the encoders and divides by their norms on the item side.
 */
static void read_table(struct golden *g, int m, const char *name) {
    hsize_t dims[2];
    double *x = read_all(g->file, name, H5T_NATIVE_DOUBLE, sizeof *x, dims);
    int64_t rows = (int64_t)dims[0], cols = (int64_t)dims[1];
    g->tables[m] = mem_alloc(rows * cols, sizeof(real));
    g->units[m] = mem_alloc(rows * cols, sizeof(real));
    for (int64_t i = 0; i < rows; i++) {
        double norm = 0;
        for (int64_t j = 0; j < cols; j++)
            norm += x[i * cols + j] * x[i * cols + j];
        for (int64_t j = 0; j < cols; j++) {
            g->tables[m][i * cols + j] = (real)x[i * cols + j];
            g->units[m][i * cols + j] = (real)(norm > 0 ? x[i * cols + j] / sqrt(norm) : 0);
        }
    }
    g->shape.table[m] = (struct frozen_table){g->tables[m], g->units[m], cols};
    mem_free(x);
}

/* The golden files call the streams x, y and xy: enc.x.id.pos is enc.a.id.pos here. */
static const char *golden_streams[STREAMS] = {"x", "y", "xy"};

static void golden_name(const char *group, const char *param, char name[PARAM_NAME + 32]) {
    snprintf(name, PARAM_NAME + 32, "%s/%s", group, param);
    for (int s = 0; s < STREAMS; s++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "enc.%s.", stream_names[s]);
        if (!strncmp(param, prefix, strlen(prefix)))
            snprintf(name, PARAM_NAME + 32, "%s/enc.%s.%s", group, golden_streams[s],
                     param + strlen(prefix));
    }
}

static void set_params(struct golden *g) {
    for (int i = 0; i < g->model.params.count; i++) {
        struct param *p = &g->model.params.list[i];
        char name[PARAM_NAME + 32];
        int64_t n;
        golden_name("param", p->name, name);
        double *x = read_doubles(g->file, name, &n);
        cr_assert_eq(n, param_size(p), "%s", name);
        for (int64_t k = 0; k < n; k++)
            p->tensor.x[k] = (real)x[k];
        mem_free(x);
    }
}

static bool golden_open(struct golden *g, const char *name) {
    char path[4096];
    const char *shared = getenv("CDSR_SHARED");
    snprintf(path, sizeof path, "%s/golden/%s", shared ? shared : "../shared", name);
    *g = (struct golden){0};
    if (access(path, R_OK)) {
        cr_log_warn("%s is absent: nothing compared", path);
        return false;
    }
    g->file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    cr_assert(g->file >= 0);
    read_config(g);
    read_table(g, 1, "features/text");
    read_table(g, 2, "features/image");
    cr_assert_eq(model_create(&g->model, &g->config, &g->shape, true), STATUS_OK);
    set_params(g);
    return true;
}

static void golden_close(struct golden *g) {
    model_free(&g->model);
    for (int m = 0; m < OPTION_LIST; m++)
        mem_free(g->tables[m]), mem_free(g->units[m]);
    H5Fclose(g->file);
}

/* Sequences of a split as samples over `items`, which the caller frees. */
static struct sample *read_samples(struct golden *g, const char *split, int64_t drop, int64_t *n,
                                   int32_t **items) {
    char name[64];
    hsize_t dims[2];
    snprintf(name, sizeof name, "sequences/%s/items", split);
    *items = read_all(g->file, name, H5T_NATIVE_INT32, sizeof **items, dims);
    snprintf(name, sizeof name, "sequences/%s/offsets", split);
    int64_t *offsets = read_all(g->file, name, H5T_NATIVE_INT64, sizeof *offsets, dims);
    *n = (int64_t)dims[0] - 1;
    struct sample *samples = mem_alloc(*n, sizeof *samples);
    for (int64_t s = 0; s < *n; s++)
        samples[s] = (struct sample){*items + offsets[s], offsets[s + 1] - offsets[s] - drop, s, NULL};
    mem_free(offsets);
    return samples;
}

static double run_step(struct golden *g, struct tape *tape, const struct batch *batch, int64_t step,
                       double loss[STREAMS + 1]) {
    struct phases phases;
    struct pass pass = {.tape = tape, .batch = batch, .step = step, .shares = 1, .phases = &phases};
    model_count(&g->model, batch, pass.count);
    phases_start(&phases, PHASE_FORWARD);
    tape_begin(tape, true, g->model.params.count);
    params_zero_grad(&g->model.params);
    model_forward(&g->model, &pass, NULL);
    tape_backward(tape, NULL, NULL);
    loss[STREAMS] = 0;
    for (int i = 0; i < STREAMS; i++)
        loss[STREAMS] += g->model.loss[i].weight * (loss[i] = pass.loss[i] / (double)pass.count[i]);
    return loss[STREAMS];
}

static void compare_params(struct golden *g, const char *group, double tol) {
    for (int i = 0; i < g->model.params.count; i++) {
        struct param *p = &g->model.params.list[i];
        bool grad = !strcmp(group, "grad");
        char path[32], name[PARAM_NAME + 32];
        int64_t n;
        snprintf(path, sizeof path, "golden/%s", group);
        golden_name(path, p->name, name);
        double *x = read_doubles(g->file, name, &n);
        /* The key third of the attention bias has a true gradient of zero. */
        bool qkv = strstr(p->name, "attn.qkv.b") != NULL;
        real *mine = grad ? p->tensor.g : p->tensor.x;
        if (qkv) {
            expect_near(name, mine, x, n / 3, tol);
            expect_near(name, mine + 2 * n / 3, x + 2 * n / 3, n / 3, tol);
        } else
            expect_near(name, mine, x, n, tol);
        mem_free(x);
    }
}

static void compare_states(struct golden *g, const struct batch *batch) {
    struct tape tape = {0};
    struct item_view all;
    const struct pass pass = {.tape = &tape, .batch = batch, .items = &all};
    tape_begin(&tape, false, 0);
    model_view(&g->model, &tape, NULL, &all);
    for (int s = 0; s < STREAMS; s++) {
        struct tensor *h[OPTION_LIST];
        emf_states(&g->model, &pass, s, h);
        for (int m = 0; m < g->model.heads; m++) {
            char name[128];
            int64_t n;
            snprintf(name, sizeof name, "golden/state/%s/%s", golden_streams[s],
                     g->config.model.modalities.name[m]);
            double *x = read_doubles(g->file, name, &n);
            cr_assert_eq(n, h[m]->rows * h[m]->cols);
            expect_near(name, h[m]->x, x, n, TIGHT);
            mem_free(x);
        }
    }
    tape_free(&tape);
}

static void rank_one(struct golden *g, const struct sample *sample, double *rank, bool scores) {
    struct tape items = {0}, tape = {0};
    struct batch batch = {0};
    struct rank_count count;
    struct item_view all;
    struct pass pass = {.tape = &tape, .batch = &batch, .items = &all};
    int32_t target = sample->items[sample->length];
    int domain = target >= g->shape.a_items;
    struct ranking r = {.target = &target, .full = &count};
    tape_begin(&items, false, 0);
    tape_begin(&tape, false, 0);
    model_view(&g->model, &items, NULL, &all);
    batch_history(&batch, sample, 1, g->shape.a_items, g->shape.max_len);
    model_query(&g->model, &pass, &all, domain, &r.query);
    r.scores = mem_alloc(r.query.hi - r.query.lo, sizeof(real));
    cr_assert_eq(rank_targets(&tape.arena, &r), STATUS_OK);
    *rank = 1 + (double)count.above + (double)count.equal / 2;
    if (scores) {
        char name[64];
        int64_t n;
        snprintf(name, sizeof name, "golden/eval/score/%d", (int)sample->id);
        double *x = read_doubles(g->file, name, &n);
        cr_assert_eq(n, r.query.hi - r.query.lo);
        expect_near(name, r.scores, x, n, TIGHT);
        mem_free(x);
    }
    mem_free(r.scores);
    batch_free(&batch);
    tape_free(&tape);
    tape_free(&items);
}

static void compare_ranks(struct golden *g, const char *dataset, bool scores) {
    int64_t n, m;
    int32_t *items;
    struct sample *samples = read_samples(g, "test", 1, &n, &items);
    double *expected = read_doubles(g->file, dataset, &m);
    cr_assert_eq(n, m);
    for (int64_t s = 0; s < n; s++) {
        double rank;
        rank_one(g, &samples[s], &rank, scores);
        cr_expect_eq(rank, expected[s], "%s %ld: %g, expected %g", dataset, (long)s, rank,
                     expected[s]);
    }
    mem_free(samples);
    mem_free(items);
    mem_free(expected);
}

static void compare_trajectory(struct golden *g, const struct batch *batch) {
    struct tape tape = {0};
    struct adamw adamw = {g->config.train.lr, 0.9, 0.98, 1e-8, g->config.train.weight_decay};
    int64_t n;
    double *expected = read_doubles(g->file, "golden/trajectory", &n);
    for (int step = 1; step <= 10; step++) {
        double loss[STREAMS + 1];
        run_step(g, &tape, batch, step, loss);
        if (step == 1)
            compare_params(g, "grad", TIGHT);
        for (int i = 0; i < 4; i++) {
            double want = expected[(step - 1) * 4 + i];
            cr_expect(fabs(loss[i] - want) <= TRAJECTORY * want,
                      "step %d loss %d: %.12g, expected %.12g", step, i, loss[i], want);
        }
        adamw_step(&adamw, &g->model.params, step, 1);
    }
    mem_free(expected);
    tape_free(&tape);
}

static void compare_all(const char *name) {
    struct golden g;
    struct batch batch = {0};
    int64_t n;
    int32_t *items;
    if (!golden_open(&g, name))
        return;
    struct sample *samples = read_samples(&g, "train", 0, &n, &items);
    batch_train(&batch, samples, n, g.shape.a_items, g.shape.max_len);
    compare_states(&g, &batch);
    compare_ranks(&g, "golden/eval/rank", true);
    compare_trajectory(&g, &batch);
    compare_params(&g, "after", AFTER);
    compare_ranks(&g, "golden/eval/rank_after", false);
    batch_free(&batch);
    mem_free(samples);
    mem_free(items);
    golden_close(&g);
}

Test(golden, probability) {
    compare_all("llm_emf_probability.h5");
}

Test(golden, logit) {
    compare_all("llm_emf_logit.h5");
}
