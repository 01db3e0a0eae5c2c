/* Operations of the models beyond LLM-EMF: gradients in double precision, values against plain
 * loops in both. */
#include "check.h"
#include "core/ops/activation.h"
#include "core/ops/join.h"
#include "core/ops/linear.h"
#include "core/ops/mix.h"
#include "core/ops/parts.h"
#include "core/ops/tags.h"
#include "tests/balanced.h"

BALANCED(fusion);

enum { T = 7, D = 6, ROWS = 5, TAGS = 9, ITEMS = 5 };

static struct tensor *in(struct tape *tape, struct check *c, int i) {
    return tape_param(tape, &c->params, i);
}

/* ---- small ones ---- */

static struct tensor *build_tanh(struct tape *tape, struct check *c) {
    return op_activation(tape, in(tape, c, 0), ACTIVATION_TANH, &dropout_none);
}

static struct tensor *build_linear(struct tape *tape, struct check *c) {
    return op_linear(tape, in(tape, c, 0), in(tape, c, 1), NULL);
}

static struct tensor *build_join(struct tape *tape, struct check *c) {
    return op_join(tape, in(tape, c, 0), in(tape, c, 1));
}

/* Of the columns but the last. */
static struct tensor *build_append_one(struct tape *tape, struct check *c) {
    return op_append_one(tape, in(tape, c, 0), D - 1);
}

static void compare(struct check *c, const char *what, const double *want, int64_t n,
                    double steps) {
    struct tape tape = {0};
    tape_begin(&tape, false, 0);
    check_near(what, c->build(&tape, c)->x, want, n, steps);
    tape_free(&tape);
}

Test(fusion, tangent) {
    struct check c = {.build = build_tanh};
    double want[T * D];
    check_input(&c, T, D);
    check_fill(&c, 1);
    check_gradients(&c);
    for (int i = 0; i < T * D; i++)
        want[i] = tanh((double)c.params.list[0].tensor.x[i]);
    compare(&c, "tanh", want, T * D, 4);
    check_close(&c);
}

Test(fusion, linear_without_bias) {
    struct check c = {.build = build_linear};
    double want[T * ROWS] = {0};
    check_input(&c, T, D), check_input(&c, ROWS, D);
    check_fill(&c, 1);
    check_gradients(&c);
    for (int t = 0; t < T; t++)
        for (int o = 0; o < ROWS; o++)
            for (int i = 0; i < D; i++)
                want[t * ROWS + o] += (double)c.params.list[0].tensor.x[t * D + i] *
                                      (double)c.params.list[1].tensor.x[o * D + i];
    compare(&c, "linear", want, T * ROWS, D);
    check_close(&c);
}

Test(fusion, join) {
    struct check c = {.build = build_join};
    double want[T * (D + 2)];
    check_input(&c, T, D), check_input(&c, T, 2);
    check_fill(&c, 1);
    check_gradients(&c);
    for (int t = 0; t < T; t++)
        for (int i = 0; i < D + 2; i++)
            want[t * (D + 2) + i] = (double)(i < D ? c.params.list[0].tensor.x[t * D + i]
                                                   : c.params.list[1].tensor.x[t * 2 + i - D]);
    compare(&c, "join", want, T * (D + 2), 0);
    check_close(&c);
}

Test(fusion, append_one) {
    struct check c = {.build = build_append_one};
    double want[T * D];
    check_input(&c, T, D);
    check_fill(&c, 1);
    check_gradients(&c);
    for (int i = 0; i < T * D; i++)
        want[i] = i % D < D - 1 ? (double)c.params.list[0].tensor.x[i] : 1;
    compare(&c, "[x | 1]", want, T * D, 0);
    check_close(&c);
}

/* ---- mix ---- */

/* Rows repeat; of row 3 no part is there, of rows 1 and 5 one is not. */
static const int32_t mixed[3][T] = {{0, 1, 1, -1, 4, 2, 0}, {4, -1, 0, -1, 2, 2, 3}, {0}};

/* Of the scores of the first part. */
static const int32_t columns[T] = {0, 1, 0, 1, 1, 0, 1};

struct mix_case {
    bool scored, third; /* the third part takes row t itself */
};

static struct tensor *build_mix(struct tape *tape, struct check *c) {
    const struct mix_case *k = c->data;
    struct gate_input part[3];
    for (int p = 0; p < 3; p++)
        part[p] = (struct gate_input){.value = in(tape, c, p),
                                      .score = k->scored ? in(tape, c, 3 + p) : NULL,
                                      .index = p < 2 ? mixed[p] : NULL,
                                      .column = p == 0 ? columns : NULL};
    return op_mix(tape, part, k->third ? 3 : 2, T, D);
}

