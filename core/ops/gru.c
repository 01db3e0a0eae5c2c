/* A step is a product of [n_t, h] states. What backward needs (states, gates) is kept in the order of
 * the steps (core/ops/packed_steps.h); inputs, outputs and their gradients have the tokens' order. The
 * gradient of W is one product over all steps at the end. */
#include "core/ops/gru.h"
#include "core/check.h"
#include "core/gemm_bf16.h"
#include "core/ops/packed_steps.h"
#include "core/vec.h"
#include <string.h>

struct gru_node {
    struct tape_node node;
    struct tensor *x, *weight, *bias, *initial, *y;
    enum gru_reset reset;
    struct dropout dropout;
    struct packed_steps steps;
    int64_t width; /* h */
    real *state;   /* [T, h] s */
    real *gate;    /* [T, 3 h] r, u, c */
    real *product; /* [T, h] W_c s + b_c; with the reset gate behind the product only */
};

/* Is the state before step t zero for all? */
static bool starts_from_zero(const struct gru_node *n, int64_t t) {
    return t == 0 && !n->initial;
}

/* Rows whose state is a product's input, and the first of them. */
static int64_t product_rows(const struct gru_node *n, int64_t *first) {
    *first = n->initial ? 0 : packed_steps_rows(&n->steps, 0);
    return n->x->rows - *first;
}

/* ---- forward ---- */

static gemm_fn *product_of(const struct tape *tape) {
    return tape->bf16 ? gemm_bf16 : gemm;
}

/* W's rows [lo, hi) of the three blocks: m[, lo..hi) = s W^T. */
static void multiply(const struct tape *tape, const struct gru_node *n, int lo, int hi,
                     int64_t rows, const real *s, real *m) {
    int64_t h = n->width;
    product_of(tape)(NO_TRANS, TRANS, rows, (hi - lo) * h, h, 1, s, h, n->weight->x + lo * h * h, h,
                     0, m + lo * h, 3 * h);
}

/* The state before row k of step t. */
static void enter(const struct gru_node *n, int64_t t, int64_t k, real *s) {
    int64_t h = n->width, token = n->steps.token[n->steps.first[t] + k];
    if (t > 0)
        dropout_row(&n->dropout, token - 1, h, n->y->x + (token - 1) * h, s);
    else if (n->initial)
        memcpy(s, n->initial->x + n->steps.order[k] * h, (size_t)h * sizeof *s);
    else
        memset(s, 0, (size_t)h * sizeof *s);
}

/* gate = sigma(x + m + b) */
HOT static void open_gates(const real *x, const real *m, const real *b, int64_t n, real *gate) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        gate[i] = vec_sigmoid(x[i] + m[i] + (b ? b[i] : 0));
}

HOT static void reset_state(const real *r, const real *s, int64_t n, real *rs) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        rs[i] = r[i] * s[i];
}

/* From x_c and m = W_c (r . s), or W_c s: the candidate and the next state. */
HOT static void close_before(const real *x, const real *m, const real *b, const real *u,
                             const real *s, int64_t n, real *c, real *y) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        c[i] = vec_tanh(x[i] + m[i] + (b ? b[i] : 0));
        y[i] = c[i] + u[i] * (s[i] - c[i]);
    }
}

HOT static void close_after(const real *x, const real *m, const real *b, const real *r,
                            const real *u, const real *s, int64_t n, real *p, real *c, real *y) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        p[i] = m[i] + (b ? b[i] : 0);
        c[i] = vec_tanh(x[i] + r[i] * p[i]);
        y[i] = c[i] + u[i] * (s[i] - c[i]);
    }
}

