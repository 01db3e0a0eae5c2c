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

/* Rows whose x, dy and dx stay in the second-level cache from one product to the next. Products in
 * bfloat16 pack their operands, which is not to be done again for every block. */
static int64_t rows_in_cache(const struct tape *tape, const struct linear_node *n) {
    enum { NUMBERS = 192 * 1024, LEAST = 64 };
    int64_t rows = NUMBERS / (2 * n->x->cols + n->y->cols) / LEAST * LEAST;
    return tape->bf16 ? n->x->rows : rows > LEAST ? rows : LEAST;
}

/* The gradients that rows [lo, hi) give; NULL: not wanted. `dx`, `dw` are new unless they are added
 * to. */
static void rows_backward(const struct tape *tape, const struct linear_node *n, int64_t lo,
                          int64_t hi, real *dx, bool add_dx, real *dw, bool add_dw, real *db) {
    int64_t in = n->x->cols, out = n->w->rows;
    const real *dy = n->y->g + lo * out;
    if (dx)
        product(tape)(NO_TRANS, NO_TRANS, hi - lo, in, out, 1, dy, out, n->w->x, in, add_dx,
                      dx + lo * in, in);
    if (dw)
        product(tape)(TRANS, NO_TRANS, out, in, hi - lo, 1, dy, out, n->x->x + lo * in, in, add_dw,
                      dw, in);
    if (db)
        bias_backward(dy, hi - lo, out, db);
}

static void linear_backward(struct tape *tape, void *node) {
    struct linear_node *n = node;
    int64_t rows = n->x->rows, block = rows_in_cache(tape, n);
    bool add_dx, add_dw;
    real *dx = tape_grad(tape, n->x, &add_dx), *dw = tape_grad(tape, n->w, &add_dw);
    real *db = n->b ? tape_grad_zeroed(tape, n->b) : NULL;
    double flops = 2 * (double)rows * (double)n->x->cols * (double)n->w->rows;
    if (!tape_counts(tape, flops * ((dx != NULL) + (dw != NULL))))
        return;
    for (int64_t lo = 0; lo == 0 || lo < rows; lo += block) /* once where there are no rows */
        rows_backward(tape, n, lo, lo + block < rows ? lo + block : rows, dx, add_dx, dw,
                      add_dw || lo > 0, db);
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
