/* A step is a product of [n_t, h] states. What backward needs (states before the token, arguments of
 * gate and candidate without the members') is kept in the order of the steps
 * (core/ops/packed_steps.h); the members' gates are computed again. The gradients of W and of the
 * members are sums over all steps at the end. With the gate the other way round it is the weight
 * 1 - sigma(z) = sigma(-z) that the state keeps. */
#include "core/ops/filter_cell.h"
#include "core/check.h"
#include "core/gemm_bf16.h"
#include "core/ops/packed_steps.h"
#include "core/vec.h"
#include <string.h>

struct filter_node {
    struct tape_node node;
    struct tensor *gate, *candidate, *weight, *member[2], *y;
    struct packed_steps steps;
    int64_t width;  /* h */
    int64_t count;  /* K */
    real sign;      /* of the gate's argument in the weight of the state */
    real *state;    /* [T, h] s */
    real *argument; /* [T, 2 h] */
};

/* What one member makes of a token: its own arguments, and the token's. */
struct member {
    const real *m, *n; /* [h]; NULL: zero */
    const real *argument, *s;
    real sign, share; /* share: 1 / K */
};

static struct member member_of(const struct filter_node *n, int64_t k, int64_t row) {
    int64_t h = n->width;
    return (struct member){.m = n->member[0] ? n->member[0]->x + k * h : NULL,
                           .n = n->member[1] ? n->member[1]->x + k * h : NULL,
                           .argument = n->argument + row * 2 * h,
                           .s = n->state + row * h,
                           .sign = n->sign,
                           .share = 1 / (real)n->count};
}

static gemm_fn *product_of(const struct tape *tape) {
    return tape->bf16 ? gemm_bf16 : gemm;
}

/* Rows whose state is a product's input: all but those of the first step. */
static int64_t product_rows(const struct filter_node *n) {
    return n->y->rows - packed_steps_rows(&n->steps, 0);
}

static double product_flops(const struct filter_node *n) {
    return 4 * (double)product_rows(n) * (double)n->width * (double)n->width;
}

/* ---- forward ---- */

HOT static void add_rows(const real *x, const real *m, int64_t n, real *y) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] + m[i];
}

HOT static void add_member(const struct member *of, int64_t h, real *y) {
    const real *a = of->argument, *c = a + h, *s = of->s;
#pragma omp simd
    for (int64_t i = 0; i < h; i++) {
        real f = vec_sigmoid(of->sign * (a[i] + (of->m ? of->m[i] : 0)));
        real g = vec_tanh(c[i] + (of->n ? of->n[i] : 0));
        y[i] += of->share * (g + f * (s[i] - g));
    }
}

static void row_forward(const struct filter_node *n, int64_t row, const real *m) {
    int64_t h = n->width, token = n->steps.token[row];
    real *argument = n->argument + row * 2 * h, *y = n->y->x + token * h;
    add_rows(n->gate->x + token * h, m, h, argument);
    add_rows(n->candidate->x + token * h, m + h, h, argument + h);
    memset(y, 0, (size_t)h * sizeof *y);
    for (int64_t k = 0; k < n->count; k++) {
        struct member of = member_of(n, k, row);
        add_member(&of, h, y);
    }
}

/* m [n_t, 2 h] is scratch. */
static void step_forward(const struct tape *tape, const struct filter_node *n, int64_t t, real *m) {
    int64_t h = n->width, lo = n->steps.first[t], rows = packed_steps_rows(&n->steps, t);
    real *s = n->state + lo * h;
    if (t == 0) {
        memset(s, 0, (size_t)(rows * h) * sizeof *s);
        memset(m, 0, (size_t)(rows * 2 * h) * sizeof *m);
    } else {
        for (int64_t k = 0; k < rows; k++)
            memcpy(s + k * h, n->y->x + (n->steps.token[lo + k] - 1) * h, (size_t)h * sizeof *s);
        product_of(tape)(NO_TRANS, TRANS, rows, 2 * h, h, 1, s, h, n->weight->x, h, 0, m, 2 * h);
    }
#pragma omp parallel for schedule(static) if (rows * h > 10000)
    for (int64_t k = 0; k < rows; k++)
        row_forward(n, lo + k, m + k * 2 * h);
}

