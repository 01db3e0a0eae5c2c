/* Similarities in blocks of rows: of all points for the logarithms of their sums, which the gradients of
 * any point need, and of the share's own points for these gradients. A cosine is at most 1, so that
 * exponentials are of differences from 1 / tau. */
#include "core/ops/nt_xent.h"
#include "core/check.h"
#include "core/gemm.h"
#include "core/vec.h"

enum { BLOCK = 64 }; /* rows of similarities at a time */

struct work {
    const struct nt_xent *loss;
    int64_t points, dim; /* 2 n, d */
    real *z;             /* [points, d] the first view, then the second */
    real *similar;       /* [BLOCK, points] <z_i, z_k> / tau */
    double *log_sum;     /* [points] */
};

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t partner(const struct work *w, int64_t i) {
    return i < w->loss->n ? i + w->loss->n : i - w->loss->n;
}

static void stack_points(const struct work *w) {
    const struct nt_xent *loss = w->loss;
    for (int v = 0; v < 2; v++)
        for (int64_t i = 0; i < loss->n; i++)
            memcpy(w->z + (v * loss->n + i) * w->dim, loss->all[v] + i * loss->stride,
                   (size_t)w->dim * sizeof *w->z);
}

static void compare_rows(const struct work *w, int64_t lo, int64_t rows) {
    gemm(NO_TRANS, TRANS, rows, w->points, w->dim, 1 / w->loss->temperature, w->z + lo * w->dim,
         w->dim, w->z, w->dim, 0, w->similar, w->points);
}

HOT static double log_sum_of_others(const struct work *w, int64_t i, const real *similar) {
    real limit = 1 / w->loss->temperature;
    double sum = 0;
    for (int64_t k = 0; k < w->points; k++)
        sum += k == i ? 0 : (double)vec_exp(similar[k] - limit);
    return log(sum) + (double)limit;
}

static void sum_points(const struct work *w) {
    for (int64_t lo = 0; lo < w->points; lo += BLOCK) {
        int64_t rows = least(BLOCK, w->points - lo);
        compare_rows(w, lo, rows);
#pragma omp parallel for schedule(static) if (rows * w->points > 10000)
        for (int64_t i = lo; i < lo + rows; i++)
            w->log_sum[i] = log_sum_of_others(w, i, w->similar + (i - lo) * w->points);
    }
}

/* Of sum over k of l_k with respect to the similarities of point i, in their place:
 *     exp(s_ik - log_sum_i) + exp(s_ik - log_sum_k), less 2 at the partner, 0 at i itself. */
HOT static void similarity_gradient(const struct work *w, int64_t i, real *similar) {
    real own = (real)w->log_sum[i];
    for (int64_t k = 0; k < w->points; k++)
        similar[k] = vec_exp(similar[k] - own) + vec_exp(similar[k] - (real)w->log_sum[k]);
    similar[i] = 0;
    similar[partner(w, i)] -= 2;
}

/* Of view v: the losses of the share's points, and their gradients into dz, if it is not NULL. */
static double own_points(const struct work *w, int v, real *dz) {
    const struct nt_xent *loss = w->loss;
    double sum = 0;
    for (int64_t at = 0; at < loss->own[v]->rows; at += BLOCK) {
        int64_t rows = least(BLOCK, loss->own[v]->rows - at), lo = v * loss->n + loss->first + at;
        compare_rows(w, lo, rows);
        for (int64_t i = lo; i < lo + rows; i++)
            sum += w->log_sum[i] - (double)w->similar[(i - lo) * w->points + partner(w, i)];
        if (!dz)
            continue;
#pragma omp parallel for schedule(static) if (rows * w->points > 10000)
        for (int64_t i = lo; i < lo + rows; i++)
            similarity_gradient(w, i, w->similar + (i - lo) * w->points);
        gemm(NO_TRANS, NO_TRANS, rows, w->dim, w->points, (real)loss->weight / loss->temperature,
             w->similar, w->points, w->z, w->dim, 1, dz + at * w->dim, w->dim);
    }
    return sum;
}

double nt_xent_loss(struct tape *tape, const struct nt_xent *loss) {
    struct work w = {.loss = loss, .points = 2 * loss->n, .dim = loss->own[0]->cols};
    int64_t own = loss->own[0]->rows;
    double pairs = (double)w.points * ((double)w.points + (tape->record ? 4 : 2) * (double)own);
    double sum = 0;
    assert(has_shape(loss->own[1], own, w.dim));
    assert(loss->first >= 0 && loss->first + own <= loss->n);
    real *dz[2] = {NULL, NULL};
    for (int v = 0; v < 2 && tape->record; v++)
        dz[v] = tape_grad_zeroed(tape, loss->own[v]);
    struct arena_mark mark = arena_mark(&tape->arena);
    w.z = arena_numbers(&tape->arena, w.points * w.dim, sizeof *w.z);
    w.similar = arena_numbers(&tape->arena, BLOCK * w.points, sizeof *w.similar);
    w.log_sum = arena_numbers(&tape->arena, w.points, sizeof *w.log_sum);
    if (own > 0 && tape_counts(tape, 2 * pairs * (double)w.dim)) {
        stack_points(&w);
        sum_points(&w);
        for (int v = 0; v < 2; v++)
            sum += own_points(&w, v, dz[v]);
    }
    arena_release(&tape->arena, mark);
    return sum;
}
