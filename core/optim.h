/* AdamW with decoupled weight decay on every parameter (Loshchilov, Hutter, 2019), step for step as
 * PyTorch computes it, and its lazy form for tables whose gradient comes as rows. Not collective:
 * gradients are already those of the global batch.
 *
 * Lazy AdamW (train.optimizer: lazy_adamw) leaves the rows without a gradient in a step as they
 * are: their values do not move, their moments do not decay and no weight decay is made up for
 * later. A row with a gradient takes the usual update, with the bias corrections of the global
 * step, as PyTorch's SparseAdam does. So the state is that of AdamW and nothing counts per row. */
#ifndef CORE_OPTIM_H
#define CORE_OPTIM_H
#include "core/params.h"

struct adamw {
    double lr, beta1, beta2, eps, weight_decay;
};

/* Update `step` (1 for the first) of everything with a dense gradient:
 *   p -= lr wd p;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
 *   p -= lr / (1 - b1^step) m / (sqrt(v / (1 - b2^step)) + eps)
 * `scale` multiplies the gradients (clipping). */
void adamw_step(const struct adamw *adamw, struct params *params, int64_t step, double scale);

/* The same update of table `param` from the rows of its gradient: of all rows, or of those alone
 * (`lazy`). */
void adamw_rows(const struct adamw *adamw, struct params *params, int param,
                const struct row_grad *grad, bool lazy, int64_t step, double scale);

/* Sums of squares: of the gradients [lo, hi) of the block, of rows of `cols` numbers. */
double grad_square(const struct params *params, int64_t lo, int64_t hi);
double row_grad_square(const struct row_grad *grad, int64_t cols);

#endif
