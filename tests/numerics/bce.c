/* Binary cross-entropy against a loop in double precision. */
#include "core/catalogue/bce.h"
#include "check.h"
#include "core/rng.h"
#include "tests/balanced.h"
#include <math.h>

BALANCED(bce);

enum { ROWS = 7, D = 70, ITEMS = 9, POSITIONS = 5, EACH = 3 };

struct fixture {
    struct params params;
    int q, items;
    int32_t row[POSITIONS], positive[POSITIONS], negative[POSITIONS * EACH];
};

/* Items occur again, within a position too. */
static void fixture_open(struct fixture *f) {
    *f = (struct fixture){0};
    f->q = params_add(&f->params, 2, ROWS, D, PARAM_NORMAL, D, "q");
    f->items = params_add(&f->params, 2, ITEMS, D, PARAM_NORMAL, D, "items");
    params_allocate(&f->params, 1, 1);
    for (int64_t i = 0; i < f->params.total; i++)
        f->params.x[i] = (real)(0.3 * rng_normal(check_key(1), (uint64_t)i));
    for (int t = 0; t < POSITIONS; t++) {
        f->row[t] = (int32_t)(ROWS - 1 - t);
        f->positive[t] = (int32_t)rng_below(check_key(2), (uint64_t)t, ITEMS);
        for (int k = 0; k < EACH; k++)
            f->negative[t * EACH + k] =
                (int32_t)rng_below(check_key(3), (uint64_t)(t * EACH + k), ITEMS);
    }
}

static double run(struct fixture *f, struct tape *tape, int64_t positions, double weight) {
    tape_begin(tape, true, f->params.count);
    params_zero_grad(&f->params);
    struct bce_loss loss = {.q = tape_param(tape, &f->params, f->q),
                            .items = tape_param(tape, &f->params, f->items),
                            .positions = positions,
                            .each = EACH,
                            .row = f->row,
                            .positive = f->positive,
                            .negative = f->negative,
                            .weight = weight};
    return bce_loss(tape, &loss);
}

/* Loss and gradients; g in the layout of the parameters. */
static double reference(const struct fixture *f, double weight, double *g) {
    const struct param *q = &f->params.list[f->q], *items = &f->params.list[f->items];
    double sum = 0;
    for (int t = 0; t < POSITIONS; t++)
        for (int k = 0; k <= EACH; k++) {
            int32_t i = k ? f->negative[t * EACH + k - 1] : f->positive[t];
            const real *h = q->tensor.x + f->row[t] * D, *e = items->tensor.x + i * D;
            double z = 0;
            for (int c = 0; c < D; c++)
                z += (double)h[c] * (double)e[c];
            double sigma = 1 / (1 + exp(-z));
            sum -= log(k ? 1 - sigma : sigma);
            for (int c = 0; c < D; c++) {
                g[q->at + f->row[t] * D + c] += weight * (sigma - !k) * (double)e[c];
                g[items->at + i * D + c] += weight * (sigma - !k) * (double)h[c];
            }
        }
    return sum;
}

/* An inner product of D terms of size 0.1 errs by D roundings of it; sums here have 20 terms. */
Test(bce, loss_and_gradients_are_those_of_a_loop) {
    struct fixture f;
    struct tape tape = {0};
    fixture_open(&f);
    double *g = mem_zero(f.params.total, sizeof *g);
    double got = run(&f, &tape, POSITIONS, 0.25), want = reference(&f, 0.25, g);
    double tolerance = 20 * D * (double)REAL_EPS;
    cr_expect(fabs(got - want) <= tolerance * want, "%.12g, in a loop %.12g", got, want);
    for (int64_t i = 0; i < f.params.total; i++)
        cr_expect(fabs((double)f.params.g[i] - g[i]) <= tolerance, "gradient %ld: %.9g, %.9g",
                  (long)i, (double)f.params.g[i], g[i]);
    mem_free(g);
    tape_free(&tape);
    params_free(&f.params);
}

Test(bce, no_overflow_and_no_position) {
    struct fixture f;
    struct tape tape = {0};
    fixture_open(&f);
    cr_expect_eq(run(&f, &tape, 0, 1), 0);
    for (int64_t i = 0; i < f.params.total; i++)
        f.params.x[i] *= 100;
    double loss = run(&f, &tape, POSITIONS, 1);
    cr_expect(isfinite(loss) && loss > 100, "%g", loss);
    cr_expect_eq(first_not_finite(f.params.g, f.params.dense), -1);
    tape_free(&tape);
    params_free(&f.params);
}
