#include "core/ops/sparse_mean.h"
#include "core/check.h"
#include "core/vec.h"
#include <string.h>

enum { BLOCK = 64 }; /* columns one thread adds to */

struct sparse_mean_node {
    struct tape_node node;
    struct tensor *x, *y;
    const struct sparse *matrix;
};

static double sum_of_row(const struct sparse *m, int64_t i) {
    double sum = 0;
    for (int64_t k = m->offsets[i]; k < m->offsets[i + 1]; k++)
        sum += (double)m->value[k];
    return sum;
}

HOT static void mean_row(const struct sparse *m, int64_t i, const real *x, int64_t d, real *y) {
    double sum = sum_of_row(m, i);
    memset(y, 0, (size_t)d * sizeof *y);
    for (int64_t k = m->offsets[i]; k < m->offsets[i + 1]; k++)
        vec_axpy((real)((double)m->value[k] / sum), x + m->column[k] * d, y, d);
}

/* dx[column_k] += value_k / sum of value_k dy[i], columns [lo, hi) of both. */
HOT static void scatter(const struct sparse *m, const real *dy, int64_t d, int64_t lo, int64_t hi,
                        real *dx) {
    for (int64_t i = 0; i < m->rows; i++) {
        double sum = sum_of_row(m, i);
        for (int64_t k = m->offsets[i]; k < m->offsets[i + 1]; k++)
            vec_axpy((real)((double)m->value[k] / sum), dy + i * d + lo, dx + m->column[k] * d + lo,
                     hi - lo);
    }
}

/* Neighbours repeat from row to row, so threads take columns. */
static void sparse_mean_backward(struct tape *tape, void *node) {
    struct sparse_mean_node *n = node;
    int64_t d = n->x->cols, entries = n->matrix->offsets[n->matrix->rows];
    real *dx = tape_grad_zeroed(tape, n->x);
    if (!tape_counts(tape, 2 * (double)(entries * d)))
        return;
#pragma omp parallel for schedule(static) if (entries * d > 10000)
    for (int64_t lo = 0; lo < d; lo += BLOCK)
        scatter(n->matrix, n->y->g, d, lo, lo + BLOCK < d ? lo + BLOCK : d, dx);
}

struct tensor *op_sparse_mean(struct tape *tape, struct tensor *x, const struct sparse *matrix) {
    int64_t rows = matrix->rows, d = x->cols, entries = matrix->offsets[rows];
    assert(matrix->columns == x->rows);
    debug_assert(are_offsets(matrix->offsets, rows));
    debug_assert(all_within(matrix->column, entries, 0, x->rows));
    struct tensor *y = tape_tensor(tape, rows, d, x->learned);
    tape_add_bytes(tape, (double)sizeof(real) * (double)((entries + rows) * d));
    if (tape_counts(tape, 2 * (double)(entries * d))) {
#pragma omp parallel for schedule(dynamic, 64) if (entries * d > 10000)
        for (int64_t i = 0; i < rows; i++)
            mean_row(matrix, i, x->x, d, y->x + i * d);
    }
    struct sparse_mean_node *n = tape_push(tape, sizeof *n, y, sparse_mean_backward, &x, 1);
    if (n)
        n->x = x, n->y = y, n->matrix = matrix;
    return y;
}