/* m [n_t, 3 h] and rs [n_t, h] are scratch. */
static void step_forward(const struct tape *tape, const struct gru_node *n, int64_t t, real *m,
                         real *rs) {
    int64_t h = n->width, lo = n->steps.first[t], rows = packed_steps_rows(&n->steps, t);
    bool before = n->reset == GRU_RESET_BEFORE, zero = starts_from_zero(n, t);
    const real *b = n->bias ? n->bias->x : NULL;
#pragma omp parallel for schedule(static) if (rows * h > 10000)
    for (int64_t k = 0; k < rows; k++)
        enter(n, t, k, n->state + (lo + k) * h);
    if (zero)
        memset(m, 0, (size_t)(rows * 3 * h) * sizeof *m);
    else
        multiply(tape, n, 0, before ? 2 : 3, rows, n->state + lo * h, m);
#pragma omp parallel for schedule(static) if (rows * h > 10000)
    for (int64_t k = 0; k < rows; k++) {
        real *gate = n->gate + (lo + k) * 3 * h;
        open_gates(n->x->x + n->steps.token[lo + k] * 3 * h, m + k * 3 * h, b, 2 * h, gate);
        reset_state(gate, n->state + (lo + k) * h, h, rs + k * h);
    }
    if (before && !zero)
        multiply(tape, n, 2, 3, rows, rs, m);
#pragma omp parallel for schedule(static) if (rows * h > 10000)
    for (int64_t k = 0; k < rows; k++) {
        int64_t row = lo + k, token = n->steps.token[row];
        const real *x = n->x->x + token * 3 * h + 2 * h, *s = n->state + row * h;
        real *gate = n->gate + row * 3 * h, *y = n->y->x + token * h, *mc = m + k * 3 * h + 2 * h;
        const real *bc = b ? b + 2 * h : NULL;
        if (before)
            close_before(x, mc, bc, gate + h, s, h, gate + 2 * h, y);
        else
            close_after(x, mc, bc, gate, gate + h, s, h, n->product + row * h, gate + 2 * h, y);
    }
}

static void run_forward(struct tape *tape, const struct gru_node *n) {
    struct arena_mark mark = arena_mark(&tape->arena);
    int64_t most = packed_steps_rows(&n->steps, 0);
    real *m = arena_numbers(&tape->arena, most * 3 * n->width, sizeof *m);
    real *rs = arena_numbers(&tape->arena, most * n->width, sizeof *rs);
    int64_t first, rows = product_rows(n, &first);
    if (tape_counts(tape, 6 * (double)rows * (double)n->width * (double)n->width))
        for (int64_t t = 0; t < n->steps.count; t++)
            step_forward(tape, n, t, m, rs);
    arena_release(&tape->arena, mark);
}

/* ---- backward ---- */

/* What backward works in. d is the gradient by what the products with W give, in the rows' order. */
struct scratch {
    real *d;     /* [T, 3 h] */
    real *carry; /* [n_0, h] gradient by the state before the step */
    real *drs;   /* [n_0, h] by r . s */
};

/* From dh: the gradients by u's and c's arguments, and what passes by them to the state. */
HOT static void leave(const real *dh, const real *gate, const real *s, int64_t n, real *d,
                      real *carry) {
    const real *u = gate + n, *c = gate + 2 * n;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        d[n + i] = dh[i] * (s[i] - c[i]) * u[i] * (1 - u[i]);
        d[2 * n + i] = dh[i] * (1 - u[i]) * (1 - c[i] * c[i]);
        carry[i] = dh[i] * u[i];
    }
}

/* dx_r = d_r, dx_u = d_u, dx_c = the gradient by c's argument, which d has in c's place until now; p
 * is W_c s + b_c. */
HOT static void reset_after(const real *r, const real *p, int64_t n, real *d) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        d[i] = d[2 * n + i] * p[i] * r[i] * (1 - r[i]);
        d[2 * n + i] *= r[i];
    }
}

HOT static void reset_before(const real *r, const real *drs, const real *s, int64_t n, real *d,
                             real *carry) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        d[i] = drs[i] * s[i] * r[i] * (1 - r[i]);
        carry[i] += drs[i] * r[i];
    }
}

HOT static void add_row(const real *x, int64_t n, bool add, real *y) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = add ? y[i] + x[i] : x[i];
}

