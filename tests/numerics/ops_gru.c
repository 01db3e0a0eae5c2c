/* The gated recurrent unit: gradients in double precision, values against plain loops in both. */
#include "check.h"
#include "core/ops/gru.h"
#include "tests/balanced.h"

BALANCED(gru);

enum { T = 12, H = 5, SEQUENCES = 5 };

/* Ragged, in no order, one empty; two run to the end together. */
static const int64_t offsets[] = {0, 1, 5, 5, 8, 12};

/* What a case has; inputs of the check are x, W, then b and the initial states where they are. */
struct gru_case {
    enum gru_reset reset;
    bool bias, initial, dropout;
};

static struct dropout state_dropout(void) {
    static uint64_t keys[T];
    for (int t = 0; t < T; t++)
        keys[t] = check_key(100 + (uint64_t)t);
    return dropout_make(0.4, check_key(9), keys);
}

static struct tensor *build(struct tape *tape, struct check *c) {
    const struct gru_case *of = c->data;
    struct dropout dropout = state_dropout();
    struct gru gru = {.reset = of->reset,
                      .weight = tape_param(tape, &c->params, 1),
                      .bias = of->bias ? tape_param(tape, &c->params, 2) : NULL,
                      .initial = of->initial ? tape_param(tape, &c->params, 2 + of->bias) : NULL,
                      .dropout = of->dropout ? &dropout : NULL};
    return op_gru(tape, tape_param(tape, &c->params, 0), &gru, offsets, SEQUENCES);
}

static double sigma(double x) {
    return 1 / (1 + exp(-x));
}

/* sum over j of W[row, j] s[j] (times r[j]), and b. */
static double project(const real *w, const real *b, int row, const double *s, const double *r) {
    double sum = b ? (double)b[row] : 0;
    for (int j = 0; j < H; j++)
        sum += (double)w[row * H + j] * s[j] * (r ? r[j] : 1);
    return sum;
}

static void cell(const struct gru_case *of, const real *x, const real *w, const real *b,
                 const double *s, double *y) {
    double r[H];
    for (int i = 0; i < H; i++)
        r[i] = sigma((double)x[i] + project(w, b, i, s, NULL));
    for (int i = 0; i < H; i++) {
        double u = sigma((double)x[H + i] + project(w, b, H + i, s, NULL));
        double c = of->reset == GRU_RESET_BEFORE
                       ? tanh((double)x[2 * H + i] + project(w, b, 2 * H + i, s, r))
                       : tanh((double)x[2 * H + i] + r[i] * project(w, b, 2 * H + i, s, NULL));
        y[i] = u * s[i] + (1 - u) * c;
    }
}

static void reference(const struct check *c, double *want) {
    const struct gru_case *of = c->data;
    const struct param *p = c->params.list;
    const struct dropout dropout = state_dropout();
    for (int s = 0; s < SEQUENCES; s++) {
        double state[H] = {0};
        for (int i = 0; of->initial && i < H; i++)
            state[i] = (double)p[2 + of->bias].tensor.x[s * H + i];
        for (int64_t t = offsets[s]; t < offsets[s + 1]; t++) {
            real kept[H] = {1, 1, 1, 1, 1};
            cell(of, p[0].tensor.x + t * 3 * H, p[1].tensor.x, of->bias ? p[2].tensor.x : NULL,
                 state, want + t * H);
            if (of->dropout)
                dropout_row(&dropout, t, H, kept, kept);
            for (int i = 0; i < H; i++)
                state[i] = (double)kept[i] * want[t * H + i];
        }
    }
}

static void check_case(struct gru_case of) {
    struct check c = {.build = build, .data = &of};
    struct tape tape = {0};
    double want[T * H];
    check_input(&c, T, 3 * H), check_input(&c, 3 * H, H);
    if (of.bias)
        check_input(&c, 1, 3 * H);
    if (of.initial)
        check_input(&c, SEQUENCES, H);
    check_fill(&c, 1);
    check_gradients(&c);
    reference(&c, want);
    tape_begin(&tape, false, 0);
    check_near("gru", build(&tape, &c)->x, want, T * H, 4 * 4 * H);
    tape_free(&tape);
    check_close(&c);
}

Test(gru, reset_before_the_product) {
    check_case((struct gru_case){GRU_RESET_BEFORE, false, false, false});
    check_case((struct gru_case){GRU_RESET_BEFORE, true, true, true});
}

Test(gru, reset_after_the_product) {
    check_case((struct gru_case){GRU_RESET_AFTER, false, false, false});
    check_case((struct gru_case){GRU_RESET_AFTER, true, true, true});
}

/* The two agree where nothing is reset: r = 1 for gates that are wide open. */
Test(gru, resets_agree_without_one) {
    struct gru_case of = {GRU_RESET_BEFORE, false, false, false};
    struct check c = {.build = build, .data = &of};
    struct tape tape = {0};
    double want[T * H];
    check_input(&c, T, 3 * H), check_input(&c, 3 * H, H);
    check_fill(&c, 1);
    for (int t = 0; t < T; t++)
        for (int i = 0; i < H; i++)
            c.params.list[0].tensor.x[t * 3 * H + i] = 60;
    reference(&c, want);
    of.reset = GRU_RESET_AFTER;
    tape_begin(&tape, false, 0);
    check_near("gru", build(&tape, &c)->x, want, T * H, 4 * 4 * H);
    tape_free(&tape);
    check_close(&c);
}

/* A later token changes nothing before it, nor in another sequence; a dry tape has no numbers. */
Test(gru, is_causal_and_separate) {
    struct gru_case of = {GRU_RESET_BEFORE, true, false, false};
    struct check c = {.build = build, .data = &of};
    struct tape tape = {0}, dry = {.dry = true};
    real before[T * H];
    check_input(&c, T, 3 * H), check_input(&c, 3 * H, H), check_input(&c, 1, 3 * H);
    check_fill(&c, 1);
    tape_begin(&tape, false, 0);
    memcpy(before, build(&tape, &c)->x, sizeof before);
    for (int i = 0; i < 3 * H; i++)
        c.params.list[0].tensor.x[3 * 3 * H + i] += 1; /* token 3, third of the second sequence */
    tape_begin(&tape, false, 0);
    const real *after = build(&tape, &c)->x;
    cr_expect_arr_eq(before, after, 3 * H * sizeof(real));
    cr_expect_arr_eq(before + 5 * H, after + 5 * H, 7 * H * sizeof(real));
    cr_expect(memcmp(before + 3 * H, after + 3 * H, 2 * H * sizeof(real)));
    tape_begin(&dry, true, c.params.count);
    build(&dry, &c);
    /* 8 of the 12 tokens have a state before them. */
    cr_expect_eq(dry.work[PHASE_FORWARD].flops, 2.0 * 8 * H * 3 * H);
    tape_free(&dry);
    tape_free(&tape);
    check_close(&c);
}
