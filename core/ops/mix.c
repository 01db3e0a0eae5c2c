/* Softmax weights of a few inputs, then the two operations that mix by them: rows that indices choose,
 * with scores that are given, and views of the same row, whose scores are made on the way. */
#include "core/ops/mix.h"
#include "core/check.h"
#include "core/vec.h"
#include <omp.h>

#define ABSENT (-REAL_MAX) /* the score of an input that is not there */

/* a, scores before, become their softmax; 0 of what is absent. */
static inline void softmax_of_few(real *a, int count) {
    real max = vec_max(a, count), sum = 0;
    for (int k = 0; k < count; k++)
        sum += a[k] = a[k] == ABSENT ? 0 : vec_exp(a[k] - max);
    for (int k = 0; k < count && sum > 0; k++)
        a[k] /= sum;
}

/* ---- mix ---- */

struct mix_node {
    struct tape_node node;
    struct gate_input input[GATE_INPUTS];
    int count;
    struct tensor *y;
    real *share; /* [n, count] a */
};

static int64_t row_of(const struct gate_input *input, int64_t t) {
    return input->index ? input->index[t] : t;
}

/* Element of the score of row t, which is there. */
static int64_t score_of(const struct gate_input *input, int64_t t) {
    return row_of(input, t) * input->score->cols + (input->column ? input->column[t] : 0);
}

/* a of row t, 0 of what is absent. */
static void shares(const struct mix_node *n, int64_t t, real *a) {
    for (int k = 0; k < n->count; k++)
        a[k] = row_of(&n->input[k], t) < 0 ? ABSENT
               : n->input[k].score         ? n->input[k].score->x[score_of(&n->input[k], t)]
                                           : 0;
    softmax_of_few(a, n->count);
}

HOT static void mix_row(const struct mix_node *n, int64_t t) {
    int64_t d = n->y->cols;
    real *y = n->y->x + t * d, *a = n->share + t * n->count;
    memset(y, 0, (size_t)d * sizeof *y);
    for (int k = 0; k < n->count; k++)
        if (a[k] != 0)
            vec_axpy(a[k], n->input[k].value->x + row_of(&n->input[k], t) * d, y, d);
}

/* Into score[k] of row t: a_k (<dy, value_k> - <dy, y>). */
HOT static void score_row(const struct mix_node *n, int64_t t, real *score) {
    int64_t d = n->y->cols;
    const real *dy = n->y->g + t * d, *a = n->share + t * n->count;
    real mean = vec_dot(dy, n->y->x + t * d, d);
    for (int k = 0; k < n->count; k++)
        score[k] =
            a[k] == 0 ? 0
                      : a[k] * (vec_dot(dy, n->input[k].value->x + row_of(&n->input[k], t) * d, d) -
                                mean);
}

/* Columns [lo, hi) of input k's gradient: rows repeat, so threads take columns. */
HOT static void value_columns(const struct mix_node *n, int k, int64_t lo, int64_t hi, real *g) {
    int64_t d = n->y->cols;
    for (int64_t t = 0; t < n->y->rows; t++) {
        real a = n->share[t * n->count + k];
        if (a != 0)
            vec_axpy(a, n->y->g + t * d + lo, g + row_of(&n->input[k], t) * d + lo, hi - lo);
    }
}

static void value_backward(struct tape *tape, const struct mix_node *n, int k) {
    enum { BLOCK = 64 };
    int64_t d = n->y->cols;
    real *g = tape_grad_zeroed(tape, n->input[k].value);
    if (!g || tape->dry)
        return;
#pragma omp parallel for schedule(static) if (n->y->rows * d > 10000)
    for (int64_t lo = 0; lo < d; lo += BLOCK)
        value_columns(n, k, lo, lo + BLOCK < d ? lo + BLOCK : d, g);
}

