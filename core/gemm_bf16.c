/* Outline: the portable version; for AVX-512 BF16, operands packed into panels of k-pairs, a
 * register tile of 12 x 32 sums, and the loops over blocks that fit the caches (Goto, van de
 * Geijn, 2008: "Anatomy of high-performance matrix multiplication"). */
#include "core/gemm_bf16.h"
#include "core/mem.h"
#include <string.h>

/* ---- every processor ---- */

static real rounded(real x) {
    float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    bits = f != f ? bits | 0x400000u : bits + 0x7fffu + (bits >> 16 & 1);
    bits &= 0xffff0000u;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static real *rounded_copy(const real *x, int64_t rows, int64_t cols, int64_t ld) {
    real *copy = mem_alloc(rows * cols, sizeof *copy);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            copy[i * cols + j] = rounded(x[i * ld + j]);
    return copy;
}

void gemm_bf16_portable(enum trans ta, enum trans tb, int64_t m, int64_t n, int64_t k, real alpha,
                        const real *a, int64_t lda, const real *b, int64_t ldb, real beta, real *c,
                        int64_t ldc) {
    if (m <= 0 || n <= 0)
        return;
    int64_t a_cols = ta ? m : k, b_cols = tb ? k : n;
    real *x = rounded_copy(a, ta ? k : m, a_cols, lda),
         *y = rounded_copy(b, tb ? n : k, b_cols, ldb);
    gemm_serial(ta, tb, m, n, k, alpha, x, a_cols + !k, y, b_cols + !k, beta, c, ldc);
    mem_free(y);
    mem_free(x);
}

/* ---- AVX-512 BF16 ---- */

#if defined(__x86_64__) && defined(__GNUC__) && !defined(CDSR_DOUBLE)
#include <immintrin.h>

#define BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))
#define INLINE BF16 inline __attribute__((always_inline))

enum {
    LANES = 16,
    STRIP = 32, /* rows of an operand packed across them at a time */
    MR = 12,    /* register tile: 24 sums of 16, 2 vectors of b, 1 element of a */
    NR = 2 * LANES,
    KC = 256,     /* a panel of b, KC x NR, stays in the first-level cache */
    MC = 10 * MR, /* a block of a and one of b, in the second */
    NC = 16 * NR
};

/* A matrix as the panels see it: members, which are the rows of a or the columns of b, of k numbers
 * each. Two neighbours along k make a word; a panel of some width is as many members, word by word
 * side by side. */
struct operand {
    const float *x;
    int64_t ld;
    bool along_k; /* neighbours in memory are neighbours along k */
};

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static struct operand part(struct operand o, int64_t member, int64_t k) {
    o.x += o.along_k ? member * o.ld + k : k * o.ld + member;
    return o;
}

static INLINE __mmask16 first_lanes(int64_t n) {
    return (__mmask16)(n >= LANES ? 0xffffu : n > 0 ? (1u << n) - 1 : 0);
}

/* Rounded to bfloat16. */
static INLINE __m512i words(__m512 low, __m512 high) {
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* Word j of x[i] becomes word i of x[j]. */
static INLINE void transpose(__m512i x[LANES]) {
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

/* Up to 16 members of a panel, the others zero; a member's numbers are neighbours in memory. */
BF16 static void pack_along(const float *x, int64_t ld, int64_t members, int64_t k, int width,
                            __mmask16 lanes, uint32_t *out) {
    for (int64_t p = 0; p < k; p += 2 * LANES) {
        __mmask16 low = first_lanes(k - p), high = first_lanes(k - p - LANES);
        __m512i w[LANES];
        for (int i = 0; i < LANES; i++)
            w[i] = i < members ? words(_mm512_maskz_loadu_ps(low, x + i * ld + p),
                                       _mm512_maskz_loadu_ps(high, x + i * ld + p + LANES))
                               : _mm512_setzero_si512();
        transpose(w);
        for (int i = 0; i < LANES && p + 2 * i < k; i++)
            _mm512_mask_storeu_epi32(out + (p / 2 + i) * width, lanes, w[i]);
    }
}

/* The same where a number of the members is beside those of the other members. */
BF16 static void pack_across(const float *x, int64_t ld, int64_t members, int64_t k, int width,
                             __mmask16 lanes, uint32_t *out) {
    const __m512i pairs =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    __mmask16 there = first_lanes(members);
    for (int64_t p = 0; p < k; p += 2) {
        __m512 low = _mm512_maskz_loadu_ps(there, x + p * ld);
        __m512 high = _mm512_maskz_loadu_ps(p + 1 < k ? there : first_lanes(0), x + (p + 1) * ld);
        _mm512_mask_storeu_epi32(out + p / 2 * width, lanes,
                                 _mm512_permutexvar_epi16(pairs, words(low, high)));
    }
}

/* The panels of `span` members. */
BF16 static void pack(struct operand o, int64_t span, int64_t k, int width, uint32_t *out) {
    int64_t panel = (k + 1) / 2 * width, strip = o.along_k ? k : STRIP;
    for (int64_t p = 0; p < k; p += strip)
        for (int64_t i = 0; i < span; i += width)
            for (int at = 0; at < width; at += LANES) {
                int64_t members = min64(span - i, width) - at, first = min64(i + at, span - 1);
                (o.along_k ? pack_along : pack_across)(
                    part(o, first, p).x, o.ld, members, min64(strip, k - p), width,
                    first_lanes(width - at), out + i / width * panel + p / 2 * width + at);
            }
}

struct target {
    float *c;
    int64_t ldc, rows, cols;
    float alpha, beta;
};

static INLINE void store(__m512 sum, float alpha, float beta, float *c, __mmask16 lanes) {
    __m512 x = _mm512_mul_ps(_mm512_set1_ps(alpha), sum);
    if (beta != 0)
        x = _mm512_fmadd_ps(_mm512_set1_ps(beta), _mm512_maskz_loadu_ps(lanes, c), x);
    _mm512_mask_storeu_ps(c, lanes, x);
}

/* c[rows, cols] = alpha a b + beta c for one panel of a and one of b. The lines of c are asked for
 * first: they are seldom in the cache, and there is time until the end of the loop. */
BF16 static void tile(int64_t kwords, const uint32_t *a, const uint32_t *b, struct target t) {
    __m512 sum[MR][2];
#pragma GCC unroll 12
    for (int i = 0; i < MR; i++) {
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
        const float *c = t.c + (i < t.rows ? i : 0) * t.ldc;
        __builtin_prefetch(c, 1);
        __builtin_prefetch(c + t.cols - 1, 1);
    }
    for (int64_t p = 0; p < kwords; p++, a += MR, b += NR) {
        __m512bh b0 = (__m512bh)_mm512_load_si512(b), b1 = (__m512bh)_mm512_load_si512(b + LANES);
#pragma GCC unroll 12
        for (int i = 0; i < MR; i++) {
            __m512bh ai = (__m512bh)_mm512_set1_epi32((int)a[i]);
            sum[i][0] = _mm512_dpbf16_ps(sum[i][0], ai, b0);
            sum[i][1] = _mm512_dpbf16_ps(sum[i][1], ai, b1);
        }
    }
    const __mmask16 left = first_lanes(t.cols), right = first_lanes(t.cols - LANES);
#pragma GCC unroll 12
    for (int i = 0; i < MR; i++)
        if (i < t.rows) {
            store(sum[i][0], t.alpha, t.beta, t.c + i * t.ldc, left);
            store(sum[i][1], t.alpha, t.beta, t.c + i * t.ldc + LANES, right);
        }
}

static void block(int64_t kwords, const uint32_t *a, const uint32_t *b, struct target t) {
    for (int64_t j = 0; j < t.cols; j += NR)
        for (int64_t i = 0; i < t.rows; i += MR)
            tile(kwords, a + i * kwords, b + j * kwords,
                 (struct target){t.c + i * t.ldc + j, t.ldc, min64(MR, t.rows - i),
                                 min64(NR, t.cols - j), t.alpha, t.beta});
}

static void native(int64_t m, int64_t n, int64_t k, float alpha, struct operand a, struct operand b,
                   float beta, float *c, int64_t ldc) {
    uint32_t *scratch = mem_alloc((MC + NC) * (KC / 2), sizeof *scratch);
    uint32_t *pa = scratch, *pb = pa + MC * (KC / 2);
    for (int64_t j = 0; j < n; j += NC)
        for (int64_t p = 0; p < k; p += KC) {
            int64_t depth = min64(KC, k - p), cols = min64(NC, n - j);
            pack(part(b, j, p), cols, depth, NR, pb);
            for (int64_t i = 0; i < m; i += MC) {
                int64_t rows = min64(MC, m - i);
                pack(part(a, i, p), rows, depth, MR, pa);
                block((depth + 1) / 2, pa, pb,
                      (struct target){c + i * ldc + j, ldc, rows, cols, alpha, p ? 1 : beta});
            }
        }
    mem_free(scratch);
}

bool gemm_bf16_native(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
}

void gemm_bf16_serial(enum trans ta, enum trans tb, int64_t m, int64_t n, int64_t k, real alpha,
                      const real *a, int64_t lda, const real *b, int64_t ldb, real beta, real *c,
                      int64_t ldc) {
    if (gemm_bf16_native() && k > 0)
        native(m, n, k, alpha, (struct operand){a, lda, !ta}, (struct operand){b, ldb, tb}, beta, c,
               ldc);
    else
        gemm_bf16_portable(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
#else
bool gemm_bf16_native(void) {
    return false;
}

void gemm_bf16_serial(enum trans ta, enum trans tb, int64_t m, int64_t n, int64_t k, real alpha,
                      const real *a, int64_t lda, const real *b, int64_t ldb, real beta, real *c,
                      int64_t ldc) {
    gemm_bf16_portable(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
#endif

void gemm_bf16(enum trans ta, enum trans tb, int64_t m, int64_t n, int64_t k, real alpha,
               const real *a, int64_t lda, const real *b, int64_t ldb, real beta, real *c,
               int64_t ldc) {
    gemm_split(gemm_bf16_serial, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
