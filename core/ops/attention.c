/* Attention of packed sequences. Each sequence and head is a small dense problem: scores of a row
 * against the rows within its reach, a softmax in place, the weighted sum of values. Forward keeps the
 * weights before dropout, backward draws the dropout again from its keys. Threads take whole
 * sequences. */
#include "core/ops/attention.h"
#include "core/check.h"
#include "core/mem.h"
#include "core/vec.h"

struct attention_node {
    struct tape_node node;
    struct tensor *qkv, *y;
    const int64_t *offsets;
    int64_t sequences;
    int heads;
    enum attention_mask mask;
    struct dropout dropout;
    int64_t *at;   /* [sequences + 1] where a sequence's weights start */
    real *weights; /* softmax before dropout: of each head the rows i < L, each as long as it
                    * reaches, dense */
};

/* One sequence and head: L tokens, rows `stride` apart, `width` columns. */
struct head {
    const real *q, *k, *v;
    int64_t length, stride, width;
    real scale;
};

/* Positions that position i of `length` attends to: the first so many. */
static int64_t reach(enum attention_mask mask, int64_t i, int64_t length) {
    return mask == ATTEND_CAUSAL ? i + 1 : length;
}

/* Of all positions together. */
static int64_t reach_of_all(enum attention_mask mask, int64_t length) {
    return mask == ATTEND_CAUSAL ? length * (length + 1) / 2 : length * length;
}

static struct head head_of(const struct attention_node *n, int64_t s, int h) {
    int64_t d = n->y->cols, width = d / n->heads;
    const real *q = n->qkv->x + n->offsets[s] * 3 * d + h * width;
    return (struct head){q,
                         q + d,
                         q + 2 * d,
                         n->offsets[s + 1] - n->offsets[s],
                         3 * d,
                         width,
                         1 / REAL_F(sqrt)((real)width)};
}

/* Weights of row i into w[0..n - 1], softmax of scaled dot products. */
HOT static void softmax_row(const struct head *h, int64_t i, int64_t n, real *w) {
    const real *q = h->q + i * h->stride;
    for (int64_t j = 0; j < n; j++)
        w[j] = h->scale * vec_dot(q, h->k + j * h->stride, h->width);
    real max = vec_max(w, n), sum = 0;
    for (int64_t j = 0; j < n; j++) {
        w[j] = vec_exp(w[j] - max);
        sum += w[j];
    }
    vec_scale(1 / sum, w, n);
}

HOT static void mix_values(const struct head *h, int64_t n, const real *w, real *y) {
    memset(y, 0, (size_t)h->width * sizeof *y);
    for (int64_t j = 0; j < n; j++)
        vec_axpy(w[j], h->v + j * h->stride, y, h->width);
}

static void sequence_forward(const struct attention_node *n, int64_t s, real *dropped) {
    int64_t length = n->offsets[s + 1] - n->offsets[s], width = n->y->cols / n->heads;
    for (int h = 0; h < n->heads; h++) {
        struct head head = head_of(n, s, h);
        real *w = n->weights + n->at[s] + h * reach_of_all(n->mask, length);
        for (int64_t i = 0; i < length; i++) {
            int64_t token = n->offsets[s] + i, count = reach(n->mask, i, length);
            softmax_row(&head, i, count, w);
            dropout_subrow(&n->dropout, token, h, count, w, dropped);
            mix_values(&head, count, dropped, n->y->x + token * n->y->cols + h * width);
            w += count;
        }
    }
}

/* Row i, which attends to n: with p the weights, m their dropped values, o = sum m_j v_j and z = scale q k^T:
 * dm_j = <do, v_j>, dz = p (dp - sum p dp), dq += scale dz k, dk += scale dz q, dv += m do. */
HOT static void row_backward(const struct head *h, int64_t i, int64_t n, const real *p,
                             const real *dropped, const real *dy, real *dp, real *dq, real *dk,
                             real *dv) {
    const real *q = h->q + i * h->stride;
    real *dqi = dq + i * h->stride;
    real dot = vec_dot(p, dp, n);
    for (int64_t j = 0; j < n; j++) {
        real dz = h->scale * p[j] * (dp[j] - dot);
        vec_axpy(dz, h->k + j * h->stride, dqi, h->width);
        vec_axpy(dz, q, dk + j * h->stride, h->width);
        vec_axpy(dropped[j], dy, dv + j * h->stride, h->width);
    }
}

