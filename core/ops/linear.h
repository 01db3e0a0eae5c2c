/* y = x w^T + b. Not collective. The products, backward too, are in bfloat16 (core/gemm_bf16.h) if
 * the tape says so; the gradient of b is not. */
#ifndef CORE_OPS_LINEAR_H
#define CORE_OPS_LINEAR_H
#include "core/tape.h"

/* x [T, in], w [out, in], b [1, out] or NULL -> [T, out]. */
struct tensor *op_linear(struct tape *tape, struct tensor *x, struct tensor *w, struct tensor *b);

#endif
