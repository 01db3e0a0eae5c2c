/* The operations of core/amx.h in C, from their description in the processor's manual. What the
 * processor would refuse ends the test. */
#ifndef TESTS_NUMERICS_AMX_EMULATED_H
#define TESTS_NUMERICS_AMX_EMULATED_H
#define AMX_EMULATED
#include "core/amx.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AMX

struct tile {
    int rows, words;
    uint32_t word[AMX_ROWS][AMX_WORDS];
};

static _Thread_local struct tile tiles[AMX_TILES];
static _Thread_local bool amx_configured;

static void amx_expect(bool holds) {
    if (!holds)
        abort();
}

static struct tile *amx_tile(int t) {
    amx_expect(amx_configured && t >= 0 && t < AMX_TILES && tiles[t].rows > 0);
    return &tiles[t];
}

static void amx_configure(const struct amx_config *config) {
    static const uint8_t zero[15];
    amx_expect(config->palette == 1 && !memcmp(config->reserved, zero, sizeof zero));
    for (int t = 0; t < 16; t++) {
        int rows = config->rows[t], bytes = config->row_bytes[t];
        amx_expect(rows <= AMX_ROWS && bytes <= 4 * AMX_WORDS && bytes % 4 == 0);
        amx_expect(t < AMX_TILES ? (rows > 0) == (bytes > 0) : rows == 0 && bytes == 0);
        if (t < AMX_TILES)
            tiles[t] = (struct tile){.rows = rows, .words = bytes / 4};
    }
    amx_configured = true;
}

static void amx_release(void) {
    amx_configured = false;
}

static void amx_zero(int t) {
    memset(amx_tile(t)->word, 0, sizeof tiles[t].word);
}

/* A row beyond the shape and words beyond a row become zero: here, they stay so. */
static void amx_load(int t, const void *from, int64_t stride) {
    struct tile *tile = amx_tile(t);
    for (int i = 0; i < tile->rows; i++)
        memcpy(tile->word[i], (const char *)from + i * stride, 4 * (size_t)tile->words);
}

static void amx_store(int t, void *to, int64_t stride) {
    const struct tile *tile = amx_tile(t);
    for (int i = 0; i < tile->rows; i++)
        memcpy((char *)to + i * stride, tile->word[i], 4 * (size_t)tile->words);
}

/* The processor also flushes what lies below the smallest normal number by less than half of the
 * last bit there, which has been rounded up to it here. */
static float amx_flushed(float x) {
    return fabsf(x) < FLT_MIN ? copysignf(0, x) : x; /* NaN stays */
}

/* A half of a word, 0 the lower one, as float32. */
static float amx_half(uint32_t word, int half) {
    uint32_t bits = half ? word & 0xffff0000u : word << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return amx_flushed(x);
}

static void amx_product(int tc, int ta, int tb) {
    struct tile *c = amx_tile(tc), *a = amx_tile(ta), *b = amx_tile(tb);
    amx_expect(tc != ta && tc != tb && ta != tb);
    amx_expect(c->rows == a->rows && c->words == b->words && a->words == b->rows);
    for (int i = 0; i < c->rows; i++)
        for (int j = 0; j < c->words; j++) {
            float sum[2] = {0}, was;
            for (int p = 0; p < a->words; p++)
                for (int half = 0; half < 2; half++)
                    sum[half] = amx_flushed(fmaf(amx_half(a->word[i][p], half),
                                                 amx_half(b->word[p][j], half), sum[half]));
            memcpy(&was, &c->word[i][j], sizeof was);
            was = amx_flushed(amx_flushed(was) + amx_flushed(sum[0] + sum[1]));
            memcpy(&c->word[i][j], &was, sizeof was);
        }
}

#endif
