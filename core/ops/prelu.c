#include "core/ops/prelu.h"
#include "core/check.h"

struct prelu_node {
    struct tape_node node;
    struct tensor *x, *slope, *y;
};

HOT static void prelu(const real *x, int64_t n, real slope, real *y) {
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] > 0 ? x[i] : slope * x[i];
}

HOT static void prelu_gradient(const real *x, const real *dy, int64_t n, real slope, bool add,
                               real *dx) {
    for (int64_t i = 0; i < n; i++) {
        real d = x[i] > 0 ? dy[i] : slope * dy[i];
        dx[i] = add ? dx[i] + d : d;
    }
}

/* Sum of x dy over the negative x of a row. */
HOT static real slope_gradient(const real *x, const real *dy, int64_t n) {
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += x[i] > 0 ? 0 : x[i] * dy[i];
    return sum;
}

static void prelu_backward(struct tape *tape, void *node) {
    struct prelu_node *n = node;
    int64_t rows = tape_rows(tape, n->x->rows), cols = n->x->cols;
    bool add;
    double sum = 0;
    real *dx = tape_grad(tape, n->x, &add), *dslope = tape_grad_zeroed(tape, n->slope);
    for (int64_t t = 0; t < (dslope ? rows : 0); t++)
        sum += (double)slope_gradient(n->x->x + t * cols, n->y->g + t * cols, cols);
    if (dslope && !tape->dry)
        dslope[0] += (real)sum;
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
    for (int64_t t = 0; t < (dx ? rows : 0); t++)
        prelu_gradient(n->x->x + t * cols, n->y->g + t * cols, cols, n->slope->x[0], add,
                       dx + t * cols);
}

struct tensor *op_prelu(struct tape *tape, struct tensor *x, struct tensor *slope) {
    int64_t rows = tape_rows(tape, x->rows), cols = x->cols;
    assert(has_shape(slope, 1, 1));
    struct tensor *y = tape_tensor(tape, x->rows, cols, x->learned || slope->learned);
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
    for (int64_t t = 0; t < rows; t++)
        prelu(x->x + t * cols, cols, slope->x[0], y->x + t * cols);
    struct tensor *inputs[] = {x, slope};
    struct prelu_node *n = tape_push(tape, sizeof *n, y, prelu_backward, inputs, 2);
    if (n)
        n->x = x, n->slope = slope, n->y = y;
    return y;
}
