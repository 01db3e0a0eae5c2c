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
#endif

#endif
