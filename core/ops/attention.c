/* Attention of packed sequences. Each sequence and head is a small dense problem: scores of a row
 * against the rows up to it, a softmax in place, the weighted sum of values. Forward keeps the weights
 * before dropout, backward draws the dropout again from its keys. Threads take whole sequences. */
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
    struct dropout dropout;
    int64_t *at;   /* [sequences + 1] where a sequence's weights start */
    real *weights; /* softmax before dropout: of each head the rows i < L, of i + 1 values, dense */
};

/* One sequence and head: L tokens, rows `stride` apart, `width` columns. */
struct head {
    const real *q, *k, *v;
    int64_t length, stride, width;
    real scale;
};

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

/* Weights of row i into w[0..i], softmax of scaled dot products. */
HOT static void softmax_row(const struct head *h, int64_t i, real *w) {
    const real *q = h->q + i * h->stride;
    for (int64_t j = 0; j <= i; j++)
        w[j] = h->scale * vec_dot(q, h->k + j * h->stride, h->width);
    real max = vec_max(w, i + 1), sum = 0;
    for (int64_t j = 0; j <= i; j++) {
        w[j] = vec_exp(w[j] - max);
        sum += w[j];
    }
    vec_scale(1 / sum, w, i + 1);
}

HOT static void mix_values(const struct head *h, int64_t i, const real *w, real *y) {
    memset(y, 0, (size_t)h->width * sizeof *y);
    for (int64_t j = 0; j <= i; j++)
        vec_axpy(w[j], h->v + j * h->stride, y, h->width);
}

static void sequence_forward(const struct attention_node *n, int64_t s, real *dropped) {
    int64_t length = n->offsets[s + 1] - n->offsets[s], width = n->y->cols / n->heads;
    for (int h = 0; h < n->heads; h++) {
        struct head head = head_of(n, s, h);
        real *w = n->weights + n->at[s] + h * length * (length + 1) / 2;
        for (int64_t i = 0; i < length; w += ++i) {
            int64_t token = n->offsets[s] + i;
            softmax_row(&head, i, w);
            dropout_subrow(&n->dropout, token, h, i + 1, w, dropped);
            mix_values(&head, i, dropped, n->y->x + token * n->y->cols + h * width);
        }
    }
}

/* Row i: with p the weights, m their dropped values, o = sum m_j v_j and z = scale q k^T:
 * dm_j = <do, v_j>, dz = p (dp - sum p dp), dq += scale dz k, dk += scale dz q, dv += m do. */
HOT static void row_backward(const struct head *h, int64_t i, const real *p, const real *dropped,
                             const real *dy, real *dp, real *dq, real *dk, real *dv) {
    const real *q = h->q + i * h->stride;
    real *dqi = dq + i * h->stride;
    real dot = vec_dot(p, dp, i + 1);
    for (int64_t j = 0; j <= i; j++) {
        real dz = h->scale * p[j] * (dp[j] - dot);
        vec_axpy(dz, h->k + j * h->stride, dqi, h->width);
        vec_axpy(dz, q, dk + j * h->stride, h->width);
        vec_axpy(dropped[j], dy, dv + j * h->stride, h->width);
    }
}

HOT static void weights_backward(const struct head *h, int64_t i, const real *dy, real *dp) {
    for (int64_t j = 0; j <= i; j++)
        dp[j] = vec_dot(dy, h->v + j * h->stride, h->width);
}

static void sequence_backward(const struct attention_node *n, int64_t s, real *dqkv, real *row) {
    int64_t d = n->y->cols, width = d / n->heads, length = n->offsets[s + 1] - n->offsets[s];
    for (int h = 0; h < n->heads; h++) {
        struct head head = head_of(n, s, h);
        const real *w = n->weights + n->at[s] + h * length * (length + 1) / 2;
        real *dq = dqkv + n->offsets[s] * 3 * d + h * width;
        for (int64_t i = 0; i < length; w += ++i) {
            int64_t token = n->offsets[s] + i;
            const real *dy = n->y->g + token * d + h * width;
            real *dropped = row, *dp = row + length;
            dropout_subrow(&n->dropout, token, h, i + 1, w, dropped);
            weights_backward(&head, i, dy, dp);
            dropout_subrow(&n->dropout, token, h, i + 1, dp, dp);
            row_backward(&head, i, w, dropped, dy, dp, dq, dq + d, dq + 2 * d);
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
                            int64_t sequences, int heads, const struct dropout *dropout) {
    assert(heads > 0 && qkv->cols % (3 * heads) == 0);
    assert(offsets[0] == 0 && offsets[sequences] == qkv->rows);
    debug_assert(are_offsets(offsets, sequences));
    struct attention_node value = {.qkv = qkv,
                                   .y = tape_tensor(tape, qkv->rows, qkv->cols / 3, qkv->learned),
                                   .offsets = offsets,
                                   .sequences = sequences,
                                   .heads = heads,
                                   .dropout = *dropout};
    value.at = arena_alloc(&tape->arena, sequences + 1, sizeof *value.at);
    value.at[0] = 0;
    for (int64_t s = 0; s < sequences; s++) {
        int64_t length = offsets[s + 1] - offsets[s];
        value.at[s + 1] = value.at[s] + heads * length * (length + 1) / 2;
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
