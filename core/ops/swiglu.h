/* The gate of SwiGLU layers (Shazeer, "GLU variants improve transformer", 2020). Not collective. */
#ifndef CORE_OPS_SWIGLU_H
#define CORE_OPS_SWIGLU_H
#include "core/tape.h"

/* y = silu(a) b with silu(z) = z / (1 + exp(-z)), where a row of x is [a | b]. x [T, 2 f] -> [T, f]. */
struct tensor *op_swiglu(struct tape *tape, struct tensor *x);

#endif