static void want_mix(const struct check *c, double *want) {
    const struct mix_case *k = c->data;
    int parts = k->third ? 3 : 2;
    for (int t = 0; t < T; t++) {
        double weight[3], sum = 0;
        for (int p = 0; p < parts; p++) {
            int row = p < 2 ? mixed[p][t] : t;
            int at = p == 0 ? 2 * row + columns[t] : row;
            weight[p] = row < 0     ? 0
                        : k->scored ? exp((double)c->params.list[3 + p].tensor.x[at])
                                    : 1;
            sum += weight[p];
        }
        for (int i = 0; i < D; i++) {
            want[t * D + i] = 0;
            for (int p = 0; p < parts && sum > 0; p++)
                if (weight[p] > 0)
                    want[t * D + i] +=
                        weight[p] / sum *
                        (double)c->params.list[p].tensor.x[(p < 2 ? mixed[p][t] : t) * D + i];
        }
    }
}

Test(fusion, mix) {
    static struct mix_case cases[] = {{true, true}, {true, false}, {false, true}, {false, false}};
    for (int k = 0; k < 4; k++) {
        struct check c = {.build = build_mix, .data = &cases[k]};
        double want[T * D];
        for (int p = 0; p < 3; p++)
            check_input(&c, p < 2 ? ROWS : T, D);
        for (int p = 0; p < 3; p++)
            check_input(&c, p < 2 ? ROWS : T, p == 0 ? 2 : 1);
        check_fill(&c, 1);
        check_gradients(&c);
        want_mix(&c, want);
        compare(&c, "mix", want, T * D, 16);
        check_close(&c);
    }
}

/* ---- gate ---- */

static const bool has_view[2][T] = {{1, 0, 1, 0, 1, 1, 0}, {1, 1, 0, 0, 1, 0, 1}};

struct gate_case {
    int views;
    bool all;       /* the last view is there in every row */
    bool other_use; /* the values are used once more, and take the sum of two gradients */
};

/* Inputs: values, weights, biases. */
static struct tensor *build_gate(struct tape *tape, struct check *c) {
    const struct gate_case *k = c->data;
    struct gate_view view[GATE_INPUTS];
    struct tensor *value[GATE_INPUTS];
    for (int v = 0; v < k->views; v++) {
        value[v] = op_scale(tape, in(tape, c, v), 2);
        view[v] =
            (struct gate_view){.value = value[v],
                               .weight = in(tape, c, k->views + v),
                               .bias = in(tape, c, 2 * k->views + v),
                               .present = v == k->views - 1 && k->all ? NULL : has_view[v % 2]};
    }
    struct tensor *y = op_gate(tape, view, k->views);
    return k->other_use ? op_residual(tape, y, op_scale(tape, value[0], 3), &dropout_none) : y;
}

static void want_gate(const struct check *c, double *want) {
    const struct gate_case *k = c->data;
    for (int t = 0; t < T; t++) {
        double weight[GATE_INPUTS], sum = 0;
        for (int v = 0; v < k->views; v++) {
            double score = (double)c->params.list[2 * k->views + v].tensor.x[0];
            for (int i = 0; i < D; i++)
                score += 2 * (double)c->params.list[v].tensor.x[t * D + i] *
                         (double)c->params.list[k->views + v].tensor.x[i];
            bool there = (v == k->views - 1 && k->all) || has_view[v % 2][t];
            sum += weight[v] = there ? exp(score) : 0;
        }
        for (int i = 0; i < D; i++) {
            want[t * D + i] = k->other_use ? 6 * (double)c->params.list[0].tensor.x[t * D + i] : 0;
            for (int v = 0; v < k->views && sum > 0; v++)
                want[t * D + i] +=
                    weight[v] / sum * 2 * (double)c->params.list[v].tensor.x[t * D + i];
        }
    }
}

Test(fusion, gate) {
    static struct gate_case cases[] = {
        {3, true, false}, {3, true, true}, {2, false, true}, {2, false, false}, {1, true, false}};
    for (int k = 0; k < 5; k++) {
        struct check c = {.build = build_gate, .data = &cases[k]};
        double want[T * D];
        for (int v = 0; v < 2 * cases[k].views; v++)
            check_input(&c, v < cases[k].views ? T : 1, D);
        for (int v = 0; v < cases[k].views; v++)
            check_input(&c, 1, 1);
        check_fill(&c, 0.5);
        check_gradients(&c);
        want_gate(&c, want);
        compare(&c, "gate", want, T * D, 64);
        check_close(&c);
    }
}

/* ---- parts ---- */

/* Row t of the other ranks is t + 1 everywhere; their gradients of this rank's rows add to 10. */
static void gather_rows(void *context, void *all, const int64_t *counts, int64_t bytes) {
    const struct collectives *peers = context;
    real *x = all;
    int64_t cols = bytes / (int64_t)sizeof *x;
    for (int64_t r = 0, t = 0; r < peers->size; t += counts[r++])
        for (int64_t i = t * cols; r != peers->rank && i < (t + counts[r]) * cols; i++)
            x[i] = (real)(i / cols + 1);
}