/* The gradient by the state after row k of step t: that of the output, and through the next step. */
static real *arrive(const struct gru_node *n, int64_t t, int64_t k, real *carry) {
    int64_t h = n->width, token = n->steps.token[n->steps.first[t] + k];
    real *dy = n->y->g + token * h;
    if (k < packed_steps_rows(&n->steps, t + 1)) {
        dropout_row(&n->dropout, token, h, carry, carry);
        add_row(carry, h, true, dy);
    }
    return dy;
}

static void row_backward(const struct gru_node *n, int64_t t, int64_t k, bool add, real *dx,
                         const struct scratch *w) {
    int64_t h = n->width, row = n->steps.first[t] + k, token = n->steps.token[row];
    const real *gate = n->gate + row * 3 * h;
    real *d = w->d + row * 3 * h, *carry = w->carry + k * h;
    leave(arrive(n, t, k, carry), gate, n->state + row * h, h, d, carry);
    if (dx)
        add_row(d + 2 * h, h, add, dx + token * 3 * h + 2 * h);
    if (n->reset == GRU_RESET_AFTER)
        reset_after(gate, n->product + row * h, h, d);
}

/* carry += d W of the blocks [0, blocks). */
static void carry_back(const struct tape *tape, const struct gru_node *n, int blocks, int64_t rows,
                       const real *d, real *carry) {
    int64_t h = n->width;
    product_of(tape)(NO_TRANS, NO_TRANS, rows, h, blocks * h, 1, d, 3 * h, n->weight->x, h, 1,
                     carry, h);
}

static void step_backward(const struct tape *tape, const struct gru_node *n, int64_t t, bool add,
                          real *dx, const struct scratch *w) {
    int64_t h = n->width, lo = n->steps.first[t], rows = packed_steps_rows(&n->steps, t);
    bool before = n->reset == GRU_RESET_BEFORE, zero = starts_from_zero(n, t);
    real *d = w->d + lo * 3 * h;
#pragma omp parallel for schedule(static) if (rows * h > 10000)
    for (int64_t k = 0; k < rows; k++)
        row_backward(n, t, k, add, dx, w);
    if (before && zero)
        memset(w->drs, 0, (size_t)(rows * h) * sizeof *w->drs);
    else if (before)
        product_of(tape)(NO_TRANS, NO_TRANS, rows, h, h, 1, d + 2 * h, 3 * h,
                         n->weight->x + 2 * h * h, h, 0, w->drs, h);
#pragma omp parallel for schedule(static) if (rows * h > 10000)
    for (int64_t k = 0; k < rows; k++) {
        if (before)
            reset_before(n->gate + (lo + k) * 3 * h, w->drs + k * h, n->state + (lo + k) * h, h,
                         d + k * 3 * h, w->carry + k * h);
        if (dx)
            add_row(d + k * 3 * h, 2 * h, add, dx + n->steps.token[lo + k] * 3 * h);
    }
    if (!zero)
        carry_back(tape, n, before ? 2 : 3, rows, d, w->carry);
}

/* dW += d^T s, in c's block d^T (r . s) where that was the product's input. */
static void weight_products(const struct tape *tape, const struct gru_node *n, bool add, real *dw,
                            const real *d, real *rs) {
    int64_t h = n->width, first, rows = product_rows(n, &first);
    bool before = n->reset == GRU_RESET_BEFORE;
    const real *s = n->state + first * h;
    d += first * 3 * h;
    product_of(tape)(TRANS, NO_TRANS, (before ? 2 : 3) * h, h, rows, 1, d, 3 * h, s, h, add, dw, h);
    if (!before)
        return;
#pragma omp parallel for schedule(static) if (rows * h > 10000)
    for (int64_t k = 0; k < rows; k++)
        reset_state(n->gate + (first + k) * 3 * h, s + k * h, h, rs + k * h);
    product_of(tape)(TRANS, NO_TRANS, h, h, rows, 1, d + 2 * h, 3 * h, rs, h, add, dw + 2 * h * h,
                     h);
}

