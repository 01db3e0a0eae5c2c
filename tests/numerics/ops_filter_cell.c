/* The recurrent filter: gradients in double precision, values against plain loops in both. */
#include "check.h"
#include "core/ops/filter_cell.h"
#include "tests/balanced.h"

BALANCED(filter_cell);

enum { T = 12, H = 5, K = 3, SEQUENCES = 5 };

/* Ragged, in no order, one empty; two run to the end together. */
static const int64_t offsets[] = {0, 1, 5, 5, 8, 12};

/* Inputs of the check are x_f, x_g, W, then as many members' arguments as the case has. */
struct filter_case {
    enum filter_gate gate;
    int members; /* 0: none; 1: the same for gate and candidate; 2 */
};

static struct tensor *build(struct tape *tape, struct check *c) {
    const struct filter_case *of = c->data;
    struct filter_cell cell = {.gate = of->gate, .weight = tape_param(tape, &c->params, 2)};
    for (int p = 0; of->members && p < 2; p++)
        cell.member[p] = tape_param(tape, &c->params, of->members == 2 ? 3 + p : 3);
    return op_filter_cell(tape, tape_param(tape, &c->params, 0), tape_param(tape, &c->params, 1),
                          &cell, offsets, SEQUENCES);
}

/* Argument of the gate (p = 0) or the candidate of member k, from the state s. */
static double argument(const struct check *c, int p, int64_t t, int i, int k, const double *s) {
    const struct filter_case *of = c->data;
    const struct param *in = c->params.list;
    double a = (double)in[p].tensor.x[t * H + i];
    for (int j = 0; j < H; j++)
        a += (double)in[2].tensor.x[(p * H + i) * H + j] * s[j];
    if (of->members)
        a += (double)in[of->members == 2 ? 3 + p : 3].tensor.x[k * H + i];
    return a;
}

static void reference(const struct check *c, double *want) {
    const struct filter_case *of = c->data;
    int members = of->members ? K : 1;
    for (int q = 0; q < SEQUENCES; q++) {
        double s[H] = {0};
        for (int64_t t = offsets[q]; t < offsets[q + 1]; t++) {
            for (int i = 0; i < H; i++) {
                want[t * H + i] = 0;
                for (int k = 0; k < members; k++) {
                    double f = 1 / (1 + exp(-argument(c, 0, t, i, k, s)));
                    double g = tanh(argument(c, 1, t, i, k, s));
                    want[t * H + i] += (of->gate == FILTER_GATE_KEEPS ? f * s[i] + (1 - f) * g
                                                                      : f * g + (1 - f) * s[i]) /
                                       members;
                }
            }
            memcpy(s, want + t * H, sizeof s);
        }
    }
}

static void fill_case(struct check *c, struct filter_case *of) {
    *c = (struct check){.build = build, .data = of};
    check_input(c, T, H), check_input(c, T, H), check_input(c, 2 * H, H);
    for (int p = 0; p < of->members; p++)
        check_input(c, K, H);
    check_fill(c, 1);
}

static void check_case(struct filter_case of) {
    struct check c;
    struct tape tape = {0};
    double want[T * H];
    fill_case(&c, &of);
    check_gradients(&c);
    reference(&c, want);
    tape_begin(&tape, false, 0);
    check_near("filter", build(&tape, &c)->x, want, T * H, 4 * 4 * H);
    tape_free(&tape);
    check_close(&c);
}

Test(filter_cell, members_of_gate_and_candidate) {
    check_case((struct filter_case){FILTER_GATE_KEEPS, 2});
    check_case((struct filter_case){FILTER_GATE_TAKES, 2});
}

Test(filter_cell, members_of_both_the_same) {
    check_case((struct filter_case){FILTER_GATE_KEEPS, 1});
}

Test(filter_cell, without_members) {
    check_case((struct filter_case){FILTER_GATE_KEEPS, 0});
    check_case((struct filter_case){FILTER_GATE_TAKES, 0});
}

/* Members that are all alike are one; a dry tape counts the products: 8 of the 12 tokens have a state
 * before them. */
Test(filter_cell, members_are_a_mean) {
    struct filter_case of = {FILTER_GATE_KEEPS, 2};
    struct check c;
    struct tape tape = {0}, dry = {.dry = true};
    double want[T * H];
    fill_case(&c, &of);
    for (int p = 3; p < 5; p++)
        memset(c.params.list[p].tensor.x, 0, K * H * sizeof(real));
    of.members = 0;
    reference(&c, want);
    of.members = 2;
    tape_begin(&tape, false, 0);
    check_near("filter", build(&tape, &c)->x, want, T * H, 4 * 4 * H);
    tape_begin(&dry, true, c.params.count);
    build(&dry, &c);
    cr_expect_eq(dry.work[PHASE_FORWARD].flops, 2.0 * 8 * H * 2 * H);
    tape_free(&dry);
    tape_free(&tape);
    check_close(&c);
}
