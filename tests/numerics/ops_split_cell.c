/* The split among roles: gradients in double precision, values against plain loops in both. */
#include "check.h"
#include "core/ops/filter_cell.h"
#include "core/ops/split_cell.h"
#include "tests/balanced.h"

BALANCED(split_cell);

/* Ragged, in no order, one empty; two run to the end together. */
static const int64_t ragged[] = {0, 1, 5, 5, 8, 12};

struct split_case {
    int h, roles, sequences;
    const int64_t *offsets;
};

/* Inputs of the check. */
enum { GATE, NONE, CANDIDATE, WEIGHT, ROLE_GATE, ROLE_CANDIDATE };

static struct tensor *build(struct tape *tape, struct check *c) {
    const struct split_case *of = c->data;
    struct tensor *in[6];
    for (int p = 0; p < 6; p++)
        in[p] = tape_param(tape, &c->params, p);
    struct split_cell cell = {
        in[GATE], in[NONE], in[CANDIDATE], in[WEIGHT], {in[ROLE_GATE], in[ROLE_CANDIDATE]}};
    return op_split_cell(tape, &cell, of->offsets, of->sequences);
}

static const real *input(const struct check *c, int p) {
    return c->params.list[p].tensor.x;
}

/* Argument of the gate (p = 0) or the candidate of role k, from its state s. */
static double argument(const struct check *c, int p, int64_t t, int i, int k, const double *s) {
    int h = ((const struct split_case *)c->data)->h;
    double a = (double)input(c, p ? CANDIDATE : GATE)[t * h + i] +
               (double)input(c, p ? ROLE_CANDIDATE : ROLE_GATE)[k * h + i];
    for (int j = 0; j < h; j++)
        a += (double)input(c, WEIGHT)[(p * h + i) * h + j] * s[j];
    return a;
}

/* The states of token t, out, from those before it. */
static void token_reference(const struct check *c, int64_t t, const double *s, double *out) {
    const struct split_case *of = c->data;
    int h = of->h;
    for (int i = 0; i < h; i++) {
        double sum = exp((double)input(c, NONE)[t * h + i]);
        for (int k = 0; k < of->roles; k++)
            sum += exp(argument(c, 0, t, i, k, s + k * h));
        for (int k = 0; k < of->roles; k++) {
            double q = argument(c, 0, t, i, k, s + k * h), f = exp(q) / sum / (1 + exp(-q));
            double g = tanh(argument(c, 1, t, i, k, s + k * h));
            out[k * h + i] = f * g + (1 - f) * s[k * h + i];
        }
    }
}

static void reference(const struct check *c, double *want) {
    const struct split_case *of = c->data;
    int64_t size = of->roles * of->h;
    double *zero = mem_zero(size, sizeof *zero);
    for (int q = 0; q < of->sequences; q++)
        for (int64_t t = of->offsets[q]; t < of->offsets[q + 1]; t++)
            token_reference(c, t, t > of->offsets[q] ? want + (t - 1) * size : zero,
                            want + t * size);
    mem_free(zero);
}

static void fill_case(struct check *c, struct split_case *of) {
    int64_t tokens = of->offsets[of->sequences];
    *c = (struct check){.build = build, .data = of};
    for (int p = GATE; p <= CANDIDATE; p++)
        check_input(c, tokens, of->h);
    check_input(c, 2 * of->h, of->h);
    check_input(c, of->roles, of->h), check_input(c, of->roles, of->h);
    check_fill(c, 1);
}

/* A state goes through h products, and stands in the next four. */
static void check_case(struct split_case of) {
    struct check c;
    struct tape tape = {0};
    int64_t size = of.offsets[of.sequences] * of.roles * of.h;
    double *want = mem_alloc(size, sizeof *want);
    fill_case(&c, &of);
    check_gradients(&c);
    reference(&c, want);
    tape_begin(&tape, false, 0);
    check_near("split", build(&tape, &c)->x, want, size, 4 * 4 * of.h);
    tape_free(&tape);
    mem_free(want);
    check_close(&c);
}

Test(split_cell, several_roles) {
    check_case((struct split_case){5, 3, 5, ragged});
}

Test(split_cell, one_role) {
    check_case((struct split_case){5, 1, 5, ragged});
}

Test(split_cell, more_columns_than_a_block) {
    static const int64_t offsets[] = {0, 3};
    check_case((struct split_case){67, 2, 1, offsets});
}

static void fill_input(struct check *c, int p, real value) {
    for (int64_t i = 0; i < param_size(&c->params.list[p]); i++)
        c->params.list[p].tensor.x[i] = value;
}

/* Where no role can be left out, a single one is the filter of one member. */
Test(split_cell, one_role_without_none_is_a_filter) {
    struct split_case of = {5, 1, 5, ragged};
    struct check c;
    struct tape tape = {0};
    double want[12 * 5];
    fill_case(&c, &of);
    fill_input(&c, NONE, -200);
    tape_begin(&tape, false, 0);
    struct filter_cell cell = {.gate = FILTER_GATE_TAKES,
                               .weight = tape_param(&tape, &c.params, WEIGHT),
                               .member = {tape_param(&tape, &c.params, ROLE_GATE),
                                          tape_param(&tape, &c.params, ROLE_CANDIDATE)}};
    struct tensor *y = op_filter_cell(&tape, tape_param(&tape, &c.params, GATE),
                                      tape_param(&tape, &c.params, CANDIDATE), &cell, ragged, 5);
    for (int i = 0; i < 12 * 5; i++)
        want[i] = (double)y->x[i];
    check_near("split", build(&tape, &c)->x, want, 12 * 5, 4 * 4 * 5);
    tape_free(&tape);
    check_close(&c);
}

/* Where no role is meant, states stay what they are, zero; large arguments are no harm. */
Test(split_cell, none_keeps_the_states) {
    struct split_case of = {5, 3, 5, ragged};
    struct check c;
    struct tape tape = {0};
    fill_case(&c, &of);
    fill_input(&c, NONE, 900);
    tape_begin(&tape, false, 0);
    const struct tensor *y = build(&tape, &c);
    for (int64_t i = 0; i < y->rows * y->cols; i++)
        cr_expect_eq(y->x[i], 0);
    tape_free(&tape);
    check_close(&c);
}

/* A dry tape counts the products: 8 of the 12 tokens have states before them. */
Test(split_cell, counts_its_products) {
    struct split_case of = {5, 3, 5, ragged};
    struct check c;
    struct tape dry = {.dry = true};
    fill_case(&c, &of);
    tape_begin(&dry, true, c.params.count);
    build(&dry, &c);
    cr_expect_eq(dry.work[PHASE_FORWARD].flops, 2.0 * 8 * 3 * 5 * 2 * 5);
    tape_free(&dry);
    check_close(&c);
}
