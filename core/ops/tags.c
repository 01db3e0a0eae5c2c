#include "core/ops/tags.h"
#include "core/check.h"
#include "core/vec.h"

struct tags_node {
    struct tape_node node;
    const struct tag_table *table;
    const int32_t *item;
    struct tensor *u, *y;
    double kappa;
    real eps;
    int64_t *at;   /* [n + 1] where an item's shares start */
    real *share;   /* a, by entry of the items at hand */
    real *inverse; /* [n] 1 / |x| */
};

static int64_t first_tag(const struct tags_node *n, int64_t k) {
    return n->table->offsets[n->item ? n->item[k] : k];
}

static void lay_out(struct tags_node *n, struct arena *arena) {
    n->at = arena_alloc(arena, n->y->rows + 1, sizeof *n->at);
    n->at[0] = 0;
    for (int64_t k = 0; k < n->y->rows; k++) {
        int64_t i = n->item ? n->item[k] : k;
        n->at[k + 1] = n->at[k] + n->table->offsets[i + 1] - n->table->offsets[i];
    }
    n->share = arena_numbers(arena, n->at[n->y->rows], sizeof *n->share);
    n->inverse = arena_numbers(arena, n->y->rows, sizeof *n->inverse);
}

/* <u, t> of every tag. */
HOT static void tag_products(const struct tags_node *n, real *product) {
    int64_t d = n->table->dim;
    for (int64_t g = 0; g < n->table->tags; g++)
        product[g] = vec_dot(n->u->x, n->table->vectors + g * d, d);
}

/* a of item k's `count` tags; `product` NULL: all the same. */
static void shares(const struct tags_node *n, int64_t k, const real *product) {
    const struct tag_table *t = n->table;
    int64_t first = first_tag(n, k), count = n->at[k + 1] - n->at[k];
    real *a = n->share + n->at[k], sum = 0;
    for (int64_t e = 0; e < count; e++)
        a[e] = product
                   ? (real)((double)t->weight[first + e] / n->kappa) + product[t->tag[first + e]]
                   : 0;
    real max = vec_max(a, count);
    for (int64_t e = 0; e < count; e++)
        sum += a[e] = REAL_F(exp)(a[e] - max);
    for (int64_t e = 0; e < count; e++)
        a[e] /= sum;
}

HOT static void fuse(const struct tags_node *n, int64_t k) {
    int64_t d = n->table->dim, first = first_tag(n, k);
    real *y = n->y->x + k * d;
    memset(y, 0, (size_t)d * sizeof *y);
    for (int64_t e = 0; e < n->at[k + 1] - n->at[k]; e++)
        vec_axpy(n->share[n->at[k] + e], n->table->vectors + n->table->tag[first + e] * d, y, d);
    real norm = REAL_F(sqrt)(vec_dot(y, y, d));
    n->inverse[k] = norm > n->eps ? 1 / norm : 0;
    vec_scale(n->inverse[k], y, d);
}

/* Into logit[e] of item k's tags: with dx = (dy - y <y, dy>) / |x| and da_e = <dx, t_e>, the
 * gradient a_e (da_e - sum a da). */
HOT static void logit_gradients(const struct tags_node *n, int64_t k, real *logit) {
    int64_t d = n->table->dim, first = first_tag(n, k), count = n->at[k + 1] - n->at[k];
    const real *y = n->y->x + k * d, *dy = n->y->g + k * d, *a = n->share + n->at[k];
    real along = vec_dot(y, dy, d), mean = 0;
    for (int64_t e = 0; e < count; e++) {
        const real *t = n->table->vectors + n->table->tag[first + e] * d;
        logit[e] = n->inverse[k] * (vec_dot(dy, t, d) - along * vec_dot(y, t, d));
        mean += a[e] * logit[e];
    }
    for (int64_t e = 0; e < count; e++)
        logit[e] = a[e] * (logit[e] - mean);
}

HOT static void add_vectors(const struct tags_node *n, const double *factor, real *du) {
    int64_t d = n->table->dim;
    for (int64_t g = 0; g < n->table->tags; g++)
        if (factor[g] != 0)
            vec_axpy((real)factor[g], n->table->vectors + g * d, du, d);
}

/* Sums by tag are taken in the order of the items, whatever the threads. */
static void add_gradients(const struct tags_node *n, real *logit, double *factor, real *du) {
    int64_t rows = n->y->rows;
    memset(factor, 0, (size_t)n->table->tags * sizeof *factor);
#pragma omp parallel for schedule(static) if (n->at[rows] * n->table->dim > 10000)
    for (int64_t k = 0; k < rows; k++)
        logit_gradients(n, k, logit + n->at[k]);
    for (int64_t k = 0; k < rows; k++)
        for (int64_t e = 0; e < n->at[k + 1] - n->at[k]; e++)
            factor[n->table->tag[first_tag(n, k) + e]] += (double)logit[n->at[k] + e];
    add_vectors(n, factor, du);
}

static void tags_backward(struct tape *tape, void *node) {
    struct tags_node *n = node;
    real *du = tape_grad_zeroed(tape, n->u);
    struct arena_mark mark = arena_mark(&tape->arena);
    int64_t rows = n->y->rows, entries = n->at[rows], tags = n->table->tags;
    real *logit = arena_numbers(&tape->arena, entries, sizeof *logit);
    double *factor = arena_numbers(&tape->arena, tags, sizeof *factor);
    if (!tape->dry)
        add_gradients(n, logit, factor, du);
    arena_release(&tape->arena, mark);
}

struct tensor *op_tags(struct tape *tape, const struct tag_table *table, const int32_t *item,
                       int64_t rows, struct tensor *u, double kappa, real eps) {
    assert(kappa > 0 && (!u || has_shape(u, 1, table->dim)));
    struct tags_node value = {.table = table,
                              .item = item,
                              .u = u,
                              .y = tape_tensor(tape, rows, table->dim, u && u->learned),
                              .kappa = kappa,
                              .eps = eps};
    real *product = u ? arena_numbers(&tape->arena, table->tags, sizeof *product) : NULL;
    lay_out(&value, &tape->arena);
    if (product && !tape->dry)
        tag_products(&value, product);
#pragma omp parallel for schedule(static) if (rows * table->dim > 10000)
    for (int64_t k = 0; k < tape_rows(tape, rows); k++) {
        shares(&value, k, product);
        fuse(&value, k);
    }
    struct tags_node *n = tape_push(tape, sizeof *n, value.y, tags_backward, &u, 1);
    if (n) {
        value.node = n->node;
        *n = value;
    }
    return value.y;
}
