#include "jobs/engine/peak.h"
#include "core/gemm.h"
#include "core/mem.h"
#include "core/phase.h"
#include "mpi/reduce.h"
#include <omp.h>

enum { ROUNDS = 5, WIDTH = 1024, PRODUCTS = 4, LENGTH = 1 << 24 };

/* Seconds of the slowest rank since `start`, which all ranks began together. */
static double slowest(const struct comm *comm, double start) {
    double seconds = phase_clock() - start;
    comm_max_f64(comm, &seconds, 1);
    return seconds;
}

static double begin(const struct comm *comm) {
    comm_wait(comm);
    return phase_clock();
}

static double total_threads(const struct comm *comm) {
    double threads = omp_get_max_threads();
    comm_sum_f64(comm, &threads, 1);
    return threads;
}

static void fill(int64_t n, real value, real *x) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++)
        x[i] = value;
}

/* Three matrices per thread. */
static void multiply(real *work) {
#pragma omp parallel
    {
        int64_t size = (int64_t)WIDTH * WIDTH;
        real *a = work + 3 * size * omp_get_thread_num();
        for (int k = 0; k < PRODUCTS; k++)
            gemm_serial(NO_TRANS, NO_TRANS, WIDTH, WIDTH, WIDTH, 1, a, WIDTH, a + size, WIDTH, 0,
                        a + 2 * size, WIDTH);
    }
}

static double measure_sgemm(const struct comm *comm) {
    int64_t n = (int64_t)3 * WIDTH * WIDTH * omp_get_max_threads();
    double best = 0, flops = 2.0 * WIDTH * WIDTH * WIDTH * PRODUCTS * total_threads(comm);
    real *work = mem_alloc(n, sizeof *work);
    fill(n, (real)0.5, work);
    for (int i = 0; i < ROUNDS; i++) {
        double start = begin(comm);
        multiply(work);
        double rate = flops / slowest(comm, start);
        best = rate > best ? rate : best;
    }
    mem_free(work);
    return best / 1e9;
}

static void copy(const real *b, real *a) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < LENGTH; i++)
        a[i] = b[i];
}

static void triad(const real *b, const real *c, real *a) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < LENGTH; i++)
        a[i] = b[i] + 3 * c[i];
}

static void measure_memory(const struct comm *comm, struct peak *peak) {
    double bytes = (double)sizeof(real) * LENGTH * comm->size;
    real *a = mem_alloc(3 * (int64_t)LENGTH, sizeof *a), *b = a + LENGTH, *c = b + LENGTH;
    fill(LENGTH, 0, a);
    fill(LENGTH, 1, b);
    fill(LENGTH, 2, c);
    for (int i = 0; i < ROUNDS; i++) {
        double start = begin(comm);
        copy(b, a);
        double rate = 2 * bytes / slowest(comm, start) / 1e9;
        peak->copy_gbs = rate > peak->copy_gbs ? rate : peak->copy_gbs;
        start = begin(comm);
        triad(b, c, a);
        rate = 3 * bytes / slowest(comm, start) / 1e9;
        peak->triad_gbs = rate > peak->triad_gbs ? rate : peak->triad_gbs;
    }
    mem_free(a);
}

static double measure_allreduce(const struct comm *comm, struct params *params) {
    struct reduce reduce;
    double best = 0, bytes = (double)params->shared * sizeof(real);
    if (comm->size == 1)
        return NAN;
    params_zero_grad(params);
    reduce_open(&reduce, comm, params);
    for (int i = 0; i < ROUNDS; i++) {
        double start = begin(comm);
        reduce_begin(&reduce);
        for (int p = 0; p < params->count; p++)
            reduce_ready(&reduce, p);
        reduce_finish(&reduce);
        double rate = bytes / slowest(comm, start);
        best = rate > best ? rate : best;
    }
    reduce_close(&reduce);
    return best / 1e9;
}

void peak_rates(const struct comm *comm, struct peak *peak) {
    *peak = (struct peak){.sgemm_gflops = measure_sgemm(comm), .allreduce_gbs = NAN};
    measure_memory(comm, peak);
}

void peak_measure(const struct comm *comm, struct params *params, struct peak *peak) {
    peak_rates(comm, peak);
    peak->allreduce_gbs = measure_allreduce(comm, params);
}
