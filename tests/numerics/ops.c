/* Every operation: gradients in double precision, values against plain loops in both. */
#include "check.h"
#include "core/ops/activation.h"
#include "core/ops/attention.h"
#include "core/ops/drop.h"
#include "core/ops/embedding.h"
#include "core/ops/join.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"
#include "core/ops/prelu.h"
#include "core/ops/ranges.h"
#include "core/ops/swiglu.h"
#include "core/vec.h"
#include "tests/balanced.h"

BALANCED(attention);
BALANCED(elementwise);
BALANCED(linear);
BALANCED(norm);
BALANCED(ranges);
BALANCED(table);

enum { T = 7, D = 12, N = 5 };

static struct tensor *in(struct tape *tape, struct check *c, int i) {
    return tape_param(tape, &c->params, i);
}

/* ---- linear ---- */

static struct tensor *build_linear(struct tape *tape, struct check *c) {
    return op_linear(tape, in(tape, c, 0), in(tape, c, 1), in(tape, c, 2));
}

Test(linear, gradients_and_values) {
    struct check c = {.build = build_linear};
    struct tape tape = {0};
    double want[T * N];
    check_input(&c, T, D), check_input(&c, N, D), check_input(&c, 1, N);
    check_fill(&c, 1);
    check_gradients(&c);
    const real *x = c.params.list[0].tensor.x, *w = c.params.list[1].tensor.x;
    for (int t = 0; t < T; t++)
        for (int o = 0; o < N; o++) {
            want[t * N + o] = c.params.list[2].tensor.x[o];
            for (int i = 0; i < D; i++)
                want[t * N + o] += (double)x[t * D + i] * (double)w[o * D + i];
        }
    tape_begin(&tape, false, 0);
    check_near("linear", build_linear(&tape, &c)->x, want, T * N, D);
    tape_free(&tape);
    check_close(&c);
}

static struct tensor *build_bf16(struct tape *tape, struct check *c) {
    tape->bf16 = true;
    return build_linear(tape, c);
}

/* So wide that backward goes block by block over the rows. */
Test(linear, gradients_of_many_rows) {
    enum { ROWS = 200, WIDE = 1200 };
    struct check c = {.build = build_linear};
    struct tape tape = {0};
    double *want = mem_zero(N * WIDE, sizeof *want), sums[N] = {0};
    check_input(&c, ROWS, WIDE), check_input(&c, N, WIDE), check_input(&c, 1, N);
    check_fill(&c, 1);
    check_value(&c, &tape, true);
    tape_backward(&tape, NULL, NULL);
    for (int t = 0; t < ROWS; t++)
        for (int o = 0; o < N; o++) {
            sums[o] += check_weight(t * N + o);
            for (int i = 0; i < WIDE; i++)
                want[o * WIDE + i] += check_weight(t * N + o) *
                                      (double)c.params.list[0].tensor.x[(int64_t)t * WIDE + i];
        }
    check_near("weight", c.params.list[1].tensor.g, want, N * WIDE, ROWS);
    check_near("bias", c.params.list[2].tensor.g, sums, N, ROWS);
    for (int i = 0; i < N * WIDE; i++)
        want[i] = 0;
    for (int t = 0; t < N; t++) /* of the last rows */
        for (int o = 0; o < N; o++)
            for (int i = 0; i < WIDE; i++)
                want[t * WIDE + i] += check_weight((ROWS - N + t) * N + o) *
                                      (double)c.params.list[1].tensor.x[o * WIDE + i];
    check_near("input", c.params.list[0].tensor.g + (int64_t)(ROWS - N) * WIDE, want, N * WIDE, N);
    mem_free(want);
    tape_free(&tape);
    check_close(&c);
}

