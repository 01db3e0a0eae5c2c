/* y = x w^T + b. Not collective. */
#ifndef CORE_OPS_LINEAR_H
#define CORE_OPS_LINEAR_H
#include "core/tape.h"

/* x [T, in], w [out, in], b [1, out] -> [T, out]. */
struct tensor *op_linear(struct tape *tape, struct tensor *x, struct tensor *w, struct tensor *b);

#endif
