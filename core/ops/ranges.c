/* Sums over ranges of rows, each forward and backward: the mean, the sum weighted by a softmax of
 * scores; the scores of additive attention; then the comparison of pairs, in blocks of pairs. Ranges of
 * different queries share rows: where gradients of rows are added up, each thread takes columns of its
 * own. */
#include "core/ops/ranges.h"
#include "core/check.h"
#include "core/gemm.h"
#include "core/mem.h"
#include "core/vec.h"

enum { COLUMNS = 64 }; /* of one thread */

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

struct row_ranges ranges_make(struct tape *tape, const int32_t *lo, const int32_t *hi, int64_t n) {
    int64_t *at = arena_alloc(&tape->arena, n + 1, sizeof *at);
    at[0] = 0;
    for (int64_t j = 0; j < n; j++) {
        assert(lo[j] <= hi[j]);
        at[j + 1] = at[j] + hi[j] - lo[j];
    }
    return (struct row_ranges){n, lo, hi, at};
}

/* ---- weighted sums ---- */

struct sum_node {
    struct tape_node node;
    struct tensor *x, *score, *y; /* score NULL: the mean */
    struct row_ranges ranges;
    real *weight; /* [pairs] */
};

HOT static void sum_rows(const struct sum_node *n, int64_t j) {
    int64_t d = n->x->cols;
    real *y = n->y->x + j * d;
    const real *weight = n->weight + n->ranges.at[j];
    memset(y, 0, (size_t)d * sizeof *y);
    for (int64_t i = n->ranges.lo[j]; i < n->ranges.hi[j]; i++)
        vec_axpy(*weight++, n->x->x + i * d, y, d);
}

/* Columns [lo, hi) of dx[i] += p_ji dy[j]. */
HOT static void sum_columns(const struct sum_node *n, int64_t lo, int64_t hi, real *dx) {
    int64_t d = n->x->cols;
    const real *weight = n->weight;
    for (int64_t j = 0; j < n->ranges.n; j++)
        for (int64_t i = n->ranges.lo[j]; i < n->ranges.hi[j]; i++)
            vec_axpy(*weight++, n->y->g + j * d + lo, dx + i * d + lo, hi - lo);
}

/* dscore_ji += p_ji (<dy_j, x_i> - <dy_j, y_j>). */
HOT static void score_gradient(const struct sum_node *n, int64_t j, real *dscore) {
    int64_t d = n->x->cols;
    const real *dy = n->y->g + j * d;
    real mean = vec_dot(dy, n->y->x + j * d, d);
    for (int64_t i = n->ranges.lo[j], p = n->ranges.at[j]; i < n->ranges.hi[j]; i++, p++)
        dscore[p] += n->weight[p] * (vec_dot(dy, n->x->x + i * d, d) - mean);
}

static double sum_flops(const struct sum_node *n) {
    return 2 * (double)n->ranges.at[n->ranges.n] * (double)n->x->cols;
}

static void sum_backward(struct tape *tape, void *node) {
    struct sum_node *n = node;
    int64_t d = n->x->cols;
    real *dx = tape_grad_zeroed(tape, n->x);
    real *dscore = n->score ? tape_grad_zeroed(tape, n->score) : NULL;
    if (!tape_counts(tape, ((dx != NULL) + (dscore != NULL)) * sum_flops(n)))
        return;
#pragma omp parallel for schedule(static) if (n->ranges.n * d > 10000)
    for (int64_t lo = 0; lo < (dx ? d : 0); lo += COLUMNS)
        sum_columns(n, lo, least(lo + COLUMNS, d), dx);
#pragma omp parallel for schedule(static) if (n->ranges.n * d > 10000)
    for (int64_t j = 0; j < (dscore ? n->ranges.n : 0); j++)
        score_gradient(n, j, dscore);
}

static void mean_weights(const struct row_ranges *ranges, int64_t j, real *weight) {
    int64_t count = ranges->hi[j] - ranges->lo[j];
    for (int64_t p = ranges->at[j]; p < ranges->at[j + 1]; p++)
        weight[p] = 1 / (real)count;
}