/* In bfloat16, with operands that are rounded beforehand by the test: exact but for the sums. */
Test(linear, bf16) {
    struct check c = {.build = build_bf16};
    struct tape tape = {0};
    double dx[T * D] = {0}, dw[N * D] = {0};
    check_input(&c, T, D), check_input(&c, N, D), check_input(&c, 1, N);
    check_fill(&c, 1);
    for (int64_t i = 0; i < c.params.total; i++)
        c.params.x[i] = (real)check_bf16((double)c.params.x[i]);
    params_zero_grad(&c.params);
    check_value(&c, &tape, true);
    tape_backward(&tape, NULL, NULL);
    const real *x = c.params.list[0].tensor.x, *w = c.params.list[1].tensor.x;
    for (int t = 0; t < T; t++)
        for (int o = 0; o < N; o++)
            for (int i = 0; i < D; i++) {
                double dy = check_bf16((double)(real)check_weight(t * N + o));
                dx[t * D + i] += dy * (double)w[o * D + i];
                dw[o * D + i] += dy * (double)x[t * D + i];
            }
    check_near("dx", c.params.list[0].tensor.g, dx, T * D, N);
    check_near("dw", c.params.list[1].tensor.g, dw, N * D, T);
    tape_free(&tape);
    check_close(&c);
}

/* ---- norms ---- */

static struct tensor *build_layer_norm(struct tape *tape, struct check *c) {
    return op_layer_norm(tape, in(tape, c, 0), in(tape, c, 1), in(tape, c, 2), (real)1e-8);
}

Test(norm, layer_norm) {
    struct check c = {.build = build_layer_norm};
    struct tape tape = {0};
    double want[T * D];
    check_input(&c, T, D), check_input(&c, 1, D), check_input(&c, 1, D);
    check_fill(&c, 1);
    check_gradients(&c);
    const real *x = c.params.list[0].tensor.x;
    for (int t = 0; t < T; t++) {
        double mean = 0, var = 0;
        for (int i = 0; i < D; i++)
            mean += (double)x[t * D + i] / D;
        for (int i = 0; i < D; i++)
            var += pow((double)x[t * D + i] - mean, 2) / D;
        for (int i = 0; i < D; i++)
            want[t * D + i] = (double)c.params.list[1].tensor.x[i] * ((double)x[t * D + i] - mean) /
                                  sqrt(var + 1e-8) +
                              (double)c.params.list[2].tensor.x[i];
    }
    tape_begin(&tape, false, 0);
    check_near("layer norm", build_layer_norm(&tape, &c)->x, want, T * D, 4 * D);
    tape_free(&tape);
    check_close(&c);
}

static struct tensor *build_unit_norm(struct tape *tape, struct check *c) {
    return op_unit_norm(tape, in(tape, c, 0), (real)1e-8);
}

Test(norm, unit_norm) {
    struct check c = {.build = build_unit_norm};
    struct tape tape = {0};
    check_input(&c, T, D);
    check_fill(&c, 1);
    check_gradients(&c);
    memset(c.params.x, 0, D * sizeof(real)); /* a missing row stays zero */
    tape_begin(&tape, false, 0);
    const struct tensor *y = build_unit_norm(&tape, &c);
    for (int t = 0; t < T; t++) {
        double norm = 0;
        for (int i = 0; i < D; i++)
            norm += pow((double)y->x[t * D + i], 2);
        cr_expect_float_eq(norm, t ? 1 : 0, 8 * REAL_EPS);
    }
    tape_free(&tape);
    check_close(&c);
}

/* Below eps the norm is a constant. */
static struct tensor *build_clamped(struct tape *tape, struct check *c) {
    return op_unit_norm(tape, in(tape, c, 0), 100);
}

Test(norm, unit_norm_clamped) {
    struct check c = {.build = build_clamped};
    check_input(&c, T, D);
    check_fill(&c, 1);
    check_gradients(&c);
    check_close(&c);
}

static double norm_of(const real *x, int64_t n) {
    double square = 0;
    for (int64_t i = 0; i < n; i++)
        square += (double)x[i] * (double)x[i];
    return sqrt(square);
}

/* A power of two changes no bit of a unit row, also where the squares of its values overflow or
 * vanish, short of those that vanish themselves. */
Test(norm, unit_rows_do_not_depend_on_the_scale) {
    const int least = (int)log2((double)REAL_MIN) + 8, most = (int)log2((double)REAL_MAX) - 4;
    real plain[D], wanted[D], row[D];
    for (int i = 0; i < D; i++)
        plain[i] = wanted[i] = (real)(i % 2 ? -1.75 : 1.25) + (real)i / 8;
    unit_norm_rows(wanted, 1, D);
    cr_expect_float_eq(norm_of(wanted, D), 1, 4 * REAL_EPS);
    for (int power = least; power <= most; power++) {
        for (int i = 0; i < D; i++)
            row[i] = REAL_F(ldexp)(plain[i], power);
        unit_norm_rows(row, 1, D);
        cr_expect_arr_eq(row, wanted, sizeof row, "scale 2^%d", power);
    }
}

