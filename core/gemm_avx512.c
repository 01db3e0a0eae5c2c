/* Outline: operands packed into panels of words (core/pack_bf16.h), a register tile of 12 x 32 sums,
 * and the loops over blocks that fit the caches (Goto, van de Geijn, 2008: "Anatomy of
 * high-performance matrix multiplication"). */
#include "core/gemm_avx512.h"

#ifdef PACK_BF16
#include "core/mem.h"

enum {
    MR = 12, /* register tile: 24 sums of 16, 2 vectors of b, 1 element of a */
    NR = 2 * LANES,
    KC = 256,     /* a panel of b, KC x NR, stays in the first-level cache */
    MC = 10 * MR, /* a block of a and one of b, in the second */
    NC = 16 * NR
};

struct target {
    float *c;
    int64_t ldc, rows, cols;
    float alpha, beta;
};

static BF16_INLINE void store(__m512 sum, float alpha, float beta, float *c, __mmask16 lanes) {
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

void gemm_avx512(enum trans ta, enum trans tb, int64_t m, int64_t n, int64_t k, real alpha,
                 const real *a, int64_t lda, const real *b, int64_t ldb, real beta, real *c,
                 int64_t ldc) {
    struct operand x = {a, lda, !ta}, y = {b, ldb, tb};
    uint32_t *scratch = mem_alloc((MC + NC) * (KC / 2), sizeof *scratch);
    uint32_t *pa = scratch, *pb = pa + MC * (KC / 2);
    for (int64_t j = 0; j < n; j += NC)
        for (int64_t p = 0; p == 0 || p < k; p += KC) {
            int64_t depth = min64(KC, k - p), words = (depth + 1) / 2, cols = min64(NC, n - j);
            pack_panels(operand_part(y, j, p), cols, depth, words, NR, pb);
            for (int64_t i = 0; i < m; i += MC) {
                int64_t rows = min64(MC, m - i);
                pack_panels(operand_part(x, i, p), rows, depth, words, MR, pa);
                block(words, pa, pb,
                      (struct target){c + i * ldc + j, ldc, rows, cols, alpha, p ? 1 : beta});
            }
        }
    mem_free(scratch);
}
#endif
