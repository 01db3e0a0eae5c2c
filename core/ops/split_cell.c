/* A step is a product of [n_t K, h] states. What backward needs is kept in the order of the steps
 * (core/ops/packed_steps.h), the roles of a token one after another. A token goes by blocks of columns,
 * as the softmax over its roles needs all of them. */
#include "core/ops/split_cell.h"
#include "core/check.h"
#include "core/gemm_bf16.h"
#include "core/ops/packed_steps.h"
#include "core/vec.h"
#include <string.h>

enum { COLUMNS = 64 }; /* of a block */

struct split_node {
    struct tape_node node;
    struct split_cell cell;
    struct tensor *y;
    struct packed_steps steps;
    int64_t width; /* h */
    int64_t roles; /* K */
    real *state;   /* [T K, h] s */
    real *gate;    /* [T K, 3 h] sigma(q), g, p */
    real *none;    /* [T, h] p_0 */
};

static gemm_fn *product_of(const struct tape *tape) {
    return tape->bf16 ? gemm_bf16 : gemm;
}

static int64_t step_rows(const struct split_node *n, int64_t t) {
    return n->roles * packed_steps_rows(&n->steps, t);
}

/* Rows whose state is a product's input: all but those of the first step. */
static int64_t product_rows(const struct split_node *n) {
    return n->y->rows - step_rows(n, 0);
}

static double product_flops(const struct split_node *n) {
    return 4 * (double)product_rows(n) * (double)n->width * (double)n->width;
}

/* ---- forward ---- */

/* y = a + b + c, which may be y. */
HOT static void add_three(const real *a, const real *b, const real *c, int64_t n, real *y) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] + b[i] + c[i];
}

/* The arguments of a token's roles, from W s in `gate`. */
static void add_arguments(const struct split_node *n, int64_t token, real *gate) {
    const struct split_cell *cell = &n->cell;
    int64_t h = n->width;
    for (int64_t k = 0; k < n->roles; k++, gate += 3 * h) {
        add_three(gate, cell->gate->x + token * h, cell->role[0]->x + k * h, h, gate);
        add_three(gate + h, cell->candidate->x + token * h, cell->role[1]->x + k * h, h, gate + h);
    }
}

HOT static void raise_to(const real *x, int64_t n, real *max) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        max[i] = x[i] > max[i] ? x[i] : max[i];
}

/* p = exp(q - max), and added to sum. */
HOT static void exponentials(const real *q, const real *max, int64_t n, real *p, real *sum) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        sum[i] += p[i] = vec_exp(q[i] - max[i]);
}

/* From q, c and exp(q - max) in `gate`, columns h apart: sigma(q), g, p, and the next state. */
HOT static void take(real *gate, int64_t h, const real *sum, const real *s, int64_t n, real *y) {
    real *sigma = gate, *g = gate + h, *p = gate + 2 * h;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        sigma[i] = vec_sigmoid(sigma[i]);
        g[i] = vec_tanh(g[i]);
        p[i] /= sum[i];
        y[i] = s[i] + sigma[i] * p[i] * (g[i] - s[i]);
    }
}

HOT static void divide(const real *sum, int64_t n, real *p) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        p[i] /= sum[i];
}

/* Columns lo .. lo + n - 1 of a row. */
static void columns_forward(const struct split_node *n, int64_t row, int64_t lo, int64_t count) {
    int64_t h = n->width, roles = n->roles, token = n->steps.token[row];
    real max[COLUMNS], sum[COLUMNS] = {0}, *none = n->none + row * h + lo;
    real *gate = n->gate + row * roles * 3 * h + lo;
    const real *s = n->state + row * roles * h + lo, *x = n->cell.none->x + token * h + lo;
    real *y = n->y->x + token * roles * h + lo;
    memcpy(max, x, (size_t)count * sizeof *max);
    for (int64_t k = 0; k < roles; k++)
        raise_to(gate + k * 3 * h, count, max);
    exponentials(x, max, count, none, sum);
    for (int64_t k = 0; k < roles; k++)
        exponentials(gate + k * 3 * h, max, count, gate + k * 3 * h + 2 * h, sum);
    divide(sum, count, none);
    for (int64_t k = 0; k < roles; k++)
        take(gate + k * 3 * h, h, sum, s + k * h, count, y + k * h);
}

static int64_t block_at(int64_t lo, int64_t h) {
    return h - lo < COLUMNS ? h - lo : COLUMNS;
}