Test(norm, unit_rows_keep_zeros_and_units) {
    real rows[2 * D] = {0};
    rows[D + 2] = 1;
    unit_norm_rows(rows, 2, D);
    for (int i = 0; i < 2 * D; i++)
        cr_expect_eq(rows[i], i == D + 2);
}

/* ---- elementwise ---- */

static uint64_t token_keys[T];
static struct dropout some_dropout(void) {
    for (int t = 0; t < T; t++)
        token_keys[t] = check_key(100 + (uint64_t)t);
    return dropout_make(0.4, check_key(9), token_keys);
}

static struct tensor *build_relu(struct tape *tape, struct check *c) {
    struct dropout drop = some_dropout();
    return op_activation(tape, in(tape, c, 0), ACTIVATION_RELU, &drop);
}

static struct tensor *build_gelu(struct tape *tape, struct check *c) {
    struct dropout drop = some_dropout();
    return op_activation(tape, in(tape, c, 0), ACTIVATION_GELU, &drop);
}

static struct tensor *build_quick_gelu(struct tape *tape, struct check *c) {
    struct dropout drop = some_dropout();
    return op_activation(tape, in(tape, c, 0), ACTIVATION_QUICK_GELU, &drop);
}

/* Both inputs of the residual come from operations, as in a block. */
static struct tensor *build_residual(struct tape *tape, struct check *c) {
    struct dropout drop = some_dropout();
    struct tensor *x = op_scale(tape, in(tape, c, 0), 2);
    struct tensor *f = op_activation(tape, x, ACTIVATION_GELU, &dropout_none);
    return op_scale(tape, op_residual(tape, x, f, &drop), 3);
}

/* Of rows that nothing else reads, and of some that are read beside it. */
static struct tensor *build_drop(struct tape *tape, struct check *c) {
    struct dropout drop = some_dropout();
    struct tensor *x = op_scale(tape, in(tape, c, 0), 2);
    return op_join(tape, op_drop(tape, op_scale(tape, x, 3), &drop),
                   op_join(tape, op_drop(tape, x, &drop), x));
}

static struct tensor *build_exp_scale(struct tape *tape, struct check *c) {
    return op_exp_scale(tape, in(tape, c, 0), in(tape, c, 1), 4);
}

static void check_elementwise(struct tensor *(*build)(struct tape *, struct check *), bool scalar) {
    struct check c = {.build = build};
    check_input(&c, T, D);
    if (scalar)
        check_input(&c, 1, 1);
    check_fill(&c, 1);
    check_gradients(&c);
    check_close(&c);
}

Test(elementwise, relu) {
    check_elementwise(build_relu, false);
}

/* Of arguments of the size of their rounding the absolute error is that of the values. */
Test(elementwise, normal_distribution_function) {
    for (double x = -12; x <= 12; x += 1.0 / 512) {
        double got = (double)vec_normal_cdf((real)x), want = erfc(-x * M_SQRT1_2) / 2;
        cr_expect(fabs(got - want) <= 4 * (double)REAL_EPS, "Phi(%g) = %.9g, %.9g", x, got, want);
    }
    cr_expect(isnan(vec_normal_cdf(NAN)));
}

Test(elementwise, tangent) {
    for (double x = -12; x <= 12; x += 1.0 / 512) {
        double got = (double)vec_tanh((real)x), want = tanh(x);
        cr_expect(fabs(got - want) <= 2 * (double)REAL_EPS * fabs(want), "tanh(%g) = %.9g, %.9g", x,
                  got, want);
    }
    cr_expect_eq(vec_tanh((real)1e4), 1);
    cr_expect_eq(vec_tanh((real)-1e4), -1);
    cr_expect(isnan(vec_tanh(NAN)));
}

Test(elementwise, gelu) {
    check_elementwise(build_gelu, false);
    check_elementwise(build_quick_gelu, false);
}

Test(elementwise, residual) {
    check_elementwise(build_residual, false);
}

