#include "core/optim.h"

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

void adamw_step(const struct adamw *adamw, struct params *params, int64_t step, double scale) {
    enum { BLOCK = 1 << 14 };
    const struct update u = {.decay = (real)(1 - adamw->lr * adamw->weight_decay),
                             .beta1 = (real)adamw->beta1,
                             .beta2 = (real)adamw->beta2,
                             .step = (real)(adamw->lr / (1 - pow(adamw->beta1, (double)step))),
                             .root = (real)(1 / sqrt(1 - pow(adamw->beta2, (double)step))),
                             .eps = (real)adamw->eps,
                             .scale = (real)scale};
#pragma omp parallel for schedule(static)
    for (int64_t lo = 0; lo < params->total; lo += BLOCK) {
        int64_t n = params->total - lo < BLOCK ? params->total - lo : BLOCK;
        update_range(&u, n, params->x + lo, params->g + lo, params->m + lo, params->v + lo);
    }
}

double grad_norm(const struct params *params) {
    double sum = 0;
    for (int64_t i = 0; i < params->total; i++)
        sum += (double)params->g[i] * (double)params->g[i];
    return sqrt(sum);
}
