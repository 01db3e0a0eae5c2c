/* Matrix products whose operands are rounded to bfloat16 and whose sums are float32. Not
 * collective.
 *
 * bfloat16 is float32 without its lower 16 bits: the same range, 8 significant bits, so that every
 * operand has a relative error of at most 2^-8 and a product of two is exact in float32. Memory and
 * interfaces stay `real`: rounding happens while operands are packed for the cache. Rounding is to
 * nearest, ties to even; NaN stays NaN.
 *
 * | kernel | with | product |
 * |---|---|---|
 * | amx | AMX, Linux 5.16 or later | tiles of 16 x 16 sums (core/gemm_amx.h) |
 * | avx512_bf16 | AVX-512 BF16 | VDPBF16PS, at twice the rate of float32 (core/gemm_avx512.h) |
 * | portable | any, and in double precision | rounded, then by the BLAS library as float32 is |
 *
 * The first that the processor and the system have is found at run time, once. The kernels multiply
 * the same numbers, but for subnormal ones, which the first two take for zero. They add in different
 * orders: two kernels agree to the accuracy of float32, not bit for bit. */
#ifndef CORE_GEMM_BF16_H
#define CORE_GEMM_BF16_H
#include "core/gemm.h"
#include <stdbool.h>

/* Like gemm_serial and gemm. Scratch is allocated for the time of the call. */
gemm_fn gemm_bf16_serial, gemm_bf16;

/* The version for every processor. */
gemm_fn gemm_bf16_portable;

struct gemm_bf16_kernel {
    const char *name;     /* NULL ends the table */
    bool (*usable)(void); /* on this machine */
    gemm_fn *product;     /* runs on the calling thread */
};

/* Best first; the last one is usable everywhere. */
extern const struct gemm_bf16_kernel gemm_bf16_kernels[];

/* The one in use. */
const struct gemm_bf16_kernel *gemm_bf16_kernel(void);

#endif
