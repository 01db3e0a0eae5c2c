#include "core/ops/drop.h"
#include "core/vec.h"

struct drop_node {
    struct tape_node node;
    struct tensor *x, *y;
    struct dropout dropout;
};

HOT static void add_row(const real *x, int64_t n, real *y) {
    vec_axpy(1, x, y, n);
}

static void drop_backward(struct tape *tape, void *node) {
    struct drop_node *n = node;
    int64_t rows = tape_rows(tape, n->y->rows), cols = n->y->cols;
    bool add;
    real *dx = tape_grad(tape, n->x, &add), *dy = n->y->g;
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
    for (int64_t t = 0; t < rows; t++) {
        real *to = (add ? dy : dx) + t * cols;
        dropout_row(&n->dropout, t, cols, dy + t * cols, to);
        if (add)
            add_row(to, cols, dx + t * cols);
    }
}

struct tensor *op_drop(struct tape *tape, struct tensor *x, const struct dropout *dropout) {
    int64_t rows = tape_rows(tape, x->rows), cols = x->cols;
    if (!dropout->threshold)
        return x;
    struct tensor *y = tape_tensor(tape, x->rows, cols, x->learned);
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
    for (int64_t t = 0; t < rows; t++)
        dropout_row(dropout, t, cols, x->x + t * cols, y->x + t * cols);
    struct drop_node *n = tape_push(tape, sizeof *n, y, drop_backward, &x, 1);
    if (n)
        n->x = x, n->y = y, n->dropout = *dropout;
    return y;
}
