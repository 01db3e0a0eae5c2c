/* AdamW with decoupled weight decay on every parameter (Loshchilov, Hutter, 2019), step for step as
 * PyTorch computes it. Not collective: gradients are already those of the global batch. */
#ifndef CORE_OPTIM_H
#define CORE_OPTIM_H
#include "core/params.h"

struct adamw {
    double lr, beta1, beta2, eps, weight_decay;
};

/* Update `step` (1 for the first):
 *   p -= lr wd p;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
 *   p -= lr / (1 - b1^step) m / (sqrt(v / (1 - b2^step)) + eps)
 * `scale` multiplies the gradients (clipping). */
void adamw_step(const struct adamw *adamw, struct params *params, int64_t step, double scale);

/* Euclidean norm of all gradients. */
double grad_norm(const struct params *params);

#endif
