/* Element by element: the functions and their derivatives first, then the operation with its dropout,
 * then the two scalings (by a constant and by the exponential of a parameter). */
#include "core/ops/activation.h"
#include "core/check.h"
#include "core/vec.h"

struct activation_node {
    struct tape_node node;
    struct tensor *x, *y;
    enum activation f;
    struct dropout dropout;
};

HOT static void relu(const real *x, int64_t n, real *y) {
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] > 0 ? x[i] : 0;
}

HOT static void gelu(const real *x, int64_t n, real *y) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * vec_normal_cdf(x[i]);
}

/* dx (+)= f'(x) dy, in place of dy when not adding. */
HOT static void relu_backward(const real *x, const real *dy, int64_t n, bool add, real *dx) {
    for (int64_t i = 0; i < n; i++) {
        real d = x[i] > 0 ? dy[i] : 0;
        dx[i] = add ? dx[i] + d : d;
    }
}

/* d(x Phi(x)) = Phi(x) + x phi(x), phi the density of the normal distribution. */
static inline real gelu_slope(real x) {
    return vec_normal_cdf(x) + x * (real)0.39894228040143267794 * vec_exp(-x * x / 2);
}

HOT static void gelu_backward(const real *x, const real *dy, int64_t n, bool add, real *dx) {
    if (add) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            dx[i] += dy[i] * gelu_slope(x[i]);
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            dx[i] = dy[i] * gelu_slope(x[i]);
    }
}

HOT static void hyperbolic_tangent(const real *x, int64_t n, real *y) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = vec_tanh(x[i]);
}

/* From y = tanh(x): f'(x) = 1 - y^2. */
HOT static void tangent_backward(const real *y, const real *dy, int64_t n, bool add, real *dx) {
    for (int64_t i = 0; i < n; i++) {
        real d = dy[i] * (1 - y[i] * y[i]);
        dx[i] = add ? dx[i] + d : d;
    }
}

#define QUICK (real)1.702

HOT static void quick_gelu(const real *x, int64_t n, real *y) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * vec_sigmoid(QUICK * x[i]);
}

/* With s = sigma(1.702 x): f'(x) = s + 1.702 x s (1 - s). */
HOT static void quick_gelu_backward(const real *x, const real *dy, int64_t n, bool add, real *dx) {
    for (int64_t i = 0; i < n; i++) {
        real s = vec_sigmoid(QUICK * x[i]), d = dy[i] * s * (1 + QUICK * x[i] * (1 - s));
        dx[i] = add ? dx[i] + d : d;
    }
}

/* By enum activation. */
static void (*const forward[])(const real *x, int64_t n, real *y) = {relu, gelu, hyperbolic_tangent,
                                                                     quick_gelu};
static void (*const backward[])(const real *x, const real *dy, int64_t n, bool add, real *dx) = {
    relu_backward, gelu_backward, tangent_backward, quick_gelu_backward};

static void activation_backward(struct tape *tape, void *node) {
    struct activation_node *n = node;
    int64_t rows = tape_rows(tape, n->x->rows), cols = n->x->cols;
    bool add;
    real *dx = tape_grad(tape, n->x, &add);
    const real *of = n->f == ACTIVATION_TANH ? n->y->x : n->x->x; /* what f' is told by */
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
    for (int64_t t = 0; t < rows; t++) {
        real *dy = n->y->g + t * cols;
        dropout_row(&n->dropout, t, cols, dy, dy);
        backward[n->f](of + t * cols, dy, cols, add, dx + t * cols);
    }
}

struct tensor *op_activation(struct tape *tape, struct tensor *x, enum activation f,
                             const struct dropout *dropout) {
    int64_t rows = tape_rows(tape, x->rows), cols = x->cols;
    assert(f != ACTIVATION_TANH || !dropout->threshold);
    struct tensor *y = tape_tensor(tape, x->rows, cols, x->learned);
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
    for (int64_t t = 0; t < rows; t++) {
        real *row = y->x + t * cols;
        forward[f](x->x + t * cols, cols, row);
        dropout_row(dropout, t, cols, row, row);
    }
    struct activation_node *n = tape_push(tape, sizeof *n, y, activation_backward, &x, 1);
    if (n)
        n->x = x, n->y = y, n->f = f, n->dropout = *dropout;
    return y;
}

