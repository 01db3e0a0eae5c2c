/* Normalisation of rows. Not collective. */
#ifndef CORE_OPS_NORM_H
#define CORE_OPS_NORM_H
#include "core/tape.h"

/* Layer norm, y = gain (x - mean) / sqrt(var + eps) + bias over each row. x [T, d]; gain, bias
 * [1, d]. Source: Ba, Kiros, Hinton, "Layer normalization", 2016. */
struct tensor *op_layer_norm(struct tape *tape, struct tensor *x, struct tensor *gain,
                             struct tensor *bias, real eps);

/* y = x / max(|x|, eps) over each row; a zero row stays zero. */
struct tensor *op_unit_norm(struct tape *tape, struct tensor *x, real eps);

/* The same of plain rows, y may be x. */
void unit_rows(const real *x, int64_t rows, int64_t cols, real eps, real *y);

/* x.g holds the gradient of the loss by y: make it that by x, in place. Nothing if there is none.
 */
void unit_norm_gradient(const struct tensor *x, real eps);

/* y = x / |x| in place, without a tape: frozen tables, once at load. A zero row stays zero; every
 * other becomes one of unit norm, however small or large its values. Rows of unit norm to within
 * single precision stay as they are, so that a stored unit-norm table is used bit for bit. */
void unit_norm_rows(real *x, int64_t rows, int64_t cols);

#endif
