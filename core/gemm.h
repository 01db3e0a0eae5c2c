/* Matrix products over CBLAS. Not collective.
 *
 * The BLAS library is called single-threaded; the threads are OpenMP's (a BLAS
 * with threads of its own fights with them for the cores). */
#ifndef CORE_GEMM_H
#define CORE_GEMM_H
#include "core/real.h"
#include <stdint.h>

enum trans { NO_TRANS, TRANS };

/* c[m, n] = alpha op(a)[m, k] op(b)[k, n] + beta c, row-major with leading dimensions. */
typedef void gemm_fn(enum trans ta, enum trans tb, int64_t m, int64_t n, int64_t k, real alpha,
                     const real *a, int64_t lda, const real *b, int64_t ldb, real beta, real *c,
                     int64_t ldc);

/* Runs on the calling thread: for use inside parallel regions. */
gemm_fn gemm_serial;

/* The same, split over the threads by rows or columns of c. */
gemm_fn gemm;

/* Any serial product, split like that. */
void gemm_split(gemm_fn *serial, enum trans ta, enum trans tb, int64_t m, int64_t n, int64_t k,
                real alpha, const real *a, int64_t lda, const real *b, int64_t ldb, real beta,
                real *c, int64_t ldc);

#endif
