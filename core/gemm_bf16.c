#include "core/gemm_bf16.h"
#include "core/gemm_amx.h"
#include "core/gemm_avx512.h"
#include "core/mem.h"
#include <pthread.h>
#include <string.h>

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

static bool always(void) {
    return true;
}

const struct gemm_bf16_kernel gemm_bf16_kernels[] = {
#ifdef PACK_BF16
    {"amx", gemm_amx_usable, gemm_amx},
    {"avx512_bf16", pack_usable, gemm_avx512},
#endif
    {"portable", always, gemm_bf16_portable},
    {0}};

static const struct gemm_bf16_kernel *best;

static void choose(void) {
    for (best = gemm_bf16_kernels; !best->usable();)
        best++;
}

const struct gemm_bf16_kernel *gemm_bf16_kernel(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose);
    return best;
}

void gemm_bf16_serial(enum trans ta, enum trans tb, int64_t m, int64_t n, int64_t k, real alpha,
                      const real *a, int64_t lda, const real *b, int64_t ldb, real beta, real *c,
                      int64_t ldc) {
    gemm_bf16_kernel()->product(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void gemm_bf16(enum trans ta, enum trans tb, int64_t m, int64_t n, int64_t k, real alpha,
               const real *a, int64_t lda, const real *b, int64_t ldb, real beta, real *c,
               int64_t ldc) {
    gemm_split(gemm_bf16_serial, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
