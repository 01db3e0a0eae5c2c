/* The parameters of a model: named tensors in one flat block, with gradients and Adam moments in
 * blocks of the same layout. One block makes the optimizer, the reduction and the hash one loop.
 * Not collective.
 *
 * A table may be held in part, some of its rows, where ranks share it out; and its gradient may
 * come as rows (struct row_grad) instead of filling a block. The blocks begin with the tensors that
 * every rank holds and sums, [0, shared); then those held in part that have a dense gradient, up to
 * `dense`, the length of g; then the tables whose gradient comes as rows. */
#ifndef CORE_PARAMS_H
#define CORE_PARAMS_H
#include "core/tensor.h"
#include "partition/item_block.h"
#include <stdbool.h>
#include <stdint.h>

enum { PARAM_NAME = 128 };

#define PARAM_NORMAL_STD 0.02

enum param_init {
    PARAM_ZERO,
    PARAM_ONE,
    PARAM_NORMAL, /* N(0, PARAM_NORMAL_STD^2): embedding tables */
    PARAM_FAN_IN, /* uniform in +-1/sqrt(fan in): linear layers */
    PARAM_LECUN, /* uniform in +-sqrt(3 / fan in), of variance 1 / fan in: layers before rectifiers */
    PARAM_LN10,    /* ln 10: temperatures */
    PARAM_QUARTER, /* 1/4: slopes of rectifiers */
    PARAM_GATES,   /* 1 in the first two thirds of the columns, else 0: biases of a GRU */
    PARAM_QKV, /* [3d, d], queries and keys: PARAM_FAN_IN and 0.3 of the identity; values: the identity */
    PARAM_HALF /* half the identity */
};

struct param {
    char name[PARAM_NAME];
    int ndim;                /* 0, 1 or 2: the shape in files */
    int64_t rows;            /* of the whole tensor; 1 below two dimensions */
    int64_t cols;            /* 1 for a scalar */
    struct item_block local; /* rows that are here */
    bool partial;            /* other ranks have the other rows */
    bool by_rows;            /* the gradient comes as rows: tensor.g is NULL */
    bool of_items;           /* row i belongs to item i of the data set */
    int64_t at;              /* offset in the blocks */
    int64_t fan_in;          /* of PARAM_FAN_IN, PARAM_LECUN, PARAM_QKV */
    enum param_init init;
    struct tensor tensor; /* of the rows that are here; x and g point into the blocks */
};

struct params {
    int count, capacity;
    struct param *list;
    int64_t shared, dense, total; /* elements, padding between tensors included */
    real *x, *m, *v;              /* [total] values, first and second moments */
    real *g;                      /* [dense] gradients */
};

/* The gradient of a table in some of the rows that are here; it is zero in the others. */
struct row_grad {
    int64_t n;
    const int32_t *row; /* [n] ascending places of rows that are here; NULL: every one */
    const real *g;      /* [n, cols] */
};

/* Add it to the dense gradient of `table`; grad->row is given. */
void row_grad_add(const struct row_grad *grad, struct tensor *table);

/* The first of n numbers that is not finite, -1: none. */
int64_t first_not_finite(const real *x, int64_t n);

/* Declare a tensor; returns its index. `ndim` 0 is a scalar, 1 has `cols`, 2 has `rows` x `cols`.
 * The name is the formatted text. */
int params_add(struct params *params, int ndim, int64_t rows, int64_t cols, enum param_init init,
               int64_t fan_in, const char *name, ...) __attribute__((format(printf, 7, 8)));

/* Of a declared table: only these rows are here. */
void params_local(struct params *params, int index, const struct item_block *local);

/* Of a declared table: its gradient comes as rows. */
void params_by_rows(struct params *params, int index);

/* Of a declared table: its rows belong to the items of the data set, in their order. */
void params_of_items(struct params *params, int index);

/* Is there such a table? */
bool params_have_items(const struct params *params);

/* After the last declaration: allocate the blocks. Values are drawn from (seed, tensor's name,
 * element) and so depend on nothing else; gradients and moments are zero. With `training` false
 * there are only values. */
void params_allocate(struct params *params, uint64_t seed, int training);
void params_free(struct params *params); /* zeroes it */

int64_t param_size(const struct param *param); /* elements that are here */
int64_t param_end(const struct param *param);  /* in the blocks, with padding */
struct param *params_find(const struct params *params, const char *name); /* or NULL */

/* Values change places with those of a block of the same layout; a second time, back. */
void params_swap(struct params *params, real *block);

void params_zero_grad(struct params *params);
uint64_t params_hash(const struct params *params); /* of the bits of the tensors that are whole */

#endif
