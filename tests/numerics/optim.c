/* The update of a table from the rows of its gradient; the average of parameters over steps. */
#include "core/optim.h"
#include "check.h"
#include "core/average.h"
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

/* Element i of step t. */
static real value(int t, int64_t i) {
    return (real)rng_normal(check_key((uint64_t)t), (uint64_t)i);
}

static void set_values(struct params *params, int t) {
    for (int64_t i = 0; i < params->total; i++)
        params->x[i] = value(t, i);
}

/* The formula of core/average.h, with the sum of the weights written out. A step with values up to M
 * makes an error of 13 M roundings at most: of x - a and the product 2 M each, of the weight, which is
 * rounded four times, 8 M, of the sum M; the next step makes none larger. */
static void expect_average(const struct params *params, double decay, int steps) {
    for (int64_t i = 0; i < params->total; i++) {
        double sum = 0, weights = 0, most = 0;
        for (int t = 1; t <= steps; t++) {
            double weight = pow(decay, steps - t);
            sum += weight * (double)value(t, i);
            weights += weight;
            most = fmax(most, fabs((double)value(t, i)));
        }
        cr_assert_float_eq(params->average[i], sum / weights, 6.5 * steps * (double)REAL_EPS * most,
                           "decay %g, %d steps: %ld", decay, steps, (long)i);
    }
}

Test(optim, average_is_the_corrected_one) {
    enum { MOST = 40 };
    const double decays[] = {0.3, 0.9, 0.999};
    for (int k = 0; k < 3; k++) {
        struct params params;
        open(&params, true);
        average_open(&params);
        for (int t = 1; t <= MOST; t++) {
            set_values(&params, t);
            average_step(&params, decays[k], t);
            if (t == 1 || t == 2 || t == MOST)
                expect_average(&params, decays[k], t);
        }
        params_free(&params);
    }
}

Test(optim, averages_change_places) {
    struct params params;
    open(&params, false);
    average_open(&params);
    for (int t = 1; t <= 3; t++) {
        set_values(&params, t);
        average_step(&params, 0.5, t);
    }
    size_t bytes = (size_t)params.total * sizeof(real);
    real *average = mem_alloc(params.total, sizeof *average);
    memcpy(average, params.average, bytes);
    params_swap(&params, params.average);
    cr_expect(!memcmp(params.x, average, bytes) && params.average[1] == value(3, 1));
    params_swap(&params, params.average);
    cr_expect(!memcmp(params.average, average, bytes) && params.x[1] == value(3, 1));
    mem_free(average);
    params_free(&params);
}
