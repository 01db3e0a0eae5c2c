#include "core/gemm.h"
#include <cblas.h>
#include <omp.h>

#ifdef CDSR_DOUBLE
#define CBLAS_GEMM cblas_dgemm
#else
#define CBLAS_GEMM cblas_sgemm
#endif

enum { SPLIT = 16 }; /* shares are multiples of this, kind to the library's micro-kernels */

void gemm_serial(enum trans ta, enum trans tb, int64_t m, int64_t n, int64_t k, real alpha,
                 const real *a, int64_t lda, const real *b, int64_t ldb, real beta, real *c,
                 int64_t ldc) {
    if (m <= 0 || n <= 0)
        return;
    CBLAS_GEMM(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans,
               (int)m, (int)n, (int)k, alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

void gemm_split(gemm_fn *serial, enum trans ta, enum trans tb, int64_t m, int64_t n, int64_t k,
                real alpha, const real *a, int64_t lda, const real *b, int64_t ldb, real beta,
                real *c, int64_t ldc) {
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    int64_t wide = m > n ? m : n;
    int64_t share = ((wide + threads - 1) / threads + SPLIT - 1) / SPLIT * SPLIT;
#pragma omp parallel for num_threads(threads) schedule(static, 1) if (threads > 1)
    for (int64_t lo = 0; lo < wide; lo += share) {
        int64_t size = wide - lo < share ? wide - lo : share;
        if (m > n)
            serial(ta, tb, size, n, k, alpha, a + (ta ? lo : lo * lda), lda, b, ldb, beta,
                   c + lo * ldc, ldc);
        else
            serial(ta, tb, m, size, k, alpha, a, lda, b + (tb ? lo * ldb : lo), ldb, beta, c + lo,
                   ldc);
    }
}

void gemm(enum trans ta, enum trans tb, int64_t m, int64_t n, int64_t k, real alpha, const real *a,
          int64_t lda, const real *b, int64_t ldb, real beta, real *c, int64_t ldc) {
    gemm_split(gemm_serial, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