static void mix_backward(struct tape *tape, void *node) {
    struct mix_node *n = node;
    int64_t rows = tape_rows(tape, n->y->rows);
    real *g[GATE_INPUTS] = {NULL}; /* before the scratch, which is given back */
    for (int k = 0; k < n->count; k++) {
        value_backward(tape, n, k);
        g[k] = n->input[k].score ? tape_grad_zeroed(tape, n->input[k].score) : NULL;
    }
    struct arena_mark mark = arena_mark(&tape->arena);
    real *score = arena_numbers(&tape->arena, n->y->rows * n->count, sizeof *score);
#pragma omp parallel for schedule(static) if (rows * n->y->cols > 10000)
    for (int64_t t = 0; t < rows; t++)
        score_row(n, t, score + t * n->count);
    for (int k = 0; k < n->count; k++)
        for (int64_t t = 0; g[k] && t < rows; t++)
            if (row_of(&n->input[k], t) >= 0)
                g[k][score_of(&n->input[k], t)] += score[t * n->count + k];
    arena_release(&tape->arena, mark);
}

static void check_input(const struct gate_input *input, int64_t n, int64_t d) {
    const struct tensor *value = input->value, *score = input->score;
    assert(value->cols == d && (input->index || n <= value->rows));
    assert(!score || (score->rows == value->rows && score->cols > 0));
    debug_assert(!input->index || all_within(input->index, n, INT32_MIN, value->rows));
    debug_assert(!score || !input->column || all_within(input->column, n, 0, score->cols));
}

struct tensor *op_mix(struct tape *tape, const struct gate_input *inputs, int count, int64_t n,
                      int64_t d) {
    assert(count <= GATE_INPUTS);
    struct mix_node value = {.count = count};
    struct tensor *tensors[2 * GATE_INPUTS];
    bool learned = false;
    for (int k = 0; k < count; k++) {
        check_input(&inputs[k], n, d);
        value.input[k] = inputs[k];
        tensors[2 * k] = inputs[k].value;
        tensors[2 * k + 1] = inputs[k].score;
        learned =
            learned || inputs[k].value->learned || (inputs[k].score && inputs[k].score->learned);
    }
    value.y = tape_tensor(tape, n, d, learned);
    value.share = arena_numbers(&tape->arena, n * count, sizeof *value.share);
#pragma omp parallel for schedule(static) if (n * d > 10000)
    for (int64_t t = 0; t < tape_rows(tape, n); t++) {
        shares(&value, t, value.share + t * count);
        mix_row(&value, t);
    }
    struct mix_node *node =
        tape_push(tape, sizeof *node, value.y, mix_backward, tensors, 2 * count);
    if (node) {
        value.node = node->node;
        *node = value;
    }
    return value.y;
}

/* ---- gate ---- */

struct gate_node {
    struct tape_node node;
    struct gate_view view[GATE_INPUTS];
    int count;
    struct tensor *y;
    real *share; /* [n, count] a */
};

HOT static void gate_row(const struct gate_node *n, int64_t t) {
    int64_t d = n->y->cols;
    real *y = n->y->x + t * d, *a = n->share + t * n->count;
    for (int k = 0; k < n->count; k++) {
        const struct gate_view *v = &n->view[k];
        a[k] = v->present && !v->present[t]
                   ? ABSENT
                   : vec_dot(v->weight->x, v->value->x + t * d, d) + v->bias->x[0];
    }
    softmax_of_few(a, n->count);
    memset(y, 0, (size_t)d * sizeof *y);
    for (int k = 0; k < n->count; k++)
        if (a[k] != 0)
            vec_axpy(a[k], n->view[k].value->x + t * d, y, d);
}

/* Where the gradients of a view go: of its values, and in sums of one thread of weight and bias. */
struct gate_gradient {
    real *value, *weight, bias;
    bool add; /* to those of the values */
};

/* With s = a (<dy, v> - <dy, y>), the gradient of the score: dv = a dy + s w, dw += s v, db += s. */
static inline void view_backward(const struct gate_node *n, int k, int64_t t, real mean,
                                 struct gate_gradient *g) {
    int64_t d = n->y->cols;
    const real *dy = n->y->g + t * d, *v = n->view[k].value->x + t * d, *w = n->view[k].weight->x;
    real a = n->share[t * n->count + k], s = a == 0 ? 0 : a * (vec_dot(dy, v, d) - mean);
    real *restrict dv = g->value ? g->value + t * d : NULL;
    vec_axpy(s, v, g->weight, d);
    g->bias += s;
    if (dv && g->add) {
#pragma omp simd
        for (int64_t i = 0; i < d; i++)
            dv[i] += a * dy[i] + s * w[i];
    } else if (dv) {
#pragma omp simd
        for (int64_t i = 0; i < d; i++)
            dv[i] = a * dy[i] + s * w[i];
    }
}