HOT static void softmax_weights(const struct row_ranges *ranges, int64_t j, const real *score,
                                real *weight) {
    int64_t lo = ranges->at[j], n = ranges->at[j + 1] - lo;
    real max = vec_max(score + lo, n), sum = 0;
    for (int64_t p = lo; p < lo + n; p++)
        sum += weight[p] = vec_exp(score[p] - max);
    if (n > 0)
        vec_scale(1 / sum, weight + lo, n);
}

static struct tensor *weighted_sum(struct tape *tape, struct tensor *x, struct tensor *score,
                                   const struct row_ranges *ranges) {
    int64_t d = x->cols, pairs = ranges->at[ranges->n];
    struct sum_node value = {
        .x = x,
        .score = score,
        .ranges = *ranges,
        .y = tape_tensor(tape, ranges->n, d, x->learned || (score && score->learned)),
        .weight = arena_numbers(&tape->arena, pairs, sizeof(real))};
    debug_assert(all_within(ranges->lo, ranges->n, 0, x->rows + 1));
    debug_assert(all_within(ranges->hi, ranges->n, 0, x->rows + 1));
    bool here = tape_counts(tape, sum_flops(&value));
#pragma omp parallel for schedule(static) if (pairs * d > 10000)
    for (int64_t j = 0; j < (here ? ranges->n : 0); j++) {
        if (score)
            softmax_weights(ranges, j, score->x, value.weight);
        else
            mean_weights(ranges, j, value.weight);
        sum_rows(&value, j);
    }
    struct tensor *inputs[] = {x, score};
    struct sum_node *n = tape_push(tape, sizeof *n, value.y, sum_backward, inputs, 2);
    if (n) {
        value.node = n->node;
        *n = value;
    }
    return value.y;
}

struct tensor *op_range_mean(struct tape *tape, struct tensor *x, const struct row_ranges *ranges) {
    return weighted_sum(tape, x, NULL, ranges);
}

struct tensor *op_range_attention(struct tape *tape, struct tensor *x, struct tensor *score,
                                  const struct row_ranges *ranges) {
    assert(has_shape(score, ranges->at[ranges->n], 1));
    return weighted_sum(tape, x, score, ranges);
}

/* ---- additive attention ---- */

struct additive_node {
    struct tape_node node;
    struct tensor *a, *b, *v, *y;
    struct row_ranges ranges;
};

HOT static void score_pairs(const struct additive_node *n, int64_t j) {
    int64_t h = n->v->cols;
    const real *b = n->b->x + j * h, *v = n->v->x;
    for (int64_t i = n->ranges.lo[j], p = n->ranges.at[j]; i < n->ranges.hi[j]; i++, p++) {
        const real *a = n->a->x + i * h;
        real sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t c = 0; c < h; c++)
            sum += v[c] * vec_tanh(a[c] + b[c]);
        n->y->x[p] = sum;
    }
}

/* Where the gradients go; NULL: nowhere. */
struct additive_gradients {
    real *a, *b, *v;
};

/* Columns lo .. lo + count - 1 of all gradients: with t = tanh(a[i] + b[j])
 *     da[i] += dy v (1 - t^2),  db[j] += the same,  dv += dy t. */
HOT static void additive_columns(const struct additive_node *n, int64_t lo, int64_t count,
                                 const struct additive_gradients *to) {
    int64_t h = n->v->cols;
    const real *v = n->v->x + lo, *dy = n->y->g;
    real t[COLUMNS], slope[COLUMNS];
    for (int64_t j = 0; j < n->ranges.n; j++)
        for (int64_t i = n->ranges.lo[j]; i < n->ranges.hi[j]; i++, dy++) {
            const real *a = n->a->x + i * h + lo, *b = n->b->x + j * h + lo;
#pragma omp simd
            for (int64_t c = 0; c < count; c++) {
                t[c] = vec_tanh(a[c] + b[c]);
                slope[c] = v[c] * (1 - t[c] * t[c]);
            }
            if (to->a)
                vec_axpy(*dy, slope, to->a + i * h + lo, count);
            if (to->b)
                vec_axpy(*dy, slope, to->b + j * h + lo, count);
            if (to->v)
                vec_axpy(*dy, t, to->v + lo, count);
        }
}

static double additive_flops(const struct additive_node *n) {
    return 2 * (double)n->y->rows * (double)n->v->cols;
}