Test(elementwise, drop) {
    check_elementwise(build_drop, false);
}

static struct tensor *build_swiglu(struct tape *tape, struct check *c) {
    return op_swiglu(tape, in(tape, c, 0));
}

/* Of large arguments too, whose exponentials overflow. */
Test(elementwise, swiglu) {
    struct check c = {.build = build_swiglu};
    struct tape tape = {0};
    double want[T * D];
    check_input(&c, T, 2 * D);
    check_fill(&c, 1);
    check_gradients(&c);
    c.params.x[0] = 200, c.params.x[1] = -200;
    for (int t = 0; t < T; t++)
        for (int i = 0; i < D; i++) {
            double a = (double)c.params.x[t * 2 * D + i], b = (double)c.params.x[t * 2 * D + D + i];
            want[t * D + i] = a / (1 + exp(-a)) * b;
        }
    tape_begin(&tape, false, 0);
    check_near("swiglu", build_swiglu(&tape, &c)->x, want, T * D, 8);
    tape_free(&tape);
    check_close(&c);
}

Test(elementwise, exp_scale) {
    check_elementwise(build_exp_scale, true);
}

Test(elementwise, exp_scale_beyond_its_limit_has_no_gradient) {
    struct check c = {.build = build_exp_scale};
    struct tape tape = {0};
    check_input(&c, T, D), check_input(&c, 1, 1);
    check_fill(&c, 1);
    c.params.list[1].tensor.x[0] = 5;
    check_value(&c, &tape, true);
    tape_backward(&tape, NULL, NULL);
    cr_expect_eq(c.params.list[1].tensor.g[0], 0);
    cr_expect_float_eq(check_value(&c, &tape, false),
                       (c.params.list[1].tensor.x[0] = 4, check_value(&c, &tape, false)), 1e-3);
    tape_free(&tape);
    check_close(&c);
}

/* Dropout: the share of survivors, the scale, and that it depends on the token alone. */
Test(elementwise, dropout_statistics) {
    enum { W = 4096 };
    uint64_t keys[2] = {check_key(5), check_key(6)}, swapped[2] = {check_key(6), check_key(5)};
    struct dropout drop = dropout_make(0.3, 77, keys), other = dropout_make(0.3, 77, swapped);
    real ones[W], a[W], b[W];
    int kept = 0;
    for (int i = 0; i < W; i++)
        ones[i] = 1;
    dropout_row(&drop, 0, W, ones, a);
    dropout_row(&other, 1, W, ones, b);
    cr_expect_arr_eq(a, b, sizeof a);
    dropout_row(&drop, 1, W, ones, b);
    for (int i = 0; i < W; i++) {
        kept += a[i] != 0;
        cr_expect(a[i] == 0 || fabs((double)a[i] - 1 / 0.7) < 1e-4);
    }
    cr_expect(abs(kept - (int)(0.7 * W)) < 5 * sqrt(0.21 * W), "%d of %d kept", kept, (int)W);
    cr_expect(memcmp(a, b, sizeof a), "two tokens share a mask");
    /* A short row is the beginning of the long one: the tail's code agrees with the body's. */
    dropout_row(&drop, 0, 27, ones, b);
    cr_expect_arr_eq(a, b, 27 * sizeof *a);
}

/* ---- tables ---- */

static const int32_t rows[T] = {3, 0, 3, 4, 1, 3, 0}, places[T] = {0, 1, 2, 0, 1, 2, 3};

static struct tensor *build_gather(struct tape *tape, struct check *c) {
    return op_gather(tape, in(tape, c, 0), rows, T);
}

static struct tensor *build_embed(struct tape *tape, struct check *c) {
    struct dropout drop = some_dropout();
    return op_embed(tape, in(tape, c, 0), rows, in(tape, c, 1), places, T, (real)1.7, &drop);
}

static struct tensor *build_embed_rows(struct tape *tape, struct check *c) {
    return op_embed(tape, in(tape, c, 0), NULL, in(tape, c, 1), places, N, (real)1.7,
                    &dropout_none);
}

Test(table, gather) {
    struct check c = {.build = build_gather};
    check_input(&c, N, D);
    check_fill(&c, 1);
    check_gradients(&c);
    check_close(&c);
}