static void step_forward(const struct tape *tape, const struct split_node *n, int64_t t) {
    int64_t h = n->width, of_token = n->roles * h, lo = n->steps.first[t], rows = step_rows(n, t);
    real *s = n->state + lo * of_token, *gate = n->gate + lo * 3 * of_token;
    if (t == 0) {
        memset(s, 0, (size_t)(rows * h) * sizeof *s);
        memset(gate, 0, (size_t)(rows * 3 * h) * sizeof *gate);
    } else {
        for (int64_t k = 0; k < rows / n->roles; k++)
            memcpy(s + k * of_token, n->y->x + (n->steps.token[lo + k] - 1) * of_token,
                   (size_t)of_token * sizeof *s);
        product_of(tape)(NO_TRANS, TRANS, rows, 2 * h, h, 1, s, h, n->cell.weight->x, h, 0, gate,
                         3 * h);
    }
#pragma omp parallel for schedule(static) if (rows * h > 10000)
    for (int64_t row = lo; row < n->steps.first[t + 1]; row++) {
        add_arguments(n, n->steps.token[row], n->gate + row * 3 * of_token);
        for (int64_t c = 0; c < h; c += COLUMNS)
            columns_forward(n, row, c, block_at(c, h));
    }
}

/* ---- backward ---- */

/* Gradients of the inputs, NULL where none is wanted, and what backward works in. */
struct gradients {
    real *gate, *none, *candidate, *weight, *role[2];
    bool add_weight;
    real *d;     /* [T K, 2 h] by the arguments, in the order of the rows */
    real *carry; /* [n_0 K, h] by the states before the step */
};

HOT static void add_row(const real *x, int64_t n, real *y) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] += x[i];
}

/* From the gradient dy of a role's next state: e, the gradient of f times f; that of c in d's second
 * half; and what passes by them to the state. */
HOT static void leave(const real *gate, int64_t h, const real *s, const real *dy, int64_t n,
                      real *e, real *sum, real *dc, real *carry) {
    const real *sigma = gate, *g = gate + h, *p = gate + 2 * h;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        real f = sigma[i] * p[i];
        e[i] = dy[i] * (g[i] - s[i]) * f;
        sum[i] += e[i];
        dc[i] = dy[i] * f * (1 - g[i] * g[i]);
        carry[i] = dy[i] * (1 - f);
    }
}

/* e becomes the gradient of q, through sigma and through the softmax. */
HOT static void through_gate(const real *sigma, const real *p, const real *sum, int64_t n,
                             real *e) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        e[i] = e[i] * (2 - sigma[i]) - p[i] * sum[i];
}

HOT static void take_from(const real *p, const real *sum, int64_t n, real *y) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] -= p[i] * sum[i];
}

/* Columns lo .. lo + n - 1 of row k of step t, from the gradients of its states. */
static void columns_backward(const struct split_node *n, int64_t t, int64_t k, int64_t lo,
                             int64_t count, const struct gradients *w) {
    int64_t h = n->width, roles = n->roles, row = n->steps.first[t] + k;
    int64_t token = n->steps.token[row];
    const real *gate = n->gate + row * roles * 3 * h + lo, *s = n->state + row * roles * h + lo;
    const real *dy = n->y->g + token * roles * h + lo;
    real *d = w->d + row * roles * 2 * h + lo, *carry = w->carry + k * roles * h + lo;
    real sum[COLUMNS] = {0};
    for (int64_t r = 0; r < roles; r++)
        leave(gate + r * 3 * h, h, s + r * h, dy + r * h, count, d + r * 2 * h, sum,
              d + r * 2 * h + h, carry + r * h);
    for (int64_t r = 0; r < roles; r++)
        through_gate(gate + r * 3 * h, gate + r * 3 * h + 2 * h, sum, count, d + r * 2 * h);
    if (w->none)
        take_from(n->none + row * h + lo, sum, count, w->none + token * h + lo);
}

/* y's gradient becomes that of the states, whatever reads them. */
static void row_backward(const struct split_node *n, int64_t t, int64_t k,
                         const struct gradients *w) {
    int64_t h = n->width, roles = n->roles, row = n->steps.first[t] + k;
    int64_t token = n->steps.token[row];
    const real *d = w->d + row * roles * 2 * h;
    if (k < packed_steps_rows(&n->steps, t + 1))
        add_row(w->carry + k * roles * h, roles * h, n->y->g + token * roles * h);
    for (int64_t c = 0; c < h; c += COLUMNS)
        columns_backward(n, t, k, c, block_at(c, h), w);
    for (int64_t r = 0; r < roles; r++) {
        if (w->gate)
            add_row(d + r * 2 * h, h, w->gate + token * h);
        if (w->candidate)
            add_row(d + r * 2 * h + h, h, w->candidate + token * h);
    }
}

