/* Checks of operations: finite differences, the adjoint identity, plain reference loops. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H
#include "core/mem.h"
#include "core/options.h"
#include "core/rng.h"
#include "core/tape.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Learned inputs are the parameters; `build` computes the output from them on the tape. */
struct check {
    struct params params;
    struct tensor *(*build)(struct tape *tape, struct check *check);
    /* A loss that is its own end of the tape: build returns NULL and sets `loss`. */
    double loss;
    void *data;
};

static inline uint64_t check_key(uint64_t a) {
    return rng_key(20, RNG_TEST, a, 0);
}

/* "key=value key=value ...", each of which has to be accepted. */
static inline void check_set_all(struct config *config, const char *pairs) {
    char copy[512], *rest = copy;
    snprintf(copy, sizeof copy, "%s", pairs);
    for (char *pair; (pair = strsep(&rest, " "));)
        cr_assert_eq(options_set_pair(config, pair), STATUS_OK, "%s", pair);
}

static inline int check_input(struct check *c, int64_t rows, int64_t cols) {
    return params_add(&c->params, 2, rows, cols, PARAM_ZERO, 1, "p%d", c->params.count);
}

/* Allocate and fill with normal numbers. */
static inline void check_fill(struct check *c, double scale) {
    params_allocate(&c->params, 1, 1);
    for (int64_t i = 0; i < c->params.total; i++)
        c->params.x[i] = (real)(scale * rng_normal(check_key(1), (uint64_t)i));
}

static inline double check_weight(int64_t i) {
    return rng_normal(check_key(2), (uint64_t)i);
}

/* L = sum of weight_i y_i, or the loss itself. */
static inline double check_value(struct check *c, struct tape *tape, bool record) {
    tape_begin(tape, record, c->params.count);
    struct tensor *y = c->build(tape, c);
    double sum = 0;
    if (!y)
        return c->loss;
    real *g = arena_alloc(&tape->arena, y->rows * y->cols, sizeof *g);
    for (int64_t i = 0; i < y->rows * y->cols; i++) {
        g[i] = (real)check_weight(i);
        sum += check_weight(i) * (double)y->x[i];
    }
    if (record)
        y->g = g;
    return sum;
}

/* Every element of every parameter by central differences, and one random direction. In single
 * precision the differences are too noisy: nothing is checked. */
static inline void check_gradients(struct check *c) {
    struct tape tape = {0};
    double worst = 0, norm = 0;
    if (sizeof(real) == sizeof(double)) {
        params_zero_grad(&c->params);
        check_value(c, &tape, true);
        tape_backward(&tape, NULL, NULL);
        for (int p = 0; p < c->params.count; p++)
            for (int64_t i = 0; i < param_size(&c->params.list[p]); i++)
                norm += pow(c->params.list[p].tensor.g[i], 2);
        norm = sqrt(norm / (double)c->params.total);
        for (int p = 0; p < c->params.count; p++)
            for (int64_t i = 0; i < param_size(&c->params.list[p]); i++) {
                real *x = &c->params.list[p].tensor.x[i], was = *x, h = (real)1e-5;
                *x = was + h;
                double up = check_value(c, &tape, false);
                *x = was - h;
                double down = check_value(c, &tape, false);
                *x = was;
                worst = fmax(worst, fabs((up - down) / (2 * (double)h) -
                                         (double)c->params.list[p].tensor.g[i]));
            }
        cr_expect(worst <= 1e-7 * (1 + norm), "finite differences: %.3g, gradient norm %.3g", worst,
                  norm);
        /* <J v, w> = <v, J^T w> */
        real *was = mem_alloc(c->params.total, sizeof *was), h = (real)1e-6;
        double want = 0, up, down;
        memcpy(was, c->params.x, (size_t)c->params.total * sizeof *was);
        for (int64_t i = 0; i < c->params.total; i++)
            want += rng_normal(check_key(3), (uint64_t)i) * (double)c->params.g[i];
        for (int64_t i = 0; i < c->params.total; i++)
            c->params.x[i] = was[i] + h * (real)rng_normal(check_key(3), (uint64_t)i);
        up = check_value(c, &tape, false);
        for (int64_t i = 0; i < c->params.total; i++)
            c->params.x[i] = was[i] - h * (real)rng_normal(check_key(3), (uint64_t)i);
        down = check_value(c, &tape, false);
        memcpy(c->params.x, was, (size_t)c->params.total * sizeof *was);
        cr_expect(fabs((up - down) / (2 * (double)h) - want) <= 1e-6 * (1 + fabs(want)),
                  "adjoint: %.12g, %.12g", (up - down) / (2 * (double)h), want);
        mem_free(was);
    }
    tape_free(&tape);
}

static inline void check_close(struct check *c) {
    params_free(&c->params);
}

/* Relative distance of a computed tensor from a reference of double precision. */
static inline double check_distance(const real *x, const double *want, int64_t n) {
    double diff = 0, norm = 0;
    for (int64_t i = 0; i < n; i++) {
        diff += pow((double)x[i] - want[i], 2);
        norm += pow(want[i], 2);
    }
    return diff == 0 ? 0 : sqrt(diff / norm);
}

static inline void check_near(const char *what, const real *x, const double *want, int64_t n,
                              double steps) {
    double distance = check_distance(x, want, n);
    cr_expect(distance <= steps * (double)REAL_EPS, "%s: relative distance %.3g", what, distance);
}

/* x with 8 significant bits, to nearest even: bfloat16 by other means than the kernels'. */
static inline double check_bf16(double x) {
    int exponent;
    double fraction = frexp(x, &exponent);
    return ldexp(nearbyint(ldexp(fraction, 8)), exponent - 8);
}

#endif