static const real between[] = {0, (real)0.25, 1, (real)2.5, 4, -1, (real)3.9};

static struct tensor *build_interpolate(struct tape *tape, struct check *c) {
    return op_interpolate(tape, in(tape, c, 0), between, T);
}

/* The place behind the last knot is never asked for; a negative one is the last. */
Test(table, interpolate) {
    struct check c = {.build = build_interpolate};
    struct tape tape = {0};
    double want[T * D];
    check_input(&c, N, D);
    check_fill(&c, 1);
    check_gradients(&c);
    const real *x = c.params.list[0].tensor.x;
    for (int t = 0; t < T; t++) {
        double at = between[t] < 0 ? N - 1 : (double)between[t];
        int lo = (int)floor(at), hi = (int)ceil(at);
        for (int i = 0; i < D; i++)
            want[t * D + i] =
                (double)x[lo * D + i] + (at - lo) * ((double)x[hi * D + i] - (double)x[lo * D + i]);
    }
    tape_begin(&tape, false, 0);
    check_near("interpolate", build_interpolate(&tape, &c)->x, want, T * D, 2);
    tape_free(&tape);
    check_close(&c);
}

Test(table, embed) {
    struct check c = {.build = build_embed};
    check_input(&c, N, D), check_input(&c, 4, D);
    check_fill(&c, 1);
    check_gradients(&c);
    c.build = build_embed_rows;
    check_gradients(&c);
    check_close(&c);
}

/* ---- attention ---- */

static const int64_t offsets[] = {0, 1, 5, 7};

static enum attention_mask mask;

static struct tensor *build_attention(struct tape *tape, struct check *c) {
    struct dropout drop = c->data ? some_dropout() : dropout_none;
    return op_attention(tape, in(tape, c, 0), offsets, 3, 2, mask, &drop);
}

/* softmax(q k^T / sqrt(D / heads)) v by the definition. */
static void attention_reference(const real *qkv, int heads, double *out) {
    int width = D / heads;
    for (int s = 0; s < 3; s++)
        for (int64_t i = offsets[s]; i < offsets[s + 1]; i++)
            for (int h = 0; h < heads; h++) {
                double p[T], sum = 0;
                int64_t last = mask == ATTEND_CAUSAL ? i : offsets[s + 1] - 1;
                for (int64_t j = offsets[s]; j <= last; j++) {
                    double z = 0;
                    for (int k = 0; k < width; k++)
                        z += (double)qkv[i * 3 * D + h * width + k] *
                             (double)qkv[j * 3 * D + D + h * width + k];
                    sum += p[j] = exp(z / sqrt(width));
                }
                for (int k = 0; k < width; k++) {
                    double y = 0;
                    for (int64_t j = offsets[s]; j <= last; j++)
                        y += p[j] / sum * (double)qkv[j * 3 * D + 2 * D + h * width + k];
                    out[i * D + h * width + k] = y;
                }
            }
}

static void check_attention(enum attention_mask which) {
    mask = which;
    struct check c = {.build = build_attention};
    struct tape tape = {0};
    double want[T * D];
    check_input(&c, T, 3 * D);
    check_fill(&c, 1);
    check_gradients(&c);
    c.data = &c;
    check_gradients(&c);
    c.data = NULL;
    attention_reference(c.params.x, 2, want);
    tape_begin(&tape, false, 0);
    check_near("attention", build_attention(&tape, &c)->x, want, T * D, 8 * D);
    tape_free(&tape);
    check_close(&c);
}

Test(attention, gradients_and_values) {
    check_attention(ATTEND_CAUSAL);
    check_attention(ATTEND_ALL);
}

/* A later token changes nothing before it, nor in another sequence. */
Test(attention, is_causal_and_separate) {
    struct check c = {.build = build_attention};
    struct tape tape = {0};
    real before[T * D];
    check_input(&c, T, 3 * D);
    check_fill(&c, 1);
    tape_begin(&tape, false, 0);
    memcpy(before, build_attention(&tape, &c)->x, sizeof before);
    for (int i = 0; i < 3 * D; i++)
        c.params.x[3 * 3 * D + i] += 1; /* token 3, third of the second sequence */
    tape_begin(&tape, false, 0);
    const real *after = build_attention(&tape, &c)->x;
    cr_expect_arr_eq(before, after, 3 * D * sizeof(real));
    cr_expect_arr_eq(before + 5 * D, after + 5 * D, 2 * D * sizeof(real));
    cr_expect(memcmp(before + 3 * D, after + 3 * D, 2 * D * sizeof(real)));
    tape_free(&tape);
    check_close(&c);
}