static void additive_backward(struct tape *tape, void *node) {
    const struct additive_node *n = node;
    int64_t h = n->v->cols;
    struct additive_gradients to = {tape_grad_zeroed(tape, n->a), tape_grad_zeroed(tape, n->b),
                                    tape_grad_zeroed(tape, n->v)};
    bool here = tape_counts(tape, additive_flops(n));
#pragma omp parallel for schedule(static) if (n->y->rows * h > 10000)
    for (int64_t lo = 0; lo < (here ? h : 0); lo += COLUMNS)
        additive_columns(n, lo, least(COLUMNS, h - lo), &to);
}

struct tensor *op_range_additive(struct tape *tape, struct tensor *a, struct tensor *b,
                                 struct tensor *v, const struct row_ranges *ranges) {
    int64_t pairs = ranges->at[ranges->n], h = v->cols;
    struct tensor *inputs[] = {a, b, v};
    struct additive_node value = {.a = a, .b = b, .v = v, .ranges = *ranges};
    assert(a->cols == h && has_shape(b, ranges->n, h) && v->rows == 1);
    debug_assert(all_within(ranges->hi, ranges->n, 0, a->rows + 1));
    value.y = tape_tensor(tape, pairs, 1, a->learned || b->learned || v->learned);
    bool here = tape_counts(tape, additive_flops(&value));
#pragma omp parallel for schedule(static) if (pairs * h > 10000)
    for (int64_t j = 0; j < (here ? ranges->n : 0); j++)
        score_pairs(&value, j);
    struct additive_node *n = tape_push(tape, sizeof *n, value.y, additive_backward, inputs, 3);
    if (n) {
        value.node = n->node;
        *n = value;
    }
    return value.y;
}

/* ---- comparison of pairs ---- */

enum { PAIRS = 256 }; /* of a block */

struct compare_node {
    struct tape_node node;
    struct tensor *x, *z, *a, *b, *w, *y;
    int32_t *row, *query; /* [pairs] i and j */
};

/* Pairs [lo, lo + count). */
struct block {
    int64_t lo, count;
};

HOT static void multiply_rows(const struct compare_node *n, const struct block *b, real *product) {
    int64_t d = n->x->cols;
    for (int64_t p = 0; p < b->count; p++) {
        const real *x = n->x->x + n->row[b->lo + p] * d, *z = n->z->x + n->query[b->lo + p] * d;
        for (int64_t c = 0; c < d; c++)
            product[p * d + c] = x[c] * z[c];
    }
}

HOT static void add_parts(const struct compare_node *n, const struct block *b) {
    int64_t h = n->y->cols;
    for (int64_t p = b->lo; p < b->lo + b->count; p++)
        for (int64_t c = 0; c < h; c++)
            n->y->x[p * h + c] = n->a->x[n->row[p] * h + c] + n->b->x[n->query[p] * h + c];
}

static void compare_block(const struct compare_node *n, const struct block *b, real *product) {
    int64_t d = n->x->cols, h = n->y->cols;
    multiply_rows(n, b, product);
    add_parts(n, b);
    gemm_serial(NO_TRANS, TRANS, b->count, h, d, 1, product, d, n->w->x, d, 1, n->y->x + b->lo * h,
                h);
}

/* dx[i] += dproduct (.) z[j], or dz[j] += dproduct (.) x[i]: rows `from` times what comes goes to
 * rows `to`. */
HOT static void add_products(const struct block *b, const real *dproduct, const real *from,
                             const int32_t *from_row, const int32_t *to_row, int64_t d, real *to) {
    for (int64_t p = 0; p < b->count; p++) {
        const real *f = from + from_row[b->lo + p] * d, *g = dproduct + p * d;
        real *t = to + to_row[b->lo + p] * d;
        for (int64_t c = 0; c < d; c++)
            t[c] += g[c] * f[c];
    }
}

HOT static void add_gradients(const struct compare_node *n, const struct block *b,
                              const int32_t *row, real *to) {
    int64_t h = n->y->cols;
    for (int64_t p = b->lo; p < b->lo + b->count; p++)
        vec_axpy(1, n->y->g + p * h, to + row[p] * h, h);
}

