/* Matrix products whose operands are rounded to bfloat16 and whose sums are float32. Not
 * collective.
 *
 * bfloat16 is float32 without its lower 16 bits: the same range, 8 significant bits, so that every
 * operand has a relative error of at most 2^-8 and a product of two is exact in float32. Memory and
 * interfaces stay `real`: rounding happens while operands are packed for the cache. Rounding is to
 * nearest, ties to even; NaN stays NaN.
 *
 * Processors with AVX-512 BF16 have an instruction for it (VDPBF16PS, twice the rate of float32),
 * found at run time. It takes subnormal operands for zero. Elsewhere, and in double precision, the
 * operands are rounded and multiplied by the BLAS library: the same numbers but for the order of
 * the sums and subnormals, at the price of float32. */
#ifndef CORE_GEMM_BF16_H
#define CORE_GEMM_BF16_H
#include "core/gemm.h"
#include <stdbool.h>

/* Like gemm_serial and gemm. Scratch is allocated for the time of the call. */
gemm_fn gemm_bf16_serial, gemm_bf16;

/* The version for every processor. For tests. */
gemm_fn gemm_bf16_portable;

/* Whether this processor has the instruction and the build uses it. */
bool gemm_bf16_native(void);

#endif