struct residual_node {
    struct tape_node node;
    struct tensor *x, *f, *y;
    struct dropout dropout;
};

HOT static void add_rows(const real *x, int64_t n, real *y) {
    for (int64_t i = 0; i < n; i++)
        y[i] += x[i];
}

/* `f` is the output of one layer and feeds only this operation: its gradient is always new. */
static void residual_backward(struct tape *tape, void *node) {
    struct residual_node *n = node;
    int64_t rows = tape_rows(tape, n->y->rows), cols = n->y->cols;
    bool add;
    real *df = tape_grad(tape, n->f, &add), *dy = n->y->g;
    if (df) {
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
        for (int64_t t = 0; t < rows; t++)
            dropout_row(&n->dropout, t, cols, dy + t * cols, df + t * cols);
    }
    if (!n->x->learned)
        return;
    if (!n->x->g) {
        n->x->g = dy;
        return;
    }
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
    for (int64_t t = 0; t < rows; t++)
        add_rows(dy + t * cols, cols, n->x->g + t * cols);
}

struct tensor *op_residual(struct tape *tape, struct tensor *x, struct tensor *f,
                           const struct dropout *dropout) {
    int64_t cols = x->cols;
    assert(has_shape(f, x->rows, cols) && f != x);
    int64_t rows = tape_rows(tape, x->rows);
    struct tensor *y = tape_tensor(tape, x->rows, cols, x->learned || f->learned);
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
    for (int64_t t = 0; t < rows; t++) {
        dropout_row(dropout, t, cols, f->x + t * cols, y->x + t * cols);
        add_rows(x->x + t * cols, cols, y->x + t * cols);
    }
    struct tensor *inputs[] = {x, f};
    struct residual_node *n = tape_push(tape, sizeof *n, y, residual_backward, inputs, 2);
    if (n)
        n->x = x, n->f = f, n->y = y, n->dropout = *dropout;
    return y;
}

struct scale_node {
    struct tape_node node;
    struct tensor *x, *tau, *y; /* tau NULL: a constant */
    real scale;
    bool clamped;
};

HOT static real scale_row_backward(const real *dy, const real *x, int64_t n, real scale, bool add,
                                   real *dx) {
    for (int64_t i = 0; dx && i < n; i++)
        dx[i] = add ? dx[i] + scale * dy[i] : scale * dy[i];
    return scale * vec_dot(dy, x, n);
}

static void scale_backward(struct tape *tape, void *node) {
    struct scale_node *n = node;
    int64_t cols = n->x->cols;
    bool add;
    real *dx = tape_grad(tape, n->x, &add);
    double dtau = 0;
    for (int64_t t = 0; t < tape_rows(tape, n->x->rows); t++)
        dtau += (double)scale_row_backward(n->y->g + t * cols, n->x->x + t * cols, cols, n->scale,
                                           add, dx ? dx + t * cols : NULL);
    real *g = n->tau ? tape_grad_zeroed(tape, n->tau) : NULL;
    if (g && !n->clamped && !tape->dry)
        g[0] += (real)dtau;
}

static struct tensor *scale(struct tape *tape, struct tensor *x, struct tensor *tau, real factor,
                            bool clamped) {
    struct tensor *y = tape_tensor(tape, x->rows, x->cols, x->learned || (tau && tau->learned));
    for (int64_t i = 0; i < tape_rows(tape, x->rows) * x->cols; i++)
        y->x[i] = factor * x->x[i];
    struct tensor *inputs[] = {x, tau};
    struct scale_node *n = tape_push(tape, sizeof *n, y, scale_backward, inputs, 2);
    if (n)
        n->x = x, n->tau = tau, n->y = y, n->scale = factor, n->clamped = clamped;
    return y;
}

struct tensor *op_exp_scale(struct tape *tape, struct tensor *x, struct tensor *tau, real limit) {
    assert(has_shape(tau, 1, 1));
    real value = tape->dry ? 0 : tau->x[0];
    bool clamped = value > limit;
    return scale(tape, x, tau, REAL_F(exp)(clamped ? limit : value), clamped);
}

struct tensor *op_scale(struct tape *tape, struct tensor *x, real alpha) {
    return scale(tape, x, NULL, alpha, false);
}
