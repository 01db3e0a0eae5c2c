#include "core/ops/swiglu.h"
#include "core/check.h"
#include "core/vec.h"

struct swiglu_node {
    struct tape_node node;
    struct tensor *x, *y;
};

/* 1 / (1 + exp(-z)), with no overflow. */
static inline real sigmoid(real z) {
    real e = vec_exp(z < 0 ? z : -z);
    return (z < 0 ? e : 1) / (1 + e);
}

HOT static void swiglu_row(const real *a, const real *b, int64_t n, real *y) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] * sigmoid(a[i]) * b[i];
}

/* silu'(z) = s (1 + z (1 - s)) with s = sigma(z). */
HOT static void swiglu_row_backward(const real *a, const real *b, const real *dy, int64_t n,
                                    bool add, real *da, real *db) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        real s = sigmoid(a[i]);
        real by_a = dy[i] * b[i] * s * (1 + a[i] * (1 - s)), by_b = dy[i] * a[i] * s;
        da[i] = add ? da[i] + by_a : by_a;
        db[i] = add ? db[i] + by_b : by_b;
    }
}

static void swiglu_backward(struct tape *tape, void *node) {
    struct swiglu_node *n = node;
    int64_t rows = tape_rows(tape, n->y->rows), f = n->y->cols;
    bool add;
    real *dx = tape_grad(tape, n->x, &add);
#pragma omp parallel for schedule(static) if (rows * f > 10000)
    for (int64_t t = 0; t < rows; t++)
        swiglu_row_backward(n->x->x + 2 * t * f, n->x->x + (2 * t + 1) * f, n->y->g + t * f, f, add,
                            dx + 2 * t * f, dx + (2 * t + 1) * f);
}

struct tensor *op_swiglu(struct tape *tape, struct tensor *x) {
    assert(x->cols % 2 == 0);
    int64_t rows = tape_rows(tape, x->rows), f = x->cols / 2;
    struct tensor *y = tape_tensor(tape, x->rows, f, x->learned);
#pragma omp parallel for schedule(static) if (rows * f > 10000)
    for (int64_t t = 0; t < rows; t++)
        swiglu_row(x->x + 2 * t * f, x->x + (2 * t + 1) * f, f, y->x + t * f);
    struct swiglu_node *n = tape_push(tape, sizeof *n, y, swiglu_backward, &x, 1);
    if (n)
        n->x = x, n->y = y;
    return y;
}
