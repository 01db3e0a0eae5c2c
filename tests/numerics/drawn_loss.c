/* Losses of drawn items against loops in double precision. */
#include "core/catalogue/drawn_loss.h"
#include "check.h"
#include "core/rng.h"
#include "tests/balanced.h"
#include <math.h>

BALANCED(drawn_loss);

enum { ROWS = 7, D = 70, ITEMS = 9, POSITIONS = 5, EACH = 3 };

struct fixture {
    struct params params;
    int q, items;
    int32_t row[POSITIONS], positive[POSITIONS], negative[POSITIONS * EACH];
};

static const double share[POSITIONS] = {1, 0.5, 3, 0.2, 1};

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

static double run(struct fixture *f, struct tape *tape, enum drawn_kind kind, int64_t positions,
                  double weight) {
    tape_begin(tape, true, f->params.count);
    params_zero_grad(&f->params);
    struct drawn_loss loss = {.kind = kind,
                              .q = tape_param(tape, &f->params, f->q),
                              .items = tape_param(tape, &f->params, f->items),
                              .positions = positions,
                              .each = EACH,
                              .row = f->row,
                              .positive = f->positive,
                              .negative = f->negative,
                              .share = share,
                              .weight = weight};
    return drawn_loss(tape, &loss);
}

static double logit(const struct fixture *f, int t, int32_t item) {
    const real *h = f->params.list[f->q].tensor.x + f->row[t] * D;
    const real *e = f->params.list[f->items].tensor.x + item * D;
    double z = 0;
    for (int c = 0; c < D; c++)
        z += (double)h[c] * (double)e[c];
    return z;
}

/* The loss is -log sigma(sign z), z of an item or of a pair of items of position t; adds its
 * gradients, in the layout of the parameters. */
static double term(const struct fixture *f, int t, int32_t item, int32_t other, double sign,
                   double weight, double *g) {
    const struct param *q = &f->params.list[f->q], *items = &f->params.list[f->items];
    double z = logit(f, t, item) - (other < 0 ? 0 : logit(f, t, other));
    double probability = 1 / (1 + exp(-sign * z)), slope = weight * sign * (probability - 1);
    for (int side = 0; side < 1 + (other >= 0); side++) {
        int32_t i = side ? other : item;
        for (int c = 0; c < D; c++) {
            double x = side ? -slope : slope;
            g[q->at + f->row[t] * D + c] += x * (double)items->tensor.x[i * D + c];
            g[items->at + i * D + c] += x * (double)q->tensor.x[f->row[t] * D + c];
        }
    }
    return -log(probability);
}

/* The same of the softmax over all items of position t. */
static double softmax(const struct fixture *f, int t, double weight, double *g) {
    const struct param *q = &f->params.list[f->q], *items = &f->params.list[f->items];
    double z[EACH + 1], sum = 0;
    for (int k = 0; k <= EACH; k++)
        sum += z[k] = exp(logit(f, t, k ? f->negative[t * EACH + k - 1] : f->positive[t]));
    for (int k = 0; k <= EACH; k++) {
        int32_t i = k ? f->negative[t * EACH + k - 1] : f->positive[t];
        double slope = weight * (z[k] / sum - !k);
        for (int c = 0; c < D; c++) {
            g[q->at + f->row[t] * D + c] += slope * (double)items->tensor.x[i * D + c];
            g[items->at + i * D + c] += slope * (double)q->tensor.x[f->row[t] * D + c];
        }
    }
    return -log(z[0] / sum);
}

/* The loss of position t; adds its gradients times `weight`. */
static double position(const struct fixture *f, enum drawn_kind kind, int t, double weight,
                       double *g) {
    const int32_t *negative = f->negative + t * EACH;
    double sum = kind == DRAWN_BCE ? term(f, t, f->positive[t], -1, 1, weight, g) : 0;
    if (kind == DRAWN_SOFTMAX)
        return softmax(f, t, weight, g);
    for (int k = 0; k < EACH; k++)
        sum += kind == DRAWN_BCE ? term(f, t, negative[k], -1, -1, weight, g)
                                 : term(f, t, f->positive[t], negative[k], 1, weight, g);
    return sum;
}

