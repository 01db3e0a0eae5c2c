#include "core/catalogue/drawn_loss.h"
#include "core/check.h"
#include "core/vec.h"
#include <math.h>
#include <string.h>

enum { BLOCK = 64 }; /* columns one thread adds to */

/* Item k of position t: the target comes first. */
static const int32_t *item_of(const struct drawn_loss *loss, int64_t t, int64_t k) {
    return k == 0 ? &loss->positive[t] : &loss->negative[t * loss->each + k - 1];
}

enum drawn_kind drawn_kind_of(int loss) {
    assert(loss == LOSS_BCE || loss == LOSS_BPR || loss == LOSS_INFONCE);
    return loss == LOSS_BCE ? DRAWN_BCE : loss == LOSS_BPR ? DRAWN_BPR : DRAWN_SOFTMAX;
}

/* log(1 + exp(z)), with no overflow; its derivative is sigma(z). */
static double softplus(double z) {
    return fmax(z, 0) + log1p(exp(-fabs(z)));
}

static double sigma(double z) {
    return 1 / (1 + exp(-z));
}

/* -log sigma(z) = softplus(-z), -log(1 - sigma(z)) = softplus(z). */
static double bce(real *z, int64_t each) {
    double sum = 0;
    for (int64_t k = 0; k <= each; k++) {
        double x = (double)z[k];
        sum += softplus(k == 0 ? -x : x);
        z[k] = (real)(sigma(x) - (k == 0));
    }
    return sum;
}

static double bpr(real *z, int64_t each) {
    double sum = 0, target = (double)z[0], slope = 0;
    for (int64_t k = 1; k <= each; k++) {
        double x = (double)z[k] - target, pair = sigma(x);
        sum += softplus(x);
        z[k] = (real)pair;
        slope -= pair;
    }
    z[0] = (real)slope;
    return sum;
}

static double softmax(real *z, int64_t each) {
    double max = (double)vec_max(z, each + 1), sum = 0, target = (double)z[0];
    for (int64_t k = 0; k <= each; k++)
        sum += exp((double)z[k] - max);
    for (int64_t k = 0; k <= each; k++)
        z[k] = (real)(exp((double)z[k] - max) / sum - (k == 0));
    return log(sum) + max - target;
}

/* Loss of a position whose items have logits z[0..K], the target's first; z[k] becomes dL/dz(k). */
static double of_logits(enum drawn_kind kind, real *z, int64_t each) {
    return kind == DRAWN_BCE ? bce(z, each) : kind == DRAWN_BPR ? bpr(z, each) : softmax(z, each);
}

/* Loss of one position with its share; slope[k] = dL/dz of its item k. */
HOT static double position_loss(const struct drawn_loss *loss, int64_t t, real *slope) {
    int64_t d = loss->q->cols;
    const real *q = loss->q->x + loss->row[t] * d;
    for (int64_t k = 0; k <= loss->each; k++)
        slope[k] = vec_dot(q, loss->items->x + *item_of(loss, t, k) * d, d);
    double share = loss->share ? loss->share[t] : 1;
    double value = share * of_logits(loss->kind, slope, loss->each);
    vec_scale((real)share, slope, loss->each + 1);
    return value;
}

/* dq = weight sum over k of slope_k e_k. */
HOT static void state_gradients(const struct drawn_loss *loss, const real *slope) {
    int64_t d = loss->q->cols, all = loss->each + 1;
#pragma omp parallel for schedule(static) if (loss->positions * all * d > 10000)
    for (int64_t t = 0; t < loss->positions; t++)
        for (int64_t k = 0; k < all; k++)
            vec_axpy((real)loss->weight * slope[t * all + k],
                     loss->items->x + *item_of(loss, t, k) * d, loss->q->g + loss->row[t] * d, d);
}

/* de_k += weight slope_k q in columns [lo, hi). */
HOT static void item_columns(const struct drawn_loss *loss, const real *slope, int64_t lo,
                             int64_t hi) {
    int64_t d = loss->q->cols, all = loss->each + 1;
    for (int64_t t = 0; t < loss->positions; t++)
        for (int64_t k = 0; k < all; k++)
            vec_axpy((real)loss->weight * slope[t * all + k], loss->q->x + loss->row[t] * d + lo,
                     loss->items->g + *item_of(loss, t, k) * d + lo, hi - lo);
}

/* Threads take columns, so that rows that occur again are added in order and without races. */
static void item_gradients(const struct drawn_loss *loss, const real *slope) {
    int64_t d = loss->items->cols;
#pragma omp parallel for schedule(static) if (loss->positions * d > 10000)
    for (int64_t lo = 0; lo < d; lo += BLOCK)
        item_columns(loss, slope, lo, lo + BLOCK < d ? lo + BLOCK : d);
}

static double all_positions(const struct drawn_loss *loss, double *of, real *slope) {
    double sum = 0;
#pragma omp parallel for schedule(static) if (loss->positions * loss->each > 1000)
    for (int64_t t = 0; t < loss->positions; t++)
        of[t] = position_loss(loss, t, slope + t * (loss->each + 1));
    for (int64_t t = 0; t < loss->positions; t++)
        sum += of[t];
    return sum;
}

double drawn_loss(struct tape *tape, const struct drawn_loss *loss) {
    int64_t pairs = loss->positions * (loss->each + 1);
    double flops = 2 * (double)pairs * (double)loss->q->cols, sum = 0;
    assert(loss->items->cols == loss->q->cols && loss->each > 0);
    debug_assert(all_within(loss->row, loss->positions, 0, loss->q->rows));
    debug_assert(all_within(loss->positive, loss->positions, 0, loss->items->rows));
    debug_assert(all_within(loss->negative, pairs - loss->positions, 0, loss->items->rows));
    real *dq = tape->record ? tape_grad_zeroed(tape, loss->q) : NULL;
    real *de = tape->record ? tape_grad_zeroed(tape, loss->items) : NULL;
    struct arena_mark mark = arena_mark(&tape->arena);
    double *of = arena_numbers(&tape->arena, loss->positions, sizeof *of);
    real *slope = arena_numbers(&tape->arena, pairs, sizeof *slope);
    tape_add_bytes(tape, (tape->record ? 3 : 1) * (double)pairs * (double)loss->q->cols *
                             (double)sizeof(real));
    if (tape_counts(tape, flops * (1 + (dq != NULL) + (de != NULL)))) {
        sum = all_positions(loss, of, slope);
        if (dq)
            state_gradients(loss, slope);
        if (de)
            item_gradients(loss, slope);
    }
    arena_release(&tape->arena, mark);
    return sum;
}

double drawn_loss_of_scores(struct tape *tape, enum drawn_kind kind, struct tensor *z, int64_t each,
                            double weight) {
    int64_t n = each + 1, positions = tape_rows(tape, z->rows / n);
    double sum = 0;
    assert(z->cols == 1 && z->rows % n == 0 && each > 0);
    real *dz = tape->record ? tape_grad_zeroed(tape, z) : NULL;
    struct arena_mark mark = arena_mark(&tape->arena);
    real *slope = arena_numbers(&tape->arena, n, sizeof *slope);
    for (int64_t t = 0; t < positions; t++) {
        memcpy(slope, z->x + t * n, (size_t)n * sizeof *slope);
        sum += of_logits(kind, slope, each);
        if (dz)
            vec_axpy((real)weight, slope, dz + t * n, n);
    }
    arena_release(&tape->arena, mark);
    return sum;
}
