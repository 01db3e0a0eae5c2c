/* Short vector kernels, meant to be inlined into HOT functions, which compile them for the widest
 * instructions of the machine. Not collective. */
#ifndef CORE_VEC_H
#define CORE_VEC_H
#include "core/real.h"
#include <stdint.h>
#include <string.h>

static inline real vec_dot(const real *restrict a, const real *restrict b, int64_t n) {
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static inline void vec_axpy(real alpha, const real *restrict x, real *restrict y, int64_t n) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] += alpha * x[i];
}

static inline void vec_scale(real alpha, real *x, int64_t n) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        x[i] *= alpha;
}

static inline real vec_max(const real *x, int64_t n) {
    real max = -REAL_MAX;
#pragma omp simd reduction(max : max)
    for (int64_t i = 0; i < n; i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

#ifdef CDSR_DOUBLE
static inline real vec_exp(real x) {
    return exp(x);
}

/* Phi(x), the distribution function of the normal distribution. */
static inline real vec_normal_cdf(real x) {
    return (real)0.5 * erfc(-x * M_SQRT1_2);
}

static inline real vec_tanh(real x) {
    return tanh(x);
}
#else
/* exp(x) to about 2 units in the last place for x <= 88; below -87 (and at -inf) zero, NaN for NaN.
 * Range reduction x = n ln 2 + r and a polynomial on [-ln 2 / 2, ln 2 / 2] (Cephes' expf
 * coefficients); no branches, so that loops over it vectorise. */
static inline real vec_exp(real x) {
    const float magic = 12582912.f;    /* 1.5 * 2^23: adding it rounds to an integer */
    float in = x >= -87.f ? x : -87.f; /* also for NaN */
    float n = (in * 1.44269504088896341f + magic) - magic;
    float r = in - n * 0.693359375f;
    r -= n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.f;
    uint32_t bits = (uint32_t)((int32_t)n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return x >= -87.f ? p * power : x < -87.f ? 0.f : x;
}

/* Phi(x), the distribution function of the normal distribution, with an absolute error below 2e-7.
 * With z = |x| / sqrt(2) and t = 1 / (1 + z / 2),
 *     erfc(z) = t R(t) exp(-z^2),
 * where R is the polynomial of degree 8 that interpolates erfc(z) exp(z^2) / t in Chebyshev's points
 * of t for z from 0 to 10. The exponential is that of the density, so that one serves both. */
static inline real vec_normal_cdf(real x) {
    float z = (x < 0 ? -x : x) * 0.70710678118654752f, t = 1.f / (1.f + 0.5f * z);
    float r = -0.0583182426f;
    r = r * t + 0.281191928f;
    r = r * t - 0.480802684f;
    r = r * t + 0.271470858f;
    r = r * t - 0.0225914244f;
    r = r * t + 0.201196663f;
    r = r * t + 0.243426815f;
    r = r * t + 0.282337858f;
    r = r * t + 0.282088195f;
    float tail = 0.5f * t * r * vec_exp(-x * x / 2);
    return x < 0 ? tail : 1.f - tail;
}

/* tanh(x) to about 2 units in the last place, NaN for NaN. Below 5 / 8 in size x P(x^2), where P is
 * the polynomial of degree 5 that interpolates tanh(x) / x in Chebyshev's points of x^2, beyond it
 *     1 - 2 / (exp(2 |x|) + 1),
 * which is 1 where |x| is 10. */
static inline real vec_tanh(real x) {
    float size = x < 0 ? -x : x, square = x * x;
    float far = 1.f - 2.f / (vec_exp(2.f * (size > 10.f ? 10.f : size)) + 1.f);
    float p = -0.00609671417f;
    p = p * square + 0.020997179f;
    p = p * square + -0.0538509096f;
    p = p * square + 0.133327697f;
    p = p * square + -0.333333289f;
    p = p * square + 1.f;
    return size < 0.625f ? x * p : x < 0 ? -far : far;
}
#endif

/* 1 / (1 + exp(-x)); at most 1.8e-35 below -80, and NaN for NaN. */
static inline real vec_sigmoid(real x) {
    return 1 / (1 + vec_exp(x < -80 ? 80 : -x));
}

#endif