static void step_backward(const struct tape *tape, const struct split_node *n, int64_t t,
                          const struct gradients *w) {
    int64_t h = n->width, rows = step_rows(n, t);
#pragma omp parallel for schedule(static) if (rows * h > 10000)
    for (int64_t k = 0; k < rows / n->roles; k++)
        row_backward(n, t, k, w);
    if (t > 0)
        product_of(tape)(NO_TRANS, NO_TRANS, rows, h, 2 * h, 1,
                         w->d + n->steps.first[t] * n->roles * 2 * h, 2 * h, n->cell.weight->x, h,
                         1, w->carry, h);
}

static void weight_backward(struct tape *tape, const struct split_node *n,
                            const struct gradients *w) {
    int64_t h = n->width, first = step_rows(n, 0);
    if (w->weight && tape_counts(tape, product_flops(n)))
        product_of(tape)(TRANS, NO_TRANS, 2 * h, h, product_rows(n), 1, w->d + first * 2 * h, 2 * h,
                         n->state + first * h, h, w->add_weight, w->weight, h);
}

/* Every role by itself, row after row, so that the sums do not depend on threads. */
static void roles_backward(const struct tape *tape, const struct split_node *n,
                           const struct gradients *w) {
    int64_t h = n->width, roles = n->roles;
#pragma omp parallel for schedule(static) if (n->y->rows * h > 10000)
    for (int64_t k = 0; k < tape_rows(tape, roles); k++)
        for (int64_t row = k; row < n->y->rows; row += roles)
            for (int p = 0; p < 2; p++)
                if (w->role[p])
                    add_row(w->d + row * 2 * h + p * h, h, w->role[p] + k * h);
}

static void split_backward(struct tape *tape, void *node) {
    const struct split_node *n = node;
    const struct split_cell *cell = &n->cell;
    int64_t h = n->width;
    struct gradients w = {
        .gate = tape_grad_zeroed(tape, cell->gate),
        .none = tape_grad_zeroed(tape, cell->none),
        .candidate = tape_grad_zeroed(tape, cell->candidate),
        .role = {tape_grad_zeroed(tape, cell->role[0]), tape_grad_zeroed(tape, cell->role[1])}};
    w.weight = tape_grad(tape, cell->weight, &w.add_weight);
    struct arena_mark mark = arena_mark(&tape->arena);
    w.d = arena_numbers(&tape->arena, n->y->rows * 2 * h, sizeof *w.d);
    w.carry = arena_numbers(&tape->arena, step_rows(n, 0) * h, sizeof *w.carry);
    if (tape_counts(tape, product_flops(n)))
        for (int64_t t = n->steps.count - 1; t >= 0; t--)
            step_backward(tape, n, t, &w);
    weight_backward(tape, n, &w);
    roles_backward(tape, n, &w);
    arena_release(&tape->arena, mark);
}

/* ---- the operation ---- */

static void check_shapes(const struct split_cell *cell, const int64_t *offsets, int64_t sequences) {
    int64_t h = cell->weight->cols, tokens = offsets[sequences];
    assert(has_shape(cell->gate, tokens, h) && has_shape(cell->none, tokens, h));
    assert(has_shape(cell->candidate, tokens, h) && has_shape(cell->weight, 2 * h, h));
    assert(has_shape(cell->role[0], cell->role[1]->rows, h) && cell->role[1]->cols == h);
    assert(offsets[0] == 0);
    debug_assert(are_offsets(offsets, sequences));
}

/* The node is made whether or not the tape records: forward needs its fields too. */
struct tensor *op_split_cell(struct tape *tape, const struct split_cell *cell,
                             const int64_t *offsets, int64_t sequences) {
    struct tensor *inputs[] = {cell->gate,   cell->none,    cell->candidate,
                               cell->weight, cell->role[0], cell->role[1]};
    int64_t h = cell->weight->cols, roles = cell->role[0]->rows, rows = offsets[sequences] * roles;
    bool learned = false;
    check_shapes(cell, offsets, sequences);
    for (int k = 0; k < 6; k++)
        learned = learned || inputs[k]->learned;
    struct split_node value = {.cell = *cell,
                               .y = tape_tensor(tape, rows, h, learned),
                               .steps = packed_steps_make(&tape->arena, offsets, sequences),
                               .width = h,
                               .roles = roles,
                               .state = arena_numbers(&tape->arena, rows * h, sizeof(real)),
                               .gate = arena_numbers(&tape->arena, rows * 3 * h, sizeof(real)),
                               .none = arena_numbers(&tape->arena, rows / roles * h, sizeof(real))};
    if (tape_counts(tape, product_flops(&value)))
        for (int64_t t = 0; t < value.steps.count; t++)
            step_forward(tape, &value, t);
    struct split_node *n = tape_push(tape, sizeof *n, value.y, split_backward, inputs, 6);
    if (n) {
        value.node = n->node;
        *n = value;
    }
    return value.y;
}
