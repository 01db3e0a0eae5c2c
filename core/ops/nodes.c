#include "core/ops/nodes.h"
#include "core/check.h"
#include "core/vec.h"
#include <string.h>

/* Enough work for threads. */
enum { ENOUGH = 10000 };

HOT static void add_scaled(real alpha, const real *x, int64_t n, real *y) {
    vec_axpy(alpha, x, y, n);
}

HOT static real product(const real *x, const real *y, int64_t n) {
    return vec_dot(x, y, n);
}

/* ---- scores ---- */

struct scores_node {
    struct tape_node node;
    struct tensor *q, *k, *v, *e;
    struct node_rows rows;
};

HOT static real score_of(const real *q, const real *k, const real *v, int64_t d) {
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < d; i++)
        sum += v[i] * vec_tanh(q[i] + k[i]);
    return sum;
}

HOT static void score_backward(const real *q, const real *k, const real *v, real g, int64_t d,
                               real *dq, real *dk, real *dv) {
#pragma omp simd
    for (int64_t i = 0; i < d; i++) {
        real y = vec_tanh(q[i] + k[i]), slope = g * v[i] * (1 - y * y);
        dq[i] += slope;
        dk[i] += slope;
        dv[i] += g * y;
    }
}

/* dv of every session by itself, so that the sum does not depend on threads. */
static void scores_backward(struct tape *tape, void *node) {
    const struct scores_node *n = node;
    const struct node_rows *rows = &n->rows;
    int64_t d = n->q->cols, sessions = rows->sessions;
    real *dq = tape_grad_room(tape, n->q), *dk = tape_grad_room(tape, n->k),
         *dv = tape_grad_room(tape, n->v);
    struct arena_mark mark = arena_mark(&tape->arena);
    real *of = arena_numbers(&tape->arena, sessions * d, sizeof *of);
    if (tape_counts(tape, 6 * (double)n->k->rows * (double)d)) {
        memset(of, 0, (size_t)(sessions * d) * sizeof *of);
#pragma omp parallel for schedule(static) if (n->k->rows * d > ENOUGH)
        for (int64_t s = 0; s < sessions; s++)
            for (int64_t i = rows->offsets[s]; i < rows->offsets[s + 1]; i++)
                score_backward(n->q->x + s * d, n->k->x + i * d, n->v->x, n->e->g[i], d, dq + s * d,
                               dk + i * d, of + s * d);
        for (int64_t s = 0; s < sessions; s++)
            add_scaled(1, of + s * d, d, dv);
    }
    arena_release(&tape->arena, mark);
}

struct tensor *op_node_scores(struct tape *tape, struct tensor *q, struct tensor *k,
                              struct tensor *v, const struct node_rows *rows) {
    int64_t d = q->cols;
    assert(has_shape(q, rows->sessions, d) && has_shape(k, node_count(rows), d));
    assert(has_shape(v, 1, d));
    struct tensor *e = tape_tensor(tape, k->rows, 1, q->learned || k->learned || v->learned);
    if (tape_counts(tape, 2 * (double)k->rows * (double)d)) {
#pragma omp parallel for schedule(static) if (k->rows * d > ENOUGH)
        for (int64_t s = 0; s < rows->sessions; s++)
            for (int64_t i = rows->offsets[s]; i < rows->offsets[s + 1]; i++)
                e->x[i] = score_of(q->x + s * d, k->x + i * d, v->x, d);
    }
    struct tensor *inputs[] = {q, k, v};
    struct scores_node *n = tape_push(tape, sizeof *n, e, scores_backward, inputs, 3);
    if (n)
        n->q = q, n->k = k, n->v = v, n->e = e, n->rows = *rows;
    return e;
}

/* ---- softmax ---- */

struct softmax_node {
    struct tape_node node;
    struct tensor *e, *a;
    struct node_rows rows;
};

HOT static void softmax_of(const real *e, int64_t n, real *a) {
    real max = vec_max(e, n), sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] = vec_exp(e[i] - max);
    vec_scale(1 / sum, a, n);
}

static void softmax_backward(struct tape *tape, void *node) {
    const struct softmax_node *n = node;
    real *de = tape_grad_zeroed(tape, n->e);
    for (int64_t s = 0; s < tape_rows(tape, n->rows.sessions); s++) {
        int64_t lo = n->rows.offsets[s], count = n->rows.offsets[s + 1] - lo;
        real mean = product(n->a->x + lo, n->a->g + lo, count);
        for (int64_t i = lo; i < lo + count; i++)
            de[i] += n->a->x[i] * (n->a->g[i] - mean);
    }
}