static void run_forward(struct tape *tape, const struct filter_node *n) {
    struct arena_mark mark = arena_mark(&tape->arena);
    real *m =
        arena_numbers(&tape->arena, packed_steps_rows(&n->steps, 0) * 2 * n->width, sizeof *m);
    if (tape_counts(tape, product_flops(n)))
        for (int64_t t = 0; t < n->steps.count; t++)
            step_forward(tape, n, t, m);
    arena_release(&tape->arena, mark);
}

/* ---- backward ---- */

/* d [2 h] += the gradients by a member's arguments, carry [h] += that by the state, from dy [h]. */
HOT static void member_backward(const struct member *of, const real *dy, int64_t h, real *d,
                                real *carry) {
    const real *a = of->argument, *c = a + h, *s = of->s;
#pragma omp simd
    for (int64_t i = 0; i < h; i++) {
        real f = vec_sigmoid(of->sign * (a[i] + (of->m ? of->m[i] : 0)));
        real g = vec_tanh(c[i] + (of->n ? of->n[i] : 0)), dh = of->share * dy[i];
        d[i] += of->sign * dh * (s[i] - g) * f * (1 - f);
        d[h + i] += dh * (1 - f) * (1 - g * g);
        carry[i] += dh * f;
    }
}

HOT static void add_row(const real *x, int64_t n, bool add, real *y) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = add ? y[i] + x[i] : x[i];
}

/* Gradients of the inputs, NULL where none is wanted, and what backward works in. */
struct gradients {
    real *x[2], *weight, *member[2];
    bool add[2], add_weight;
    real *d;     /* [T, 2 h] by the arguments, in the order of the rows */
    real *carry; /* [n_0, h] by the state before the step */
    real *sum;   /* [K, 3 h] */
};

/* y's gradient becomes that of the state, whatever reads it. */
static void row_backward(const struct filter_node *n, int64_t t, int64_t k,
                         const struct gradients *w) {
    int64_t h = n->width, row = n->steps.first[t] + k, token = n->steps.token[row];
    real *d = w->d + row * 2 * h, *carry = w->carry + k * h, *dy = n->y->g + token * h;
    if (k < packed_steps_rows(&n->steps, t + 1))
        add_row(carry, h, true, dy);
    memset(carry, 0, (size_t)h * sizeof *carry);
    memset(d, 0, (size_t)(2 * h) * sizeof *d);
    for (int64_t j = 0; j < n->count; j++) {
        struct member of = member_of(n, j, row);
        member_backward(&of, dy, h, d, carry);
    }
    for (int p = 0; p < 2; p++)
        if (w->x[p])
            add_row(d + p * h, h, w->add[p], w->x[p] + token * h);
}

static void step_backward(const struct tape *tape, const struct filter_node *n, int64_t t,
                          const struct gradients *w) {
    int64_t h = n->width, rows = packed_steps_rows(&n->steps, t);
#pragma omp parallel for schedule(static) if (rows * h > 10000)
    for (int64_t k = 0; k < rows; k++)
        row_backward(n, t, k, w);
    if (t > 0)
        product_of(tape)(NO_TRANS, NO_TRANS, rows, h, 2 * h, 1, w->d + n->steps.first[t] * 2 * h,
                         2 * h, n->weight->x, h, 1, w->carry, h);
}

static void weight_backward(struct tape *tape, const struct filter_node *n,
                            const struct gradients *w) {
    int64_t h = n->width, first = packed_steps_rows(&n->steps, 0);
    if (w->weight && tape_counts(tape, product_flops(n)))
        product_of(tape)(TRANS, NO_TRANS, 2 * h, h, product_rows(n), 1, w->d + first * 2 * h, 2 * h,
                         n->state + first * h, h, w->add_weight, w->weight, h);
}

