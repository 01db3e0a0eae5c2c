#include "core/ops/embedding.h"
#include "core/check.h"
#include "core/vec.h"
#include <string.h>

enum { BLOCK = 64 }; /* columns one thread adds to */

struct gather_node {
    struct tape_node node;
    struct tensor *table, *y;
    const int32_t *index;
};

/* table[index[t]] += scale y[t] in columns [lo, hi). Threads take columns, not rows, so that
 * repeated rows are added in order and without races. */
HOT static void scatter_columns(const real *y, const int32_t *index, int64_t n, int64_t cols,
                                real scale, int64_t lo, int64_t hi, real *table) {
    for (int64_t t = 0; t < n; t++)
        vec_axpy(scale, y + t * cols + lo, table + (index ? index[t] : t) * cols + lo, hi - lo);
}

static void scatter(const real *y, const int32_t *index, int64_t n, int64_t cols, real scale,
                    real *table) {
#pragma omp parallel for schedule(static) if (n * cols > 10000)
    for (int64_t lo = 0; lo < cols; lo += BLOCK)
        scatter_columns(y, index, n, cols, scale, lo, lo + BLOCK < cols ? lo + BLOCK : cols, table);
}

static void gather_backward(struct tape *tape, void *node) {
    struct gather_node *n = node;
    scatter(n->y->g, n->index, tape_rows(tape, n->y->rows), n->y->cols, 1,
            tape_grad_zeroed(tape, n->table));
}

struct tensor *op_gather(struct tape *tape, struct tensor *table, const int32_t *index, int64_t n) {
    int64_t cols = table->cols;
    debug_assert(all_within(index, n, 0, table->rows));
    struct tensor *y = tape_tensor(tape, n, cols, table->learned);
#pragma omp parallel for schedule(static) if (n * cols > 10000)
    for (int64_t t = 0; t < tape_rows(tape, n); t++)
        memcpy(y->x + t * cols, table->x + index[t] * cols, (size_t)cols * sizeof *y->x);
    struct gather_node *node = tape_push(tape, sizeof *node, y, gather_backward, &table, 1);
    if (node)
        node->table = table, node->y = y, node->index = index;
    return y;
}

struct embed_node {
    struct tape_node node;
    struct tensor *table, *position, *y;
    const int32_t *index, *at;
    real scale;
    struct dropout dropout;
};

static void embed_backward(struct tape *tape, void *node) {
    struct embed_node *n = node;
    int64_t rows = tape_rows(tape, n->y->rows), cols = n->y->cols;
    real *dy = n->y->g;
#pragma omp parallel for schedule(static) if (rows * cols > 10000)
    for (int64_t t = 0; t < rows; t++)
        dropout_row(&n->dropout, t, cols, dy + t * cols, dy + t * cols);
    real *dtable = tape_grad_zeroed(tape, n->table);
    if (dtable)
        scatter(dy, n->index, rows, cols, n->scale, dtable);
    real *dposition = tape_grad_zeroed(tape, n->position);
    if (dposition)
        scatter(dy, n->at, rows, cols, 1, dposition);
}

HOT static void embed_row(const real *item, const real *position, real scale, int64_t n, real *y) {
    for (int64_t i = 0; i < n; i++)
        y[i] = scale * item[i] + position[i];
}

struct tensor *op_embed(struct tape *tape, struct tensor *table, const int32_t *index,
                        struct tensor *position, const int32_t *at, int64_t n, real scale,
                        const struct dropout *dropout) {
    int64_t cols = table->cols;
    assert(position->cols == cols && (index || n <= table->rows));
    debug_assert(!index || all_within(index, n, 0, table->rows));
    debug_assert(all_within(at, n, 0, position->rows));
    struct tensor *y = tape_tensor(tape, n, cols, table->learned || position->learned);
#pragma omp parallel for schedule(static) if (n * cols > 10000)
    for (int64_t t = 0; t < tape_rows(tape, n); t++) {
        real *row = y->x + t * cols;
        embed_row(table->x + (index ? index[t] : t) * cols, position->x + at[t] * cols, scale, cols,
                  row);
        dropout_row(dropout, t, cols, row, row);
    }
    struct tensor *inputs[] = {table, position};
    struct embed_node *node = tape_push(tape, sizeof *node, y, embed_backward, inputs, 2);
    if (node) {
        node->table = table, node->position = position, node->y = y;
        node->index = index, node->at = at, node->scale = scale, node->dropout = *dropout;
    }
    return y;
}

struct interpolate_node {
    struct tape_node node;
    struct tensor *table, *y;
    const real *at;
};

/* The row before place `at`, and how far the place is from it: nothing at a knot, as at the last. */
static int64_t knot_before(real at, int64_t rows, real *f) {
    int64_t k = at < 0 ? rows - 1 : (int64_t)at;
    *f = at < 0 ? 0 : at - (real)k;
    return k;
}

HOT static void interpolate_row(const real *table, int64_t rows, int64_t d, real at, real *y) {
    real f;
    const real *knot = table + knot_before(at, rows, &f) * d;
    for (int64_t i = 0; i < d; i++)
        y[i] = (1 - f) * knot[i];
    if (f > 0)
        vec_axpy(f, knot + d, y, d);
}

/* Columns [lo, hi) of both, as scatter_columns. */
HOT static void spread_columns(const struct interpolate_node *n, int64_t lo, int64_t hi,
                               real *dtable) {
    int64_t d = n->y->cols;
    for (int64_t t = 0; t < n->y->rows; t++) {
        real f;
        real *knot = dtable + knot_before(n->at[t], n->table->rows, &f) * d;
        const real *dy = n->y->g + t * d + lo;
        vec_axpy(1 - f, dy, knot + lo, hi - lo);
        if (f > 0)
            vec_axpy(f, dy, knot + d + lo, hi - lo);
    }
}

static void interpolate_backward(struct tape *tape, void *node) {
    struct interpolate_node *n = node;
    int64_t d = n->y->cols;
    real *dtable = tape_grad_zeroed(tape, n->table);
    if (tape->dry || !dtable)
        return;
#pragma omp parallel for schedule(static) if (n->y->rows * d > 10000)
    for (int64_t lo = 0; lo < d; lo += BLOCK)
        spread_columns(n, lo, lo + BLOCK < d ? lo + BLOCK : d, dtable);
}

struct tensor *op_interpolate(struct tape *tape, struct tensor *table, const real *at, int64_t n) {
    int64_t d = table->cols;
    debug_assert(all_up_to(at, n, table->rows - 1));
    struct tensor *y = tape_tensor(tape, n, d, table->learned);
#pragma omp parallel for schedule(static) if (n * d > 10000)
    for (int64_t t = 0; t < tape_rows(tape, n); t++)
        interpolate_row(table->x, table->rows, d, at[t], y->x + t * d);
    struct interpolate_node *node =
        tape_push(tape, sizeof *node, y, interpolate_backward, &table, 1);
    if (node)
        node->table = table, node->y = y, node->at = at;
    return y;
}