struct tensor *op_node_softmax(struct tape *tape, struct tensor *e, const struct node_rows *rows) {
    assert(has_shape(e, node_count(rows), 1));
    struct tensor *a = tape_tensor(tape, e->rows, 1, e->learned);
    for (int64_t s = 0; s < tape_rows(tape, rows->sessions); s++) {
        int64_t lo = rows->offsets[s], count = rows->offsets[s + 1] - lo;
        if (count > 0)
            softmax_of(e->x + lo, count, a->x + lo);
    }
    struct softmax_node *n = tape_push(tape, sizeof *n, a, softmax_backward, &e, 1);
    if (n)
        n->e = e, n->a = a, n->rows = *rows;
    return a;
}

/* ---- gate ---- */

struct gate_node {
    struct tape_node node;
    struct tensor *a, *u, *w, *x, *y;
    struct node_rows rows;
    real sign;
};

HOT static void gate_row(real a, real sign, const real *u, const real *w, const real *x, int64_t d,
                         real *y) {
#pragma omp simd
    for (int64_t i = 0; i < d; i++)
        y[i] = a * vec_sigmoid(sign * (u[i] + w[i])) * x[i];
}

/* Returns the gradient by a. */
HOT static real gate_row_backward(real a, real sign, const real *u, const real *w, const real *x,
                                  const real *dy, int64_t d, real *du, real *dw, real *dx) {
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < d; i++) {
        real f = vec_sigmoid(sign * (u[i] + w[i])), slope = sign * a * dy[i] * x[i] * f * (1 - f);
        sum += dy[i] * f * x[i];
        du[i] += slope;
        dw[i] += slope;
        dx[i] += a * dy[i] * f;
    }
    return sum;
}

static void gate_backward(struct tape *tape, void *node) {
    const struct gate_node *n = node;
    const struct node_rows *rows = &n->rows;
    int64_t d = n->x->cols;
    real *da = tape_grad_room(tape, n->a), *du = tape_grad_room(tape, n->u),
         *dw = tape_grad_room(tape, n->w), *dx = tape_grad_room(tape, n->x);
#pragma omp parallel for schedule(static) if (n->x->rows * d > ENOUGH)
    for (int64_t s = 0; s < tape_rows(tape, rows->sessions); s++)
        for (int64_t i = rows->offsets[s]; i < rows->offsets[s + 1]; i++)
            da[i] += gate_row_backward(n->a->x[i], n->sign, n->u->x + s * d, n->w->x + i * d,
                                       n->x->x + i * d, n->y->g + i * d, d, du + s * d, dw + i * d,
                                       dx + i * d);
}

struct tensor *op_node_gate(struct tape *tape, struct tensor *a, struct tensor *u, struct tensor *w,
                            struct tensor *x, const struct node_rows *rows, bool rest) {
    int64_t d = x->cols, nodes = node_count(rows);
    real sign = rest ? -1 : 1;
    assert(has_shape(a, nodes, 1) && has_shape(u, rows->sessions, d));
    assert(has_shape(w, nodes, d) && has_shape(x, nodes, d));
    struct tensor *y =
        tape_tensor(tape, nodes, d, a->learned || u->learned || w->learned || x->learned);
#pragma omp parallel for schedule(static) if (nodes * d > ENOUGH)
    for (int64_t s = 0; s < tape_rows(tape, rows->sessions); s++)
        for (int64_t i = rows->offsets[s]; i < rows->offsets[s + 1]; i++)
            gate_row(a->x[i], sign, u->x + s * d, w->x + i * d, x->x + i * d, d, y->x + i * d);
    struct tensor *inputs[] = {a, u, w, x};
    struct gate_node *n = tape_push(tape, sizeof *n, y, gate_backward, inputs, 4);
    if (n)
        n->a = a, n->u = u, n->w = w, n->x = x, n->y = y, n->rows = *rows, n->sign = sign;
    return y;
}

/* ---- sum ---- */

struct sum_node {
    struct tape_node node;
    struct tensor *x, *y;
    struct node_rows rows;
};

static void sum_backward(struct tape *tape, void *node) {
    const struct sum_node *n = node;
    int64_t d = n->x->cols;
    real *dx = tape_grad_zeroed(tape, n->x);
    for (int64_t s = 0; s < tape_rows(tape, n->rows.sessions); s++)
        for (int64_t i = n->rows.offsets[s]; i < n->rows.offsets[s + 1]; i++)
            add_scaled(1, n->y->g + s * d, d, dx + i * d);
}

