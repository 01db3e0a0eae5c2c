/* Elementwise operations. Not collective. */
#ifndef CORE_OPS_ACTIVATION_H
#define CORE_OPS_ACTIVATION_H
#include "core/ops/dropout.h"
#include "core/tape.h"

enum activation {
    ACTIVATION_RELU,
    ACTIVATION_GELU, /* x Phi(x), exact */
    ACTIVATION_TANH,
    ACTIVATION_QUICK_GELU /* x sigma(1.702 x): CLIP's (Radford et al., 2021, the authors' code) */
};

/* y = dropout(f(x)), x [T, d]. The derivative of tanh is told by y: it takes no dropout. */
struct tensor *op_activation(struct tape *tape, struct tensor *x, enum activation f,
                             const struct dropout *dropout);

/* y = x + dropout(f), the residual connection; x, f [T, d]. The gradient of x takes over the buffer
 * of y's, which nobody reads afterwards; f feeds no other operation. */
struct tensor *op_residual(struct tape *tape, struct tensor *x, struct tensor *f,
                           const struct dropout *dropout);

/* y = exp(min(tau, limit)) x for a scalar tensor tau: the temperature of cosine logits. Beyond the
 * limit tau has no gradient. */
struct tensor *op_exp_scale(struct tape *tape, struct tensor *x, struct tensor *tau, real limit);

/* y = alpha x. */
struct tensor *op_scale(struct tape *tape, struct tensor *x, real alpha);

#endif
