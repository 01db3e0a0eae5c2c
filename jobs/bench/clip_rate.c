#include "jobs/bench/clip_rate.h"
#include "core/clip/tower.h"
#include "core/gemm_bf16.h"
#include "core/mem.h"
#include "core/phase.h"
#include "core/rng.h"
#include "io/output.h"
#include "jobs/engine/peak.h"
#include <jansson.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 5, PICTURES = 16, TEXTS = 64, TOKENS = 21 };

static const struct clip_shape shapes[] = {
    [CLIP_TEXTS] = {CLIP_TEXTS, 512, 2048, 12, 8, 512, ACTIVATION_QUICK_GELU, 1e-5, 77, 49408, 0,
                    0},
    [CLIP_PICTURES] = {CLIP_PICTURES, 768, 3072, 12, 12, 512, ACTIVATION_QUICK_GELU, 1e-5, 50, 0,
                       224, 32}};

struct rate {
    const char *what, *precision;
    double per_second, gflops, fraction;
};

/* What the rounds encode; the rows are nobody's. */
struct batch {
    struct clip_tower tower;
    real *weights, *pixels;
    int32_t *tokens;
    int64_t offsets[TEXTS + 1];
    float *out;
};

/* Of deviation `scale`. */
static real *random_numbers(uint64_t stream, int64_t n, double scale) {
    uint64_t key = rng_key(1, RNG_TEST, stream, 0);
    real *numbers = mem_alloc(n, sizeof *numbers);
#pragma omp parallel for
    for (int64_t i = 0; i < n; i++)
        numbers[i] = (real)(scale * 3.46 * (rng_uniform(key, (uint64_t)i) - 0.5));
    return numbers;
}

static void open_batch(struct batch *b, const struct clip_shape *shape) {
    int64_t count, total;
    mem_free(clip_layout(shape, &count, &total));
    *b = (struct batch){.tower.shape = *shape};
    b->tower.weights = b->weights = random_numbers(0, total, 0.02);
    b->out = mem_alloc(TEXTS * shape->projection, sizeof *b->out);
    if (shape->input == CLIP_PICTURES) {
        b->pixels = random_numbers(1, PICTURES * CLIP_CHANNELS * shape->side * shape->side, 1);
        return;
    }
    b->tokens = mem_alloc(TEXTS * TOKENS, sizeof *b->tokens);
    for (int64_t i = 0; i < TEXTS * TOKENS; i++)
        b->tokens[i] =
            (int32_t)rng_below(rng_key(1, RNG_TEST, 2, 0), (uint64_t)i, shape->vocabulary);
    for (int64_t i = 0; i <= TEXTS; i++)
        b->offsets[i] = i * TOKENS;
}

static void close_batch(struct batch *b) {
    clip_tower_free(&b->tower);
    mem_free(b->weights);
    mem_free(b->pixels);
    mem_free(b->tokens);
    mem_free(b->out);
}

static void encode(struct batch *b) {
    if (b->pixels)
        clip_encode_pictures(&b->tower, b->pixels, PICTURES, b->out);
    else
        clip_encode_texts(&b->tower, b->tokens, b->offsets, TEXTS, b->out);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds of a batch on the slowest rank. */
static double seconds_of(const struct comm *comm, struct batch *b) {
    double seconds[ROUNDS];
    encode(b);
    b->tower.flops = 0;
    for (int i = 0; i < ROUNDS; i++) {
        comm_wait(comm);
        double start = phase_clock();
        encode(b);
        seconds[i] = phase_clock() - start;
        comm_max_f64(comm, &seconds[i], 1);
    }
    qsort(seconds, ROUNDS, sizeof *seconds, by_value);
    return seconds[ROUNDS / 2];
}

static double larger(double a, double b) {
    return a > b ? a : b;
}

/* Products before and after, of which the better counts: other programs come and go. */
static struct rate measure(const struct comm *comm, struct batch *b, bool bf16, double *peak) {
    double (*product)(const struct comm *) = bf16 ? peak_gemm_bf16 : peak_sgemm;
    int64_t items = (b->pixels ? PICTURES : TEXTS) * (int64_t)comm->size;
    b->tower.bf16 = bf16;
    *peak = larger(*peak, product(comm));
    double seconds = seconds_of(comm, b);
    *peak = larger(*peak, product(comm));
    double gflops = b->tower.flops / ROUNDS * comm->size / seconds * 1e-9;
    return (struct rate){b->pixels ? "pictures" : "texts", bf16 ? "bf16" : "fp32",
                         (double)items / seconds, gflops, NAN};
}

static void print(const struct comm *comm, const struct rate rates[4], const double peak[2]) {
    printf("clip of ViT-B/32's shapes, random weights; %d ranks x threads %d; large products: fp32 "
           "%.1f GFLOP/s, bf16 by %s %.1f GFLOP/s\n",
           comm->size, omp_get_max_threads(), peak[0], gemm_bf16_kernel()->name, peak[1]);
    printf("%-12s%-12s%12s%12s%12s\n", "what", "precision", "per second", "GFLOP/s", "of peak");
    for (int i = 0; i < 4; i++)
        printf("%-12s%-12s%12.1f%12.1f%12.3f\n", rates[i].what, rates[i].precision,
               rates[i].per_second, rates[i].gflops, rates[i].fraction);
}

static enum status write(const struct comm *comm, const char *output, const struct rate rates[4],
                         const double peak[2]) {
    json_t *list = json_array();
    for (int i = 0; i < 4; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:f, s:f, s:f}", "what", rates[i].what,
                                              "precision", rates[i].precision, "per_second",
                                              rates[i].per_second, "gflops", rates[i].gflops,
                                              "fraction", rates[i].fraction));
    json_t *object =
        json_pack("{s:o, s:f, s:f, s:s, s:i, s:i}", "clip", list, "sgemm_gflops", peak[0],
                  "gemm_bf16_gflops", peak[1], "gemm_bf16", gemm_bf16_kernel()->name, "ranks",
                  comm->size, "threads", omp_get_max_threads());
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    enum status status = output_write(output, text);
    json_decref(object);
    free(text);
    return status;
}

enum status clip_rate(const struct comm *comm, const char *output) {
    static const enum clip_input inputs[] = {CLIP_PICTURES, CLIP_TEXTS};
    double peak[2] = {0};
    struct rate rates[4];
    struct batch batch;
    for (int i = 0; i < 4; i++) {
        if (i % 2 == 0)
            open_batch(&batch, &shapes[inputs[i / 2]]);
        rates[i] = measure(comm, &batch, i % 2, &peak[i % 2]);
        if (i % 2)
            close_batch(&batch);
    }
    for (int i = 0; i < 4; i++)
        rates[i].fraction = rates[i].gflops / peak[i % 2];
    if (comm->rank == 0 && !output)
        print(comm, rates, peak);
    return output ? COMM_ON_ROOT(comm, write(comm, output, rates, peak)) : STATUS_OK;
}