struct tensor *op_node_sum(struct tape *tape, struct tensor *x, const struct node_rows *rows) {
    int64_t d = x->cols;
    assert(x->rows == node_count(rows));
    struct tensor *y = tape_tensor(tape, rows->sessions, d, x->learned);
    for (int64_t s = 0; s < tape_rows(tape, rows->sessions); s++) {
        memset(y->x + s * d, 0, (size_t)d * sizeof *y->x);
        for (int64_t i = rows->offsets[s]; i < rows->offsets[s + 1]; i++)
            add_scaled(1, x->x + i * d, d, y->x + s * d);
    }
    struct sum_node *n = tape_push(tape, sizeof *n, y, sum_backward, &x, 1);
    if (n)
        n->x = x, n->y = y, n->rows = *rows;
    return y;
}

/* ---- along the edges ---- */

struct spread_node {
    struct tape_node node;
    struct node_source source[2];
    struct tensor *y;
    struct node_rows rows;
    int64_t width;
};

static int64_t edge_count(const struct node_source *source, const struct node_rows *rows) {
    return source->z ? source->edges->first[node_count(rows)] : 0;
}

static double spread_flops(const struct spread_node *n) {
    int64_t edges = edge_count(&n->source[0], &n->rows) + edge_count(&n->source[1], &n->rows);
    return 2 * (double)edges * (double)n->width;
}

static void spread_row(const struct spread_node *n, int64_t i) {
    int64_t d = n->width;
    real *y = n->y->x + i * n->y->cols;
    memset(y, 0, (size_t)n->y->cols * sizeof *y);
    for (int s = 0; s < 2; s++, y += d) {
        const struct node_source *from = &n->source[s];
        for (int64_t e = from->z ? from->edges->first[i] : 0;
             from->z && e < from->edges->first[i + 1]; e++)
            add_scaled(from->edges->weight[e],
                       from->z->x + from->edges->at[e] * from->z->cols + from->column, d, y);
    }
}

static void spread_row_backward(const struct spread_node *n, int64_t i, real *const dz[2]) {
    int64_t d = n->width;
    const real *dy = n->y->g + i * n->y->cols;
    for (int s = 0; s < 2; s++, dy += d) {
        const struct node_source *from = &n->source[s];
        for (int64_t e = dz[s] ? from->edges->first[i] : 0; dz[s] && e < from->edges->first[i + 1];
             e++)
            add_scaled(from->edges->weight[e], dy, d,
                       dz[s] + from->edges->at[e] * from->z->cols + from->column);
    }
}

static void spread_backward(struct tape *tape, void *node) {
    const struct spread_node *n = node;
    real *dz[2] = {NULL};
    for (int s = 0; s < 2; s++)
        dz[s] = n->source[s].z ? tape_grad_zeroed(tape, n->source[s].z) : NULL;
    if (!tape_counts(tape, spread_flops(n)))
        return;
#pragma omp parallel for schedule(static) if (n->y->rows * n->width > ENOUGH)
    for (int64_t s = 0; s < n->rows.sessions; s++)
        for (int64_t i = n->rows.offsets[s]; i < n->rows.offsets[s + 1]; i++)
            spread_row_backward(n, i, dz);
}

struct tensor *op_node_spread(struct tape *tape, const struct node_source source[2], int64_t d,
                              const struct node_rows *rows) {
    struct tensor *inputs[2] = {source[0].z, source[1].z};
    bool learned = (inputs[0] && inputs[0]->learned) || (inputs[1] && inputs[1]->learned);
    struct spread_node value = {.source = {source[0], source[1]},
                                .y = tape_tensor(tape, node_count(rows), 2 * d, learned),
                                .rows = *rows,
                                .width = d};
    for (int s = 0; s < 2; s++)
        assert(!source[s].z || source[s].column + d <= source[s].z->cols);
    if (tape_counts(tape, spread_flops(&value))) {
#pragma omp parallel for schedule(static) if (value.y->rows * d > ENOUGH)
        for (int64_t i = 0; i < value.y->rows; i++)
            spread_row(&value, i);
    }
    struct spread_node *n = tape_push(tape, sizeof *n, value.y, spread_backward, inputs, 2);
    if (n) {
        value.node = n->node;
        *n = value;
    }
    return value.y;
}
