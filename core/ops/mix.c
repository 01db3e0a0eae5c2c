#include "core/ops/mix.h"
#include "core/check.h"
#include "core/vec.h"

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
    real max = -REAL_MAX, sum = 0;
    for (int k = 0; k < n->count; k++) {
        int64_t i = row_of(&n->input[k], t);
        a[k] = i < 0               ? -REAL_MAX
               : n->input[k].score ? n->input[k].score->x[score_of(&n->input[k], t)]
                                   : 0;
        max = a[k] > max ? a[k] : max;
    }
    for (int k = 0; k < n->count; k++)
        sum += a[k] = row_of(&n->input[k], t) < 0 ? 0 : REAL_F(exp)(a[k] - max);
    for (int k = 0; k < n->count && sum > 0; k++)
        a[k] /= sum;
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
