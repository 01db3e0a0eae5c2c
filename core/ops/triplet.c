#include "core/ops/triplet.h"
#include "core/check.h"
#include "core/vec.h"
#include <math.h>

/* Rows that coincide have no direction: their gradient is zero. */
#define NEAR 1e-12

HOT static double distance(const real *x, const real *y, int64_t d) {
    real square = 0;
#pragma omp simd reduction(+ : square)
    for (int64_t i = 0; i < d; i++)
        square += (x[i] - y[i]) * (x[i] - y[i]);
    return sqrt((double)square);
}

/* Of scale |x - y|; dx or dy NULL: it takes none. */
HOT static void distance_gradient(const real *x, const real *y, int64_t d, double scale, real *dx,
                                  real *dy) {
    for (int64_t i = 0; i < d; i++) {
        real g = (real)scale * (x[i] - y[i]);
        if (dx)
            dx[i] += g;
        if (dy)
            dy[i] -= g;
    }
}

static real *row_of(real *g, int64_t at) {
    return g ? g + at : NULL;
}

double triplet_loss(struct tape *tape, struct tensor *a, struct tensor *p, struct tensor *n,
                    double margin, double weight) {
    struct tensor *input[] = {a, p, n};
    real *g[3] = {NULL};
    int64_t d = a->cols;
    double sum = 0;
    assert(has_shape(p, a->rows, d) && has_shape(n, a->rows, d));
    for (int k = 0; k < 3 && tape->record; k++)
        g[k] = tape_grad_zeroed(tape, input[k]);
    for (int64_t at = 0; at < tape_rows(tape, a->rows) * d; at += d) {
        double near = distance(a->x + at, p->x + at, d), far = distance(a->x + at, n->x + at, d);
        if (near - far + margin <= 0)
            continue;
        sum += near - far + margin;
        if (near > NEAR)
            distance_gradient(a->x + at, p->x + at, d, weight / near, row_of(g[0], at),
                              row_of(g[1], at));
        if (far > NEAR)
            distance_gradient(a->x + at, n->x + at, d, -weight / far, row_of(g[0], at),
                              row_of(g[2], at));
    }
    return sum;
}