static void weight_backward(struct tape *tape, const struct gru_node *n, bool add, real *dw,
                            const real *d) {
    int64_t first, rows = product_rows(n, &first);
    struct arena_mark mark = arena_mark(&tape->arena);
    real *rs = n->reset == GRU_RESET_BEFORE
                   ? arena_numbers(&tape->arena, rows * n->width, sizeof *rs)
                   : NULL;
    if (tape_counts(tape, 6 * (double)rows * (double)n->width * (double)n->width))
        weight_products(tape, n, add, dw, d, rs);
    arena_release(&tape->arena, mark);
}

static void gru_backward(struct tape *tape, void *node) {
    const struct gru_node *n = node;
    int64_t h = n->width, rows = n->x->rows, most = packed_steps_rows(&n->steps, 0), first;
    double flops = 6 * (double)product_rows(n, &first) * (double)h * (double)h;
    bool add_x, add_w = false;
    real *dx = tape_grad(tape, n->x, &add_x), *dw = tape_grad(tape, n->weight, &add_w);
    real *db = n->bias ? tape_grad_zeroed(tape, n->bias) : NULL;
    real *dinitial = n->initial ? tape_grad_zeroed(tape, n->initial) : NULL;
    struct arena_mark mark = arena_mark(&tape->arena);
    struct scratch w = {.d = arena_numbers(&tape->arena, rows * 3 * h, sizeof *w.d),
                        .carry = arena_numbers(&tape->arena, most * h, sizeof *w.carry),
                        .drs = arena_numbers(&tape->arena, most * h, sizeof *w.drs)};
    if (tape_counts(tape, flops))
        for (int64_t t = n->steps.count - 1; t >= 0; t--)
            step_backward(tape, n, t, add_x, dx, &w);
    for (int64_t k = 0; dinitial && k < tape_rows(tape, most); k++)
        add_row(w.carry + k * h, h, true, dinitial + n->steps.order[k] * h);
    for (int64_t row = 0; db && row < tape_rows(tape, rows); row++)
        add_row(w.d + row * 3 * h, 3 * h, true, db);
    if (dw)
        weight_backward(tape, n, add_w, dw, w.d);
    arena_release(&tape->arena, mark);
}

/* The node is made whether or not the tape records: forward needs its fields too. */
struct tensor *op_gru(struct tape *tape, struct tensor *x, const struct gru *gru,
                      const int64_t *offsets, int64_t sequences) {
    int64_t h = gru->weight->cols;
    assert(x->cols == 3 * h && has_shape(gru->weight, 3 * h, h));
    assert(!gru->bias || has_shape(gru->bias, 1, 3 * h));
    assert(!gru->initial || has_shape(gru->initial, sequences, h));
    assert(offsets[0] == 0 && offsets[sequences] == x->rows);
    debug_assert(are_offsets(offsets, sequences));
    bool learned = x->learned || gru->weight->learned;
    struct gru_node value = {.x = x,
                             .weight = gru->weight,
                             .bias = gru->bias,
                             .initial = gru->initial,
                             .y = tape_tensor(tape, x->rows, h, learned),
                             .reset = gru->reset,
                             .dropout = gru->dropout ? *gru->dropout : dropout_none,
                             .steps = packed_steps_make(&tape->arena, offsets, sequences),
                             .width = h};
    value.state = arena_numbers(&tape->arena, x->rows * h, sizeof *value.state);
    value.gate = arena_numbers(&tape->arena, x->rows * 3 * h, sizeof *value.gate);
    if (gru->reset == GRU_RESET_AFTER)
        value.product = arena_numbers(&tape->arena, x->rows * h, sizeof *value.product);
    run_forward(tape, &value);
    struct tensor *inputs[] = {x, gru->weight, gru->bias, gru->initial};
    struct gru_node *n = tape_push(tape, sizeof *n, value.y, gru_backward, inputs, 4);
    if (n) {
        value.node = n->node;
        *n = value;
    }
    return value.y;
}
