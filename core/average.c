#include "core/average.h"
#include "core/mem.h"

void average_open(struct params *params) {
    params->average = mem_zero(params->total, sizeof(real));
}

void average_step(struct params *params, double decay, int64_t t) {
    const real weight = (real)((1 - decay) / -expm1((double)t * log(decay)));
    const real *restrict x = params->x;
    real *restrict a = params->average;
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < params->total; i++)
        a[i] += weight * (x[i] - a[i]);
}
