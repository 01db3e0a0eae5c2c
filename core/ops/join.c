#include "core/ops/join.h"
#include "core/check.h"
#include "core/vec.h"

struct join_node {
    struct tape_node node;
    struct tensor *input[2], *y;
};

static void join_backward(struct tape *tape, void *node) {
    struct join_node *n = node;
    for (int p = 0, at = 0; p < 2; at += (int)n->input[p++]->cols) {
        int64_t cols = n->input[p]->cols;
        real *g = tape_grad_zeroed(tape, n->input[p]);
        for (int64_t t = 0; g && t < tape_rows(tape, n->y->rows); t++)
            vec_axpy(1, n->y->g + t * n->y->cols + at, g + t * cols, cols);
    }
}

struct tensor *op_join(struct tape *tape, struct tensor *a, struct tensor *b) {
    assert(a->rows == b->rows);
    struct tensor *y = tape_tensor(tape, a->rows, a->cols + b->cols, a->learned || b->learned);
    for (int64_t t = 0; t < tape_rows(tape, y->rows); t++) {
        memcpy(y->x + t * y->cols, a->x + t * a->cols, (size_t)a->cols * sizeof *y->x);
        memcpy(y->x + t * y->cols + a->cols, b->x + t * b->cols, (size_t)b->cols * sizeof *y->x);
    }
    struct tensor *inputs[] = {a, b};
    struct join_node *n = tape_push(tape, sizeof *n, y, join_backward, inputs, 2);
    if (n)
        n->input[0] = a, n->input[1] = b, n->y = y;
    return y;
}

struct append_node {
    struct tape_node node;
    struct tensor *x, *y;
};

static void append_backward(struct tape *tape, void *node) {
    struct append_node *n = node;
    int64_t from = n->x->cols, to = n->y->cols;
    real *dx = tape_grad_zeroed(tape, n->x);
    for (int64_t t = 0; t < tape_rows(tape, n->y->rows); t++)
        vec_axpy(1, n->y->g + t * to, dx + t * from, to - 1);
}

struct tensor *op_append_one(struct tape *tape, struct tensor *x, int64_t n) {
    assert(x->cols >= n);
    struct tensor *y = tape_tensor(tape, x->rows, n + 1, x->learned);
    for (int64_t t = 0; t < tape_rows(tape, y->rows); t++) {
        memcpy(y->x + t * (n + 1), x->x + t * x->cols, (size_t)n * sizeof *y->x);
        y->x[t * (n + 1) + n] = 1;
    }
    struct append_node *node = tape_push(tape, sizeof *node, y, append_backward, &x, 1);
    if (node)
        node->x = x, node->y = y;
    return y;
}
