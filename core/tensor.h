/* A matrix of reals with room for its gradient. Plain data; the owner of the memory is an arena
 * (activations), a struct params (parameters) or the caller (frozen tables). */
#ifndef CORE_TENSOR_H
#define CORE_TENSOR_H
#include "core/real.h"
#include <stdbool.h>
#include <stdint.h>

struct param;

struct tensor {
    real *x; /* [rows, cols], row-major */
    real *g; /* gradient of the same shape; NULL until something adds to it */
    int64_t rows;
    int64_t cols;
    bool learned; /* a gradient is wanted */
    int param;    /* index of the parameter it is, -1 for others */
};

#endif
