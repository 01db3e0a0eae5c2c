/* Layer norm, then division by the row norm, each as a row's forward and backward and the operation
 * around them; unit_norm_gradient at the end turns the gradient of divided rows into that of the rows. */
#include "core/ops/norm.h"
#include "core/check.h"
#include "core/vec.h"

struct layer_norm_node {
    struct tape_node node;
    struct tensor *x, *gain, *bias, *y;
    real *mean, *inverse; /* [T], inverse = 1 / sqrt(var + eps) */
};

HOT static void layer_norm_row(const real *x, const real *gain, const real *bias, int64_t n,
                               real eps, real *mean, real *inverse, real *y) {
    real sum = 0, square = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    real mu = sum / (real)n;
#pragma omp simd reduction(+ : square)
    for (int64_t i = 0; i < n; i++)
        square += (x[i] - mu) * (x[i] - mu);
    real inv = 1 / REAL_F(sqrt)(square / (real)n + eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = gain[i] * ((x[i] - mu) * inv) + bias[i];
    *mean = mu;
    *inverse = inv;
}

/* dx = inv (gain dy - mean(gain dy) - xhat mean(gain dy xhat)). */
HOT static void layer_norm_row_backward(const real *dy, const real *x, const real *gain, int64_t n,
                                        real mean, real inverse, bool add, real *dx) {
    real sum = 0, dot = 0;
#pragma omp simd reduction(+ : sum, dot)
    for (int64_t i = 0; i < n; i++) {
        real g = gain[i] * dy[i];
        sum += g;
        dot += g * (x[i] - mean) * inverse;
    }
    sum /= (real)n;
    dot /= (real)n;
    for (int64_t i = 0; i < n; i++) {
        real d = inverse * (gain[i] * dy[i] - sum - (x[i] - mean) * inverse * dot);
        dx[i] = add ? dx[i] + d : d;
    }
}

/* Columns [lo, hi) of dgain and dbias. */
HOT static void layer_norm_affine_backward(const struct layer_norm_node *n, int64_t lo, int64_t hi,
                                           real *dgain, real *dbias) {
    int64_t cols = n->x->cols;
    for (int64_t t = 0; t < n->x->rows; t++) {
        const real *x = n->x->x + t * cols, *dy = n->y->g + t * cols;
        real mean = n->mean[t], inverse = n->inverse[t];
        for (int64_t i = lo; i < hi; i++) {
            dgain[i] += dy[i] * (x[i] - mean) * inverse;
            dbias[i] += dy[i];
        }
    }
}

static void layer_norm_backward(struct tape *tape, void *node) {
    struct layer_norm_node *n = node;
    int64_t rows = tape_rows(tape, n->x->rows), cols = n->x->cols;
    bool add;
    real *dx = tape_grad(tape, n->x, &add);
    if (dx) {
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
        for (int64_t t = 0; t < rows; t++)
            layer_norm_row_backward(n->y->g + t * cols, n->x->x + t * cols, n->gain->x, cols,
                                    n->mean[t], n->inverse[t], add, dx + t * cols);
    }
    real *dgain = tape_grad_zeroed(tape, n->gain), *dbias = tape_grad_zeroed(tape, n->bias);
    enum { BLOCK = 64 };
    if (dgain && dbias && !tape->dry) {
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
        for (int64_t lo = 0; lo < cols; lo += BLOCK)
            layer_norm_affine_backward(n, lo, lo + BLOCK < cols ? lo + BLOCK : cols, dgain, dbias);
    }
}

struct tensor *op_layer_norm(struct tape *tape, struct tensor *x, struct tensor *gain,
                             struct tensor *bias, real eps) {
    int64_t rows = x->rows, cols = x->cols;
    assert(has_shape(gain, 1, cols) && has_shape(bias, 1, cols));
    struct tensor *y = tape_tensor(tape, rows, cols, x->learned || gain->learned || bias->learned);
    real *mean = arena_numbers(&tape->arena, rows, sizeof *mean);
    real *inverse = arena_numbers(&tape->arena, rows, sizeof *inverse);
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
    for (int64_t t = 0; t < tape_rows(tape, rows); t++)
        layer_norm_row(x->x + t * cols, gain->x, bias->x, cols, eps, mean + t, inverse + t,
                       y->x + t * cols);
    struct tensor *inputs[] = {x, gain, bias};
    struct layer_norm_node *n = tape_push(tape, sizeof *n, y, layer_norm_backward, inputs, 3);
    if (n) {
        n->x = x, n->gain = gain, n->bias = bias, n->y = y;
        n->mean = mean, n->inverse = inverse;
    }
    return y;
}

struct unit_norm_node {
    struct tape_node node;
    struct tensor *x, *y;
    real *inverse; /* [T], 1 / max(|x|, eps) */
    real limit;    /* 1 / eps: the inverse of clamped rows */
};

HOT static real unit_norm_row(const real *x, int64_t n, real eps, real *y) {
    real norm = REAL_F(sqrt)(vec_dot(x, x, n));
    real inverse = 1 / (norm > eps ? norm : eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * inverse;
    return inverse;
}

/* dx = (dy - y <y, dy>) / |x|; below eps the division is by a constant: dx = dy / eps. */
HOT static void unit_norm_row_backward(const real *dy, const real *y, int64_t n, real inverse,
                                       bool clamped, bool add, real *dx) {
    real dot = clamped ? 0 : vec_dot(dy, y, n);
    for (int64_t i = 0; i < n; i++) {
        real d = inverse * (dy[i] - dot * y[i]);
        dx[i] = add ? dx[i] + d : d;
    }
}

static void unit_norm_backward(struct tape *tape, void *node) {
    struct unit_norm_node *n = node;
    int64_t rows = tape_rows(tape, n->x->rows), cols = n->x->cols;
    bool add;
    real *dx = tape_grad(tape, n->x, &add);
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
    for (int64_t t = 0; t < rows; t++) {
        unit_norm_row_backward(n->y->g + t * cols, n->y->x + t * cols, cols, n->inverse[t],
                               n->inverse[t] == n->limit, add, dx + t * cols);
    }
}

struct tensor *op_unit_norm(struct tape *tape, struct tensor *x, real eps) {
    assert(eps > 0);
    int64_t rows = x->rows, cols = x->cols;
    struct tensor *y = tape_tensor(tape, rows, cols, x->learned);
    real *inverse = arena_numbers(&tape->arena, rows, sizeof *inverse);
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
    for (int64_t t = 0; t < tape_rows(tape, rows); t++)
        inverse[t] = unit_norm_row(x->x + t * cols, cols, eps, y->x + t * cols);
    struct unit_norm_node *n = tape_push(tape, sizeof *n, y, unit_norm_backward, &x, 1);
    if (n)
        n->x = x, n->y = y, n->inverse = inverse, n->limit = 1 / eps;
    return y;
}

void unit_rows(const real *x, int64_t rows, int64_t cols, real eps, real *y) {
    for (int64_t t = 0; t < rows; t++)
        unit_norm_row(x + t * cols, cols, eps, y + t * cols);
}

/* dx = (dy - x <x, dy> / |x|^2) / |x|, without y. */
HOT static void unit_norm_row_gradient(const real *x, int64_t n, real eps, real *g) {
    real norm = REAL_F(sqrt)(vec_dot(x, x, n)), inverse = 1 / (norm > eps ? norm : eps);
    real dot = norm > eps ? vec_dot(g, x, n) * inverse * inverse : 0;
    for (int64_t i = 0; i < n; i++)
        g[i] = inverse * (g[i] - dot * x[i]);
}

void unit_norm_gradient(const struct tensor *x, real eps) {
    int64_t rows = x->g ? x->rows : 0, cols = x->cols;
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
    for (int64_t t = 0; t < rows; t++)
        unit_norm_row_gradient(x->x + t * cols, cols, eps, x->g + t * cols);
}

/* Scale by the power of two that brings the largest value to [1/2, 1), which rounds nothing that
 * counts. */
static void bring_into_range(real *x, int64_t n) {
    real largest = 0;
    int power;
    for (int64_t i = 0; i < n; i++)
        largest = REAL_F(fmax)(largest, REAL_F(fabs)(x[i]));
    (void)REAL_F(frexp)(largest, &power);
    for (int64_t i = 0; i < n; i++)
        x[i] = REAL_F(ldexp)(x[i], -power);
}

/* Squares leave the range of the type long before the values do. Tables are stored in single
 * precision: a norm within its rounding of one is one. */
void unit_norm_rows(real *x, int64_t rows, int64_t cols) {
    const real least = REAL_MIN / (REAL_EPS * REAL_EPS);
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
    for (int64_t t = 0; t < rows; t++) {
        real *row = x + t * cols, square = vec_dot(row, row, cols);
        if (square < least || square > REAL_MAX) {
            bring_into_range(row, cols);
            square = vec_dot(row, row, cols);
        }
        if (square > 0 && REAL_F(fabs)(REAL_F(sqrt)(square) - 1) > (real)1e-6)
            unit_norm_row(row, cols, 0, row);
    }
}
