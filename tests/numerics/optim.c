/* The update of a table from the rows of its gradient. */
#include "core/optim.h"
#include "check.h"
#include "tests/balanced.h"

BALANCED(optim);

enum { ROWS = 301, COLS = 70, STEPS = 4 };

static const struct adamw adamw = {0.01, 0.9, 0.98, 1e-8, 0.1};

/* One table, dense or by rows, beside another tensor. */
static void open(struct params *params, bool by_rows) {
    *params = (struct params){0};
    params_add(params, 2, ROWS, COLS, PARAM_NORMAL, 1, "table");
    params_add(params, 1, 1, 5, PARAM_NORMAL, 1, "other");
    if (by_rows)
        params_by_rows(params, 0);
    params_allocate(params, 1, 1);
}

/* Every third row of a step, with other rows each step; returns their number. */
static int64_t touch(uint64_t step, int32_t *row, real *g) {
    int64_t n = 0;
    for (int32_t r = 0; r < ROWS; r++)
        if (rng_below(check_key(step), (uint64_t)r, 3) == 0) {
            row[n] = r;
            for (int64_t c = 0; c < COLS; c++)
                g[n * COLS + c] = (real)rng_normal(check_key(100 + step), (uint64_t)(r * COLS + c));
            n++;
        }
    return n;
}

static const real *row_of(const struct params *p, const real *block, int64_t r) {
    return block + p->list[0].at + r * COLS;
}

static bool same_rows(const struct params *a, const struct params *b, int64_t r) {
    size_t bytes = COLS * sizeof(real);
    return !memcmp(row_of(a, a->x, r), row_of(b, b->x, r), bytes) &&
           !memcmp(row_of(a, a->m, r), row_of(b, b->m, r), bytes) &&
           !memcmp(row_of(a, a->v, r), row_of(b, b->v, r), bytes);
}

/* Not lazy, it is the dense update with zeros, bit for bit. */
Test(optim, rows_are_a_dense_gradient_with_zeros) {
    struct params dense, rows;
    int32_t row[ROWS];
    real *g = mem_alloc(ROWS * COLS, sizeof *g);
    open(&dense, false);
    open(&rows, true);
    for (int step = 1; step <= STEPS; step++) {
        struct row_grad grad = {touch((uint64_t)step, row, g), row, g};
        params_zero_grad(&dense);
        for (int64_t i = 0; i < grad.n; i++)
            memcpy(dense.list[0].tensor.g + row[i] * COLS, g + i * COLS, COLS * sizeof *g);
        adamw_step(&adamw, &dense, step, 0.5);
        adamw_rows(&adamw, &rows, 0, &grad, false, step, 0.5);
        cr_expect_float_eq(row_grad_square(&grad, COLS),
                           grad_square(&dense, 0, dense.list[0].tensor.rows * COLS),
                           1e-12 * row_grad_square(&grad, COLS));
    }
    for (int64_t r = 0; r < ROWS; r++)
        cr_expect(same_rows(&dense, &rows, r), "row %ld", (long)r);
    params_free(&dense);
    params_free(&rows);
    mem_free(g);
}

/* Lazy, a row takes the dense update in the steps that touch it and is left alone in the others. */
Test(optim, lazy_leaves_other_rows_alone) {
    struct params lazy, full;
    int32_t row[ROWS];
    real *g = mem_alloc(ROWS * COLS, sizeof *g);
    open(&lazy, true);
    open(&full, true);
    for (int step = 1; step <= STEPS; step++) {
        struct row_grad grad = {touch((uint64_t)step, row, g), row, g};
        for (int64_t i = 0; i < lazy.total; i++)
            full.x[i] = lazy.x[i], full.m[i] = lazy.m[i], full.v[i] = lazy.v[i];
        struct params before = full;
        adamw_rows(&adamw, &lazy, 0, &grad, true, step, 1);
        for (int64_t r = 0, k = 0; r < ROWS; r++)
            if (k < grad.n && row[k] == r)
                k++;
            else
                cr_expect(same_rows(&lazy, &before, r), "step %d: row %ld moved", step, (long)r);
        adamw_rows(&adamw, &full, 0, &grad, false, step, 1);
        for (int64_t i = 0; i < grad.n; i++)
            cr_expect(same_rows(&lazy, &full, row[i]), "step %d: row %d", step, row[i]);
    }
    params_free(&lazy);
    params_free(&full);
    mem_free(g);
}

/* A gradient of every row needs no list. */
Test(optim, all_rows_without_a_list) {
    struct params dense, rows;
    open(&dense, false);
    open(&rows, true);
    for (int64_t i = 0; i < ROWS * COLS; i++)
        dense.list[0].tensor.g[i] = (real)rng_normal(check_key(7), (uint64_t)i);
    struct row_grad grad = {ROWS, NULL, dense.list[0].tensor.g};
    adamw_rows(&adamw, &rows, 0, &grad, false, 1, 1);
    adamw_step(&adamw, &dense, 1, 1);
    for (int64_t r = 0; r < ROWS; r++)
        cr_expect(same_rows(&dense, &rows, r), "row %ld", (long)r);
    params_free(&dense);
    params_free(&rows);
}
