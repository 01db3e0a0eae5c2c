#include "core/ops/linear.h"
#include "core/check.h"
#include "core/gemm_bf16.h"
#include <string.h>

struct linear_node {
    struct tape_node node;
    struct tensor *x, *w, *b, *y;
};

static gemm_fn *product(const struct tape *tape) {
    return tape->bf16 ? gemm_bf16 : gemm;
}

/* Column sums of dy, each thread its own columns. */
HOT static void add_column_sums(const real *dy, int64_t rows, int64_t cols, int64_t lo, int64_t hi,
                                real *db) {
    for (int64_t t = 0; t < rows; t++)
        for (int64_t j = lo; j < hi; j++)
            db[j] += dy[t * cols + j];
}

static void bias_backward(const real *dy, int64_t rows, int64_t cols, real *db) {
    enum { BLOCK = 64 };
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
    for (int64_t lo = 0; lo < cols; lo += BLOCK)
        add_column_sums(dy, rows, cols, lo, lo + BLOCK < cols ? lo + BLOCK : cols, db);
}

static void linear_backward(struct tape *tape, void *node) {
    struct linear_node *n = node;
    int64_t rows = n->x->rows, in = n->x->cols, out = n->w->rows;
    double flops = 2 * (double)rows * (double)in * (double)out;
    bool add;
    real *dx = tape_grad(tape, n->x, &add);
    if (dx && tape_counts(tape, flops))
        product(tape)(NO_TRANS, NO_TRANS, rows, in, out, 1, n->y->g, out, n->w->x, in, add, dx, in);
    real *dw = tape_grad(tape, n->w, &add);
    if (dw && tape_counts(tape, flops))
        product(tape)(TRANS, NO_TRANS, out, in, rows, 1, n->y->g, out, n->x->x, in, add, dw, in);
    real *db = n->b ? tape_grad_zeroed(tape, n->b) : NULL;
    if (db && !tape->dry)
        bias_backward(n->y->g, rows, out, db);
}

static void multiply(const struct tape *tape, const struct tensor *x, const struct tensor *w,
                     const struct tensor *b, struct tensor *y) {
#pragma omp parallel for schedule(static) if (y->rows * y->cols > 10000)
    for (int64_t t = 0; t < (b ? y->rows : 0); t++)
        memcpy(y->x + t * y->cols, b->x, (size_t)y->cols * sizeof *y->x);
    product(tape)(NO_TRANS, TRANS, y->rows, y->cols, x->cols, 1, x->x, x->cols, w->x, w->cols,
                  b != NULL, y->x, y->cols);
}

struct tensor *op_linear(struct tape *tape, struct tensor *x, struct tensor *w, struct tensor *b) {
    assert(x->cols == w->cols);
    assert(!b || has_shape(b, 1, w->rows));
    struct tensor *y =
        tape_tensor(tape, x->rows, w->rows, x->learned || w->learned || (b && b->learned));
    if (tape_counts(tape, 2 * (double)y->rows * (double)y->cols * (double)x->cols))
        multiply(tape, x, w, b, y);
    struct tensor *inputs[] = {x, w, b};
    struct linear_node *n = tape_push(tape, sizeof *n, y, linear_backward, inputs, 3);
    if (n)
        n->x = x, n->w = w, n->b = b, n->y = y;
    return y;
}