/* Every member by itself, row after row, so that the sums do not depend on threads. y's gradients are
 * those of the states by now. */
static void members_backward(const struct tape *tape, const struct filter_node *n,
                             const struct gradients *w) {
    int64_t h = n->width, members = w->member[0] || w->member[1] ? n->count : 0;
#pragma omp parallel for schedule(static) if (n->y->rows * h > 10000)
    for (int64_t k = 0; k < tape_rows(tape, members); k++) {
        real *d = w->sum + k * 3 * h;
        memset(d, 0, (size_t)(3 * h) * sizeof *d);
        for (int64_t row = 0; row < n->y->rows; row++) {
            struct member of = member_of(n, k, row);
            member_backward(&of, n->y->g + n->steps.token[row] * h, h, d, d + 2 * h);
        }
        for (int p = 0; p < 2; p++)
            if (w->member[p])
                add_row(d + p * h, h, true, w->member[p] + k * h);
    }
}

static void filter_backward(struct tape *tape, void *node) {
    const struct filter_node *n = node;
    int64_t h = n->width;
    struct gradients w = {0};
    w.x[0] = tape_grad(tape, n->gate, &w.add[0]);
    w.x[1] = tape_grad(tape, n->candidate, &w.add[1]);
    w.weight = tape_grad(tape, n->weight, &w.add_weight);
    for (int p = 0; p < 2 && n->member[p]; p++)
        w.member[p] = tape_grad_zeroed(tape, n->member[p]);
    struct arena_mark mark = arena_mark(&tape->arena);
    w.d = arena_numbers(&tape->arena, n->y->rows * 2 * h, sizeof *w.d);
    w.carry = arena_numbers(&tape->arena, packed_steps_rows(&n->steps, 0) * h, sizeof *w.carry);
    w.sum = arena_numbers(&tape->arena, n->count * 3 * h, sizeof *w.sum);
    if (tape_counts(tape, product_flops(n)))
        for (int64_t t = n->steps.count - 1; t >= 0; t--)
            step_backward(tape, n, t, &w);
    weight_backward(tape, n, &w);
    members_backward(tape, n, &w);
    arena_release(&tape->arena, mark);
}

/* The node is made whether or not the tape records: forward needs its fields too. */
struct tensor *op_filter_cell(struct tape *tape, struct tensor *gate, struct tensor *candidate,
                              const struct filter_cell *cell, const int64_t *offsets,
                              int64_t sequences) {
    int64_t h = cell->weight->cols, tokens = gate->rows;
    struct tensor *inputs[] = {gate, candidate, cell->weight, cell->member[0], cell->member[1]};
    bool learned = false;
    assert(has_shape(gate, tokens, h) && has_shape(candidate, tokens, h));
    assert(has_shape(cell->weight, 2 * h, h) && !cell->member[0] == !cell->member[1]);
    assert(!cell->member[0] || has_shape(cell->member[0], cell->member[1]->rows, h));
    assert(offsets[0] == 0 && offsets[sequences] == tokens);
    debug_assert(are_offsets(offsets, sequences));
    for (int k = 0; k < 5; k++)
        learned = learned || (inputs[k] && inputs[k]->learned);
    struct filter_node value = {.gate = gate,
                                .candidate = candidate,
                                .weight = cell->weight,
                                .member = {cell->member[0], cell->member[1]},
                                .y = tape_tensor(tape, tokens, h, learned),
                                .steps = packed_steps_make(&tape->arena, offsets, sequences),
                                .width = h,
                                .count = cell->member[0] ? cell->member[0]->rows : 1,
                                .sign = cell->gate == FILTER_GATE_KEEPS ? 1 : -1};
    value.state = arena_numbers(&tape->arena, tokens * h, sizeof *value.state);
    value.argument = arena_numbers(&tape->arena, tokens * 2 * h, sizeof *value.argument);
    run_forward(tape, &value);
    struct filter_node *n = tape_push(tape, sizeof *n, value.y, filter_backward, inputs, 5);
    if (n) {
        value.node = n->node;
        *n = value;
    }
    return value.y;
}