/* ---- ranges ---- */

/* Of T queries over N rows: empty, whole, shared and single ones. */
static const int32_t range_lo[T] = {0, 0, 1, 1, 4, 2, 5}, range_hi[T] = {0, 5, 3, 4, 5, 2, 5};
enum { PAIRS = 11 };

static struct row_ranges some_ranges(struct tape *tape) {
    return ranges_make(tape, range_lo, range_hi, T);
}

static struct tensor *build_mean(struct tape *tape, struct check *c) {
    struct row_ranges ranges = some_ranges(tape);
    return op_range_mean(tape, in(tape, c, 0), &ranges);
}

static struct tensor *build_range_attention(struct tape *tape, struct check *c) {
    struct row_ranges ranges = some_ranges(tape);
    return op_range_attention(tape, in(tape, c, 0), in(tape, c, 1), &ranges);
}

static struct tensor *build_additive(struct tape *tape, struct check *c) {
    struct row_ranges ranges = some_ranges(tape);
    return op_range_additive(tape, in(tape, c, 0), in(tape, c, 1), in(tape, c, 2), &ranges);
}

static struct tensor *build_compare(struct tape *tape, struct check *c) {
    struct row_ranges ranges = some_ranges(tape);
    return op_range_compare(tape, in(tape, c, 0), in(tape, c, 1), in(tape, c, 2), in(tape, c, 3),
                            in(tape, c, 4), &ranges);
}

/* With the scores NULL all weights are the same. */
static void range_reference(const real *x, const real *score, double *out) {
    for (int j = 0, at = 0; j < T; at += range_hi[j] - range_lo[j], j++) {
        double sum = 0;
        memset(out + j * D, 0, D * sizeof *out);
        for (int i = range_lo[j]; i < range_hi[j]; i++)
            sum += score ? exp((double)score[at + i - range_lo[j]]) : 1;
        for (int i = range_lo[j]; i < range_hi[j]; i++)
            for (int k = 0; k < D; k++)
                out[j * D + k] += (score ? exp((double)score[at + i - range_lo[j]]) : 1) / sum *
                                  (double)x[i * D + k];
    }
}

Test(ranges, mean) {
    struct check c = {.build = build_mean};
    struct tape tape = {0};
    double want[T * D];
    check_input(&c, N, D);
    check_fill(&c, 1);
    check_gradients(&c);
    range_reference(c.params.list[0].tensor.x, NULL, want);
    tape_begin(&tape, false, 0);
    check_near("mean", build_mean(&tape, &c)->x, want, T * D, N);
    tape_free(&tape);
    check_close(&c);
}

Test(ranges, attention) {
    struct check c = {.build = build_range_attention};
    struct tape tape = {0};
    double want[T * D];
    check_input(&c, N, D), check_input(&c, PAIRS, 1);
    check_fill(&c, 1);
    check_gradients(&c);
    range_reference(c.params.list[0].tensor.x, c.params.list[1].tensor.x, want);
    tape_begin(&tape, false, 0);
    check_near("attention", build_range_attention(&tape, &c)->x, want, T * D, 4 * N);
    tape_free(&tape);
    check_close(&c);
}

/* Of more columns than one thread takes. */
Test(ranges, additive) {
    enum { H = 70 };
    struct check c = {.build = build_additive};
    struct tape tape = {0};
    double want[PAIRS] = {0};
    check_input(&c, N, H), check_input(&c, T, H), check_input(&c, 1, H);
    check_fill(&c, 1);
    check_gradients(&c);
    for (int j = 0, p = 0; j < T; j++)
        for (int i = range_lo[j]; i < range_hi[j]; i++, p++)
            for (int h = 0; h < H; h++)
                want[p] += (double)c.params.list[2].tensor.x[h] *
                           tanh((double)c.params.list[0].tensor.x[i * H + h] +
                                (double)c.params.list[1].tensor.x[j * H + h]);
    tape_begin(&tape, false, 0);
    check_near("additive", build_additive(&tape, &c)->x, want, PAIRS, 2 * H);
    tape_free(&tape);
    check_close(&c);
}