static double reference(const struct fixture *f, enum drawn_kind kind, double weight, double *g) {
    double sum = 0;
    for (int t = 0; t < POSITIONS; t++)
        sum += share[t] * position(f, kind, t, share[t] * weight, g);
    return sum;
}

/* An inner product of D terms of size 0.1 errs by D roundings of it; sums here have 20 terms. */
static void compare(enum drawn_kind kind) {
    struct fixture f;
    struct tape tape = {0};
    fixture_open(&f);
    double *g = mem_zero(f.params.total, sizeof *g);
    double got = run(&f, &tape, kind, POSITIONS, 0.25), want = reference(&f, kind, 0.25, g);
    double tolerance = 20 * D * (double)REAL_EPS;
    cr_expect(fabs(got - want) <= tolerance * want, "%.12g, in a loop %.12g", got, want);
    for (int64_t i = 0; i < f.params.total; i++)
        cr_expect(fabs((double)f.params.g[i] - g[i]) <= tolerance, "gradient %ld: %.9g, %.9g",
                  (long)i, (double)f.params.g[i], g[i]);
    mem_free(g);
    tape_free(&tape);
    params_free(&f.params);
}

Test(drawn_loss, binary_cross_entropy_is_that_of_a_loop) {
    compare(DRAWN_BCE);
}

Test(drawn_loss, pairs_are_those_of_a_loop) {
    compare(DRAWN_BPR);
}

Test(drawn_loss, softmax_is_that_of_a_loop) {
    compare(DRAWN_SOFTMAX);
}

/* Scores that are the parameters themselves have the gradients dL/dz. */
static void compare_scores(enum drawn_kind kind) {
    enum { N = EACH + 1 };
    struct params params = {0};
    struct tape tape = {0};
    int z = params_add(&params, 2, POSITIONS * N, 1, PARAM_ZERO, 1, "z");
    params_allocate(&params, 1, 1);
    for (int i = 0; i < POSITIONS * N; i++)
        params.x[i] = (real)rng_normal(check_key(4), (uint64_t)i);
    tape_begin(&tape, true, params.count);
    double sum = 0,
           got = drawn_loss_of_scores(&tape, kind, tape_param(&tape, &params, z), EACH, 0.25);
    for (int t = 0; t < POSITIONS; t++) {
        double x[N], g[N] = {0};
        for (int k = 0; k < N; k++)
            x[k] = (double)params.x[t * N + k];
        for (int k = kind == DRAWN_BPR; k < N; k++) {
            double margin = kind == DRAWN_BPR ? x[0] - x[k] : k ? -x[k] : x[0];
            double slope = -1 / (1 + exp(margin));
            sum += log(1 + exp(-margin));
            g[k] += kind == DRAWN_BPR || k ? -slope : slope;
            g[0] += kind == DRAWN_BPR ? slope : 0;
        }
        for (int k = 0; k < N; k++)
            cr_expect(fabs((double)params.g[t * N + k] - 0.25 * g[k]) <= 8 * (double)REAL_EPS,
                      "score %d of %d: %.9g, %.9g", k, t, (double)params.g[t * N + k], 0.25 * g[k]);
    }
    cr_expect(fabs(got - sum) <= 40 * (double)REAL_EPS * sum, "%.12g, in a loop %.12g", got, sum);
    tape_free(&tape);
    params_free(&params);
}

Test(drawn_loss, of_given_scores) {
    compare_scores(DRAWN_BCE);
    compare_scores(DRAWN_BPR);
}

static void overflow(enum drawn_kind kind) {
    struct fixture f;
    struct tape tape = {0};
    fixture_open(&f);
    cr_expect_eq(run(&f, &tape, kind, 0, 1), 0);
    for (int64_t i = 0; i < f.params.total; i++)
        f.params.x[i] *= 100;
    double loss = run(&f, &tape, kind, POSITIONS, 1);
    cr_expect(isfinite(loss) && loss > 50, "%g", loss);
    cr_expect_eq(first_not_finite(f.params.g, f.params.dense), -1);
    tape_free(&tape);
    params_free(&f.params);
}

Test(drawn_loss, no_overflow_and_no_position) {
    overflow(DRAWN_BCE);
    overflow(DRAWN_BPR);
    overflow(DRAWN_SOFTMAX);
}