HOT static void gate_rows_backward(const struct gate_node *n, int64_t lo, int64_t hi,
                                   struct gate_gradient *g) {
    int64_t d = n->y->cols;
    for (int64_t t = lo; t < hi; t++) {
        real mean = vec_dot(n->y->g + t * d, n->y->x + t * d, d);
        for (int k = 0; k < n->count; k++)
            view_backward(n, k, t, mean, &g[k]);
    }
}

/* Each thread has rows and sums of its own, which are added in the threads' order. */
static void gate_parts_backward(const struct gate_node *n, int threads,
                                struct gate_gradient (*part)[GATE_INPUTS]) {
    int64_t rows = n->y->rows, d = n->y->cols;
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int p = 0; p < threads; p++)
        gate_rows_backward(n, rows * p / threads, rows * (p + 1) / threads, part[p]);
    for (int k = 0; k < n->count; k++)
        for (int p = 0; p < threads; p++) {
            if (n->view[k].weight->g)
                vec_axpy(1, part[p][k].weight, n->view[k].weight->g, d);
            if (n->view[k].bias->g)
                n->view[k].bias->g[0] += part[p][k].bias;
        }
}

static double gate_products(const struct gate_node *n) {
    return 2 * (double)n->count * (double)n->y->rows * (double)n->y->cols;
}

static void gate_backward(struct tape *tape, void *node) {
    struct gate_node *n = node;
    int64_t d = n->y->cols;
    int threads = n->y->rows * d > 10000 ? omp_get_max_threads() : 1;
    struct gate_gradient to[GATE_INPUTS];
    for (int k = 0; k < n->count; k++) { /* before the scratch, which is given back */
        to[k].value = tape_grad(tape, n->view[k].value, &to[k].add);
        (void)tape_grad_zeroed(tape, n->view[k].weight);
        (void)tape_grad_zeroed(tape, n->view[k].bias);
    }
    struct arena_mark mark = arena_mark(&tape->arena);
    struct gate_gradient(*part)[GATE_INPUTS] = arena_alloc(&tape->arena, threads, sizeof *part);
    real *sums = arena_numbers(&tape->arena, (int64_t)threads * n->count * d, sizeof *sums);
    if (tape_counts(tape, 2 * gate_products(n))) {
        memset(sums, 0, (size_t)((int64_t)threads * n->count * d) * sizeof *sums);
        for (int p = 0; p < threads; p++)
            for (int k = 0; k < n->count; k++)
                part[p][k] = (struct gate_gradient){.value = to[k].value,
                                                    .add = to[k].add,
                                                    .weight = sums + (p * n->count + k) * d};
        gate_parts_backward(n, threads, part);
    }
    arena_release(&tape->arena, mark);
}

struct tensor *op_gate(struct tape *tape, const struct gate_view *views, int count) {
    assert(count > 0 && count <= GATE_INPUTS);
    struct gate_node value = {.count = count};
    struct tensor *inputs[3 * GATE_INPUTS];
    int64_t n = views[0].value->rows, d = views[0].value->cols;
    bool learned = false;
    for (int k = 0; k < count; k++) {
        assert(has_shape(views[k].value, n, d));
        assert(has_shape(views[k].weight, 1, d) && has_shape(views[k].bias, 1, 1));
        value.view[k] = views[k];
        inputs[3 * k] = views[k].value;
        inputs[3 * k + 1] = views[k].weight;
        inputs[3 * k + 2] = views[k].bias;
        learned = learned || views[k].value->learned || views[k].weight->learned ||
                  views[k].bias->learned;
    }
    value.y = tape_tensor(tape, n, d, learned);
    value.share = arena_numbers(&tape->arena, n * count, sizeof *value.share);
    bool counted = tape_counts(tape, gate_products(&value));
#pragma omp parallel for schedule(static) if (n * d > 10000)
    for (int64_t t = 0; t < (counted ? n : 0); t++)
        gate_row(&value, t);
    struct gate_node *node =
        tape_push(tape, sizeof *node, value.y, gate_backward, inputs, 3 * count);
    if (node) {
        value.node = node->node;
        *node = value;
    }
    return value.y;
}