HOT static void weights_backward(const struct head *h, int64_t n, const real *dy, real *dp) {
    for (int64_t j = 0; j < n; j++)
        dp[j] = vec_dot(dy, h->v + j * h->stride, h->width);
}

static void sequence_backward(const struct attention_node *n, int64_t s, real *dqkv, real *row) {
    int64_t d = n->y->cols, width = d / n->heads, length = n->offsets[s + 1] - n->offsets[s];
    for (int h = 0; h < n->heads; h++) {
        struct head head = head_of(n, s, h);
        const real *w = n->weights + n->at[s] + h * reach_of_all(n->mask, length);
        real *dq = dqkv + n->offsets[s] * 3 * d + h * width;
        for (int64_t i = 0; i < length; i++) {
            int64_t token = n->offsets[s] + i, count = reach(n->mask, i, length);
            const real *dy = n->y->g + token * d + h * width;
            real *dropped = row, *dp = row + length;
            dropout_subrow(&n->dropout, token, h, count, w, dropped);
            weights_backward(&head, count, dy, dp);
            dropout_subrow(&n->dropout, token, h, count, dp, dp);
            row_backward(&head, i, count, w, dropped, dy, dp, dq, dq + d, dq + 2 * d);
            w += count;
        }
    }
}

static int64_t longest(const int64_t *offsets, int64_t sequences) {
    int64_t max = 0;
    for (int64_t s = 0; s < sequences; s++)
        max = offsets[s + 1] - offsets[s] > max ? offsets[s + 1] - offsets[s] : max;
    return max;
}

/* Of scores and of mixed values, as many products each. */
static double products(const struct attention_node *n) {
    return 4 * (double)n->at[n->sequences] * (double)(n->y->cols / n->heads);
}

static void attention_backward(struct tape *tape, void *node) {
    struct attention_node *n = node;
    real *dqkv = tape_grad_zeroed(tape, n->qkv);
    if (!tape_counts(tape, 2 * products(n)))
        return;
    int64_t length = longest(n->offsets, n->sequences);
#pragma omp parallel
    {
        real *row = mem_alloc(2 * length, sizeof *row);
#pragma omp for schedule(dynamic, 4)
        for (int64_t s = 0; s < n->sequences; s++)
            sequence_backward(n, s, dqkv, row);
        mem_free(row);
    }
}

static void attend(const struct attention_node *n) {
    int64_t length = longest(n->offsets, n->sequences);
#pragma omp parallel
    {
        real *dropped = mem_alloc(length, sizeof *dropped);
#pragma omp for schedule(dynamic, 4)
        for (int64_t s = 0; s < n->sequences; s++)
            sequence_forward(n, s, dropped);
        mem_free(dropped);
    }
}

/* The node is made whether or not the tape records: forward needs its fields too. */
struct tensor *op_attention(struct tape *tape, struct tensor *qkv, const int64_t *offsets,
                            int64_t sequences, int heads, enum attention_mask mask,
                            const struct dropout *dropout) {
    assert(heads > 0 && qkv->cols % (3 * heads) == 0);
    assert(offsets[0] == 0 && offsets[sequences] == qkv->rows);
    debug_assert(are_offsets(offsets, sequences));
    struct attention_node value = {.qkv = qkv,
                                   .y = tape_tensor(tape, qkv->rows, qkv->cols / 3, qkv->learned),
                                   .offsets = offsets,
                                   .sequences = sequences,
                                   .heads = heads,
                                   .mask = mask,
                                   .dropout = *dropout};
    value.at = arena_alloc(&tape->arena, sequences + 1, sizeof *value.at);
    value.at[0] = 0;
    for (int64_t s = 0; s < sequences; s++) {
        int64_t length = offsets[s + 1] - offsets[s];
        value.at[s + 1] = value.at[s] + heads * reach_of_all(mask, length);
    }
    value.weights = arena_numbers(&tape->arena, value.at[sequences], sizeof *value.weights);
    if (tape_counts(tape, products(&value)))
        attend(&value);
    struct attention_node *n = tape_push(tape, sizeof *n, value.y, attention_backward, &qkv, 1);
    if (n) {
        value.node = n->node;
        *n = value;
    }
    return value.y;
}