static void add_rows_of_others(void *context, real *x, const int64_t *counts, int64_t width) {
    const struct collectives *peers = context;
    int64_t lo = 0;
    for (int r = 0; r < peers->rank; r++)
        lo += counts[r];
    for (int64_t i = lo * width; i < (lo + counts[peers->rank]) * width; i++)
        x[i] += 10;
}

/* The second of three ranks has rows 2 and 3 of seven. */
static void check_parts(bool used) {
    struct collectives peers = {.rank = 1, .size = 3, gather_rows, NULL, NULL, add_rows_of_others};
    struct tape tape = {0};
    struct check c = {0};
    peers.context = &peers;
    check_input(&c, T, D);
    check_fill(&c, 1);
    tape_begin(&tape, true, 1);
    tape.peers = &peers;
    struct tensor *part = op_take_part(&tape, in(&tape, &c, 0));
    struct tensor *y = op_join_parts(&tape, op_scale(&tape, part, 2), T),
                  *z = op_scale(&tape, y, 3);
    const struct tensor *x = &c.params.list[0].tensor;
    cr_expect_eq(part->rows, 2);
    for (int i = 0; i < T * D; i++)
        cr_expect_eq(y->x[i], i / D == 2 || i / D == 3 ? 2 * x->x[i] : (real)(i / D + 1));
    if (used) {
        z->g = arena_alloc(&tape.arena, T * D, sizeof *z->g);
        for (int i = 0; i < T * D; i++)
            z->g[i] = (real)(i % 4);
    }
    tape_backward(&tape, NULL, NULL);
    for (int i = 0; i < T * D; i++)
        cr_expect_eq(x->g[i], i / D == 2 || i / D == 3 ? (used ? 6 * (i % 4) : 0) + 20 : 0);
    tape_free(&tape);
    check_close(&c);
}

Test(fusion, parts) {
    check_parts(true);
}

/* What the other ranks do with the rows is not lost where this one does nothing. */
Test(fusion, parts_that_nothing_uses_here) {
    check_parts(false);
}

/* ---- tags ---- */

/* Item 1 has no tag, item 3 one, item 4 one twice. */
static const int64_t offsets[ITEMS + 1] = {0, 3, 3, 5, 6, 9};
static const int32_t tags[9] = {0, 4, 8, 2, 4, 5, 7, 7, 1};
static const float weights[9] = {1, 0.5f, 2, 0, 1, 3, 1, 0.25f, 1};
static const int32_t chosen[T] = {2, 0, 4, 4, 1, 3, 0};

struct tags_case {
    struct tag_table table;
    bool learned, all;
};

static struct tensor *build_tags(struct tape *tape, struct check *c) {
    const struct tags_case *k = c->data;
    return op_tags(tape, &k->table, k->all ? NULL : chosen, k->all ? ITEMS : T,
                   k->learned ? in(tape, c, 0) : NULL, 0.7, (real)1e-8);
}

static void want_tags(const struct check *c, int64_t item, double *want) {
    const struct tags_case *k = c->data;
    double norm = 0;
    memset(want, 0, D * sizeof *want);
    for (int64_t e = offsets[item]; e < offsets[item + 1]; e++) {
        const real *t = k->table.vectors + tags[e] * D;
        double logit = (double)weights[e] / 0.7, a = 1;
        for (int i = 0; i < D; i++)
            logit += (double)c->params.x[i] * (double)t[i];
        a = k->learned ? exp(logit) : 1;
        for (int i = 0; i < D; i++)
            want[i] += a * (double)t[i];
    }
    for (int i = 0; i < D; i++)
        norm += want[i] * want[i];
    for (int i = 0; i < D && norm > 0; i++)
        want[i] /= sqrt(norm);
}

Test(fusion, tags) {
    real vectors[TAGS * D];
    for (int i = 0; i < TAGS * D; i++)
        vectors[i] = (real)rng_normal(check_key(90), (uint64_t)i);
    for (int k = 0; k < 4; k++) {
        struct tags_case of = {{TAGS, D, vectors, offsets, tags, weights}, k % 2, k / 2};
        struct check c = {.build = build_tags, .data = &of};
        double want[T * D];
        check_input(&c, 1, D);
        check_fill(&c, 1);
        if (of.learned)
            check_gradients(&c);
        for (int t = 0; t < (of.all ? ITEMS : T); t++)
            want_tags(&c, of.all ? t : chosen[t], want + t * D);
        compare(&c, "tags", want, (of.all ? ITEMS : T) * D, 32);
        check_close(&c);
    }
}