/* Where the gradients go; NULL: nowhere. */
struct compare_gradients {
    real *x, *z, *a, *b, *w;
};

static void compare_block_backward(const struct compare_node *n, const struct block *b,
                                   const struct compare_gradients *to, real *product) {
    int64_t d = n->x->cols, h = n->y->cols;
    const real *dy = n->y->g + b->lo * h;
    if (to->w) {
        multiply_rows(n, b, product);
        gemm(TRANS, NO_TRANS, h, d, b->count, 1, dy, h, product, d, 1, to->w, d);
    }
    if (to->x || to->z)
        gemm(NO_TRANS, NO_TRANS, b->count, d, h, 1, dy, h, n->w->x, d, 0, product, d);
    if (to->x)
        add_products(b, product, n->z->x, n->query, n->row, d, to->x);
    if (to->z)
        add_products(b, product, n->x->x, n->row, n->query, d, to->z);
    if (to->a)
        add_gradients(n, b, n->row, to->a);
    if (to->b)
        add_gradients(n, b, n->query, to->b);
}

static double compare_flops(const struct compare_node *n) {
    return 2 * (double)n->y->rows * (double)n->y->cols * (double)n->x->cols;
}

/* Block after block, as ranges share rows. */
static void compare_backward(struct tape *tape, void *node) {
    struct compare_node *n = node;
    struct compare_gradients to = {tape_grad_zeroed(tape, n->x), tape_grad_zeroed(tape, n->z),
                                   tape_grad_zeroed(tape, n->a), tape_grad_zeroed(tape, n->b),
                                   tape_grad_zeroed(tape, n->w)};
    struct arena_mark mark = arena_mark(&tape->arena);
    real *product = arena_numbers(&tape->arena, PAIRS * n->x->cols, sizeof *product);
    bool here =
        tape_counts(tape, ((to.w != NULL) + (to.x != NULL || to.z != NULL)) * compare_flops(n));
    for (int64_t lo = 0; lo < (here ? n->y->rows : 0); lo += PAIRS) {
        const struct block b = {lo, least(PAIRS, n->y->rows - lo)};
        compare_block_backward(n, &b, &to, product);
    }
    arena_release(&tape->arena, mark);
}

static void compare_all(const struct compare_node *n) {
    int64_t pairs = n->y->rows;
#pragma omp parallel if (pairs > PAIRS)
    {
        real *product = mem_alloc(PAIRS * n->x->cols, sizeof *product);
#pragma omp for schedule(static)
        for (int64_t lo = 0; lo < pairs; lo += PAIRS) {
            const struct block b = {lo, least(PAIRS, pairs - lo)};
            compare_block(n, &b, product);
        }
        mem_free(product);
    }
}

struct tensor *op_range_compare(struct tape *tape, struct tensor *x, struct tensor *z,
                                struct tensor *a, struct tensor *b, struct tensor *w,
                                const struct row_ranges *ranges) {
    int64_t pairs = ranges->at[ranges->n], h = w->rows;
    struct tensor *inputs[] = {x, z, a, b, w};
    struct compare_node value = {.x = x, .z = z, .a = a, .b = b, .w = w};
    bool learned = x->learned || z->learned || a->learned || b->learned || w->learned;
    assert(has_shape(a, x->rows, h) && has_shape(w, h, x->cols));
    assert(has_shape(z, ranges->n, x->cols) && has_shape(b, ranges->n, h));
    debug_assert(all_within(ranges->hi, ranges->n, 0, x->rows + 1));
    value.y = tape_tensor(tape, pairs, h, learned);
    value.row = arena_alloc(&tape->arena, pairs, sizeof *value.row);
    value.query = arena_alloc(&tape->arena, pairs, sizeof *value.query);
    for (int64_t j = 0, p = 0; j < ranges->n; j++)
        for (int32_t i = ranges->lo[j]; i < ranges->hi[j]; i++, p++)
            value.row[p] = i, value.query[p] = (int32_t)j;
    if (tape_counts(tape, compare_flops(&value)))
        compare_all(&value);
    struct compare_node *n = tape_push(tape, sizeof *n, value.y, compare_backward, inputs, 5);
    if (n) {
        value.node = n->node;
        *n = value;
    }
    return value.y;
}