Test(ranges, compare) {
    enum { H = 3 };
    struct check c = {.build = build_compare};
    struct tape tape = {0};
    double want[PAIRS * H];
    check_input(&c, N, D), check_input(&c, T, D), check_input(&c, N, H), check_input(&c, T, H);
    check_input(&c, H, D);
    check_fill(&c, 1);
    check_gradients(&c);
    const real *x[5];
    for (int i = 0; i < 5; i++)
        x[i] = c.params.list[i].tensor.x;
    for (int j = 0, p = 0; j < T; j++)
        for (int i = range_lo[j]; i < range_hi[j]; i++, p++)
            for (int h = 0; h < H; h++) {
                want[p * H + h] = (double)x[2][i * H + h] + (double)x[3][j * H + h];
                for (int k = 0; k < D; k++)
                    want[p * H + h] +=
                        (double)x[4][h * D + k] * (double)x[0][i * D + k] * (double)x[1][j * D + k];
            }
    tape_begin(&tape, false, 0);
    check_near("compare", build_compare(&tape, &c)->x, want, PAIRS * H, 2 * D);
    tape_free(&tape);
    check_close(&c);
}

/* Longer than a block of pairs: every row counts in each of many queries. */
Test(ranges, compare_beyond_a_block) {
    enum { QUERIES = 100 };
    static int32_t lo[QUERIES], hi[QUERIES];
    static double want[QUERIES * N];
    struct check c = {0};
    struct tape tape = {0};
    for (int j = 0; j < QUERIES; j++)
        hi[j] = N;
    check_input(&c, N, D), check_input(&c, QUERIES, D), check_input(&c, N, 1);
    check_input(&c, QUERIES, 1), check_input(&c, 1, D);
    check_fill(&c, 1);
    tape_begin(&tape, true, c.params.count);
    struct row_ranges ranges = ranges_make(&tape, lo, hi, QUERIES);
    struct tensor *y = op_range_compare(&tape, in(&tape, &c, 0), in(&tape, &c, 1), in(&tape, &c, 2),
                                        in(&tape, &c, 3), in(&tape, &c, 4), &ranges);
    for (int p = 0; p < QUERIES * N; p++) {
        int i = p % N, j = p / N;
        want[p] = (double)c.params.list[2].tensor.x[i] + (double)c.params.list[3].tensor.x[j];
        for (int k = 0; k < D; k++)
            want[p] += (double)c.params.list[0].tensor.x[i * D + k] *
                       (double)c.params.list[1].tensor.x[j * D + k] *
                       (double)c.params.list[4].tensor.x[k];
    }
    check_near("compare", y->x, want, QUERIES * N, 2 * D);
    params_zero_grad(&c.params);
    bool add;
    real *dy = tape_grad(&tape, y, &add);
    for (int p = 0; p < QUERIES * N; p++)
        dy[p] = 1;
    tape_backward(&tape, NULL, NULL);
    for (int i = 0; i < N; i++)
        cr_expect_eq(c.params.list[2].tensor.g[i], QUERIES);
    for (int j = 0; j < QUERIES; j++)
        cr_expect_eq(c.params.list[3].tensor.g[j], N);
    tape_free(&tape);
    check_close(&c);
}

static struct tensor *build_prelu(struct tape *tape, struct check *c) {
    return op_prelu(tape, in(tape, c, 0), in(tape, c, 1));
}

Test(elementwise, prelu) {
    struct check c = {.build = build_prelu};
    struct tape tape = {0};
    double want[T * D];
    check_input(&c, T, D), check_input(&c, 1, 1);
    check_fill(&c, 1);
    check_gradients(&c);
    for (int i = 0; i < T * D; i++) {
        double x = (double)c.params.list[0].tensor.x[i];
        want[i] = x > 0 ? x : x * (double)c.params.list[1].tensor.x[0];
    }
    tape_begin(&tape, false, 0);
    check_near("prelu", build_prelu(&tape, &c)->x, want, T * D, 2);
    tape_free(&tape);
    check_close(&c);
}
