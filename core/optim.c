#include "core/optim.h"
#include "core/search.h"

/* Constants of one update, in the type of the parameters. */
struct update {
    real decay, beta1, beta2, step, root, eps, scale;
};

HOT static void update_range(const struct update *u, int64_t n, real *restrict x,
                             const real *restrict g, real *restrict m, real *restrict v) {
    for (int64_t i = 0; i < n; i++) {
        real grad = u->scale * g[i];
        m[i] = u->beta1 * m[i] + (1 - u->beta1) * grad;
        v[i] = u->beta2 * v[i] + (1 - u->beta2) * grad * grad;
        x[i] = u->decay * x[i] - u->step * m[i] / (REAL_F(sqrt)(v[i]) * u->root + u->eps);
    }
}

/* Rows without a gradient. */
HOT static void update_idle(const struct update *u, int64_t n, real *restrict x, real *restrict m,
                            real *restrict v) {
    for (int64_t i = 0; i < n; i++) {
        m[i] = u->beta1 * m[i];
        v[i] = u->beta2 * v[i];
        x[i] = u->decay * x[i] - u->step * m[i] / (REAL_F(sqrt)(v[i]) * u->root + u->eps);
    }
}

static struct update constants(const struct adamw *adamw, int64_t step, double scale) {
    return (struct update){.decay = (real)(1 - adamw->lr * adamw->weight_decay),
                           .beta1 = (real)adamw->beta1,
                           .beta2 = (real)adamw->beta2,
                           .step = (real)(adamw->lr / (1 - pow(adamw->beta1, (double)step))),
                           .root = (real)(1 / sqrt(1 - pow(adamw->beta2, (double)step))),
                           .eps = (real)adamw->eps,
                           .scale = (real)scale};
}

void adamw_step(const struct adamw *adamw, struct params *params, int64_t step, double scale) {
    enum { BLOCK = 1 << 14 };
    const struct update u = constants(adamw, step, scale);
#pragma omp parallel for schedule(static)
    for (int64_t lo = 0; lo < params->dense; lo += BLOCK) {
        int64_t n = params->dense - lo < BLOCK ? params->dense - lo : BLOCK;
        update_range(&u, n, params->x + lo, params->g + lo, params->m + lo, params->v + lo);
    }
}

/* Rows [lo, hi) of the table at `at`; the gradient's rows are a merge partner, k the first of them
 * that is not below lo. */
static void update_rows(const struct update *u, struct params *params, const struct param *p,
                        const struct row_grad *grad, bool lazy, int64_t lo, int64_t hi) {
    int64_t d = p->cols, k = grad->row ? search_first(grad->row, 0, grad->n, lo) : lo;
    for (int64_t row = lo; row < hi;) {
        int64_t next = k >= grad->n ? hi : grad->row ? grad->row[k] : k;
        int64_t gap = (next < hi ? next : hi) - row, at = p->at + row * d;
        if (gap > 0 && !lazy)
            update_idle(u, gap * d, params->x + at, params->m + at, params->v + at);
        row += gap;
        at = p->at + row * d;
        if (row < hi) {
            update_range(u, d, params->x + at, grad->g + k * d, params->m + at, params->v + at);
            k++, row++;
        }
    }
}

void adamw_rows(const struct adamw *adamw, struct params *params, int param,
                const struct row_grad *grad, bool lazy, int64_t step, double scale) {
    const struct param *p = &params->list[param];
    const struct update u = constants(adamw, step, scale);
    int64_t rows = item_block_count(&p->local), block = 1 + (1 << 14) / p->cols;
#pragma omp parallel for schedule(static)
    for (int64_t lo = 0; lo < rows; lo += block)
        update_rows(&u, params, p, grad, lazy, lo, lo + block < rows ? lo + block : rows);
}

static double square(const real *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

double grad_square(const struct params *params, int64_t lo, int64_t hi) {
    return square(params->g + lo, hi - lo);
}

double row_grad_square(const struct row_grad *grad, int64_t cols) {
    return square(grad->g, grad->n * cols);
}
