#include "core/gemm_amx.h"
#include "core/amx.h"

#ifdef PACK_BF16
#include "core/gemm_amx_kernel.h"

bool gemm_amx_usable(void) {
    return pack_usable() && amx_permitted();
}

void gemm_amx(enum trans ta, enum trans tb, int64_t m, int64_t n, int64_t k, real alpha,
              const real *a, int64_t lda, const real *b, int64_t ldb, real beta, real *c,
              int64_t ldc) {
    amx_gemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
#endif
