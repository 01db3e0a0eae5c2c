#include "core/pack_bf16.h"

#ifdef PACK_BF16
#include <string.h>

enum { STRIP = 32 }; /* rows of an operand packed across them at a time */

bool pack_usable(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
}

/* Rounded to bfloat16. */
static BF16_INLINE __m512i words_of(__m512 low, __m512 high) {
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* Word j of x[i] becomes word i of x[j]. */
static BF16_INLINE void transpose(__m512i x[LANES]) {
    __m512i t[LANES];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        x[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        x[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        x[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        x[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int j = 0; j < 4; j++) {
        __m512i a = _mm512_shuffle_i32x4(x[j], x[j + 4], 0x88),
                b = _mm512_shuffle_i32x4(x[j], x[j + 4], 0xdd),
                c = _mm512_shuffle_i32x4(x[j + 8], x[j + 12], 0x88),
                d = _mm512_shuffle_i32x4(x[j + 8], x[j + 12], 0xdd);
        t[j] = _mm512_shuffle_i32x4(a, c, 0x88);
        t[j + 4] = _mm512_shuffle_i32x4(b, d, 0x88);
        t[j + 8] = _mm512_shuffle_i32x4(a, c, 0xdd);
        t[j + 12] = _mm512_shuffle_i32x4(b, d, 0xdd);
    }
    memcpy(x, t, sizeof t);
}

/* 16 words of one member whose numbers are neighbours in memory; zero from the k-th number on. */
static BF16_INLINE __m512i load_along(const float *x, int64_t k) {
    return words_of(_mm512_maskz_loadu_ps(first_lanes(k), x),
                    _mm512_maskz_loadu_ps(first_lanes(k - LANES), x + LANES));
}

/* A word of each member where a number of the members is beside those of the other members; zero
 * from the k-th number on. */
static BF16_INLINE __m512i load_across(const float *x, int64_t ld, __mmask16 members, int64_t k) {
    const __m512i pairs =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    __m512 low = _mm512_maskz_loadu_ps(k > 0 ? members : first_lanes(0), x),
           high = _mm512_maskz_loadu_ps(k > 1 ? members : first_lanes(0), x + ld);
    return _mm512_permutexvar_epi16(pairs, words_of(low, high));
}

/* ---- panels ---- */

/* Up to 16 members of a panel, the others zero; a member's numbers are neighbours in memory. */
BF16 static void panel_along(const float *x, int64_t ld, int64_t members, int64_t k, int width,
                             __mmask16 lanes, uint32_t *out) {
    for (int64_t p = 0; p < k; p += 2 * LANES) {
        __m512i w[LANES];
        for (int i = 0; i < LANES; i++)
            w[i] = i < members ? load_along(x + i * ld + p, k - p) : _mm512_setzero_si512();
        transpose(w);
        for (int i = 0; i < LANES && p + 2 * i < k; i++)
            _mm512_mask_storeu_epi32(out + (p / 2 + i) * width, lanes, w[i]);
    }
}

/* The same where a number of the members is beside those of the other members. */
BF16 static void panel_across(const float *x, int64_t ld, int64_t members, int64_t k, int width,
                              __mmask16 lanes, uint32_t *out) {
    __mmask16 there = first_lanes(members);
    for (int64_t p = 0; p < k; p += 2)
        _mm512_mask_storeu_epi32(out + p / 2 * width, lanes,
                                 load_across(x + p * ld, ld, there, k - p));
}

BF16 void pack_panels(struct operand o, int64_t span, int64_t k, int64_t words, int width,
                      uint32_t *out) {
    int64_t panel = words * width, full = (k + 1) / 2 * width, strip = o.along_k ? k : STRIP;
    for (int64_t p = 0; p < k; p += strip)
        for (int64_t i = 0; i < span; i += width)
            for (int at = 0; at < width; at += LANES) {
                int64_t members = min64(span - i, width) - at, first = min64(i + at, span - 1);
                (o.along_k ? panel_along : panel_across)(
                    operand_part(o, first, p).x, o.ld, members, min64(strip, k - p), width,
                    first_lanes(width - at), out + i / width * panel + p / 2 * width + at);
            }
    for (int64_t i = 0; i < span && full < panel; i += width)
        memset(out + i / width * panel + full, 0, (size_t)(panel - full) * sizeof *out);
}

/* ---- rows ---- */

/* 16 words of up to 16 members. */
BF16 static void rows_along(const float *x, int64_t ld, int64_t members, int64_t k, int64_t words,
                            uint32_t *out) {
    for (int64_t i = 0; i < members; i++)
        _mm512_storeu_si512(out + i * words, load_along(x + i * ld, k));
}

BF16 static void rows_across(const float *x, int64_t ld, int64_t members, int64_t k, int64_t words,
                             uint32_t *out) {
    __mmask16 there = first_lanes(members);
    __m512i w[LANES];
    for (int p = 0; p < LANES; p++)
        w[p] = load_across(x + (int64_t)2 * p * ld, ld, there, k - 2 * p);
    transpose(w);
    for (int64_t i = 0; i < members; i++)
        _mm512_storeu_si512(out + i * words, w[i]);
}

void pack_rows(struct operand o, int64_t span, int64_t k, int64_t words, uint32_t *out) {
    for (int64_t p = 0; p < k; p += STRIP)
        for (int64_t i = 0; i < span; i += LANES)
            (o.along_k ? rows_along : rows_across)(operand_part(o, i, p).x, o.ld,
                                                   min64(LANES, span - i), k - p, words,
                                                   out + i * words + p / 2);
}
#endif
