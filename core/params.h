/* The parameters of a model: named tensors in one flat block, with gradients and Adam moments in
 * blocks of the same layout. One block makes the optimizer, the reduction and the hash one loop.
 * Not collective. */
#ifndef CORE_PARAMS_H
#define CORE_PARAMS_H
#include "core/tensor.h"
#include <stdint.h>

enum { PARAM_NAME = 128 };

#define PARAM_NORMAL_STD 0.02

enum param_init {
    PARAM_ZERO,
    PARAM_ONE,
    PARAM_NORMAL, /* N(0, PARAM_NORMAL_STD^2): embedding tables */
    PARAM_FAN_IN, /* uniform in +-1/sqrt(fan in): linear layers */
    PARAM_LN10    /* ln 10: temperatures */
};

struct param {
    char name[PARAM_NAME];
    int ndim;       /* 0, 1 or 2: the shape in files */
    int64_t rows;   /* 1 below two dimensions */
    int64_t cols;   /* 1 for a scalar */
    int64_t at;     /* offset in the blocks */
    int64_t fan_in; /* of PARAM_FAN_IN */
    enum param_init init;
    struct tensor tensor; /* x and g point into the blocks */
};

struct params {
    int count, capacity;
    struct param *list;
    int64_t total;       /* elements of a block, padding between tensors included */
    real *x, *g, *m, *v; /* values, gradients, first and second moments */
};

/* Declare a tensor; returns its index. `ndim` 0 is a scalar, 1 has `cols`, 2 has `rows` x `cols`.
 * The name is the formatted text. */
int params_add(struct params *params, int ndim, int64_t rows, int64_t cols, enum param_init init,
               int64_t fan_in, const char *name, ...) __attribute__((format(printf, 7, 8)));

/* After the last declaration: allocate the blocks. Values are drawn from (seed, tensor's name,
 * element) and so depend on nothing else; gradients and moments are zero. With `training` false
 * there are only values. */
void params_allocate(struct params *params, uint64_t seed, int training);
void params_free(struct params *params); /* zeroes it */

int64_t param_size(const struct param *param);                            /* elements */
struct param *params_find(const struct params *params, const char *name); /* or NULL */

void params_zero_grad(struct params *params);
uint64_t params_hash(const struct params *params); /* of all values' bits */

#endif
