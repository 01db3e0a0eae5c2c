#include "jobs/engine/peak.h"
#include "core/gemm_bf16.h"
#include "core/mem.h"
#include "core/phase.h"
#include "mpi/reduce.h"
#include <omp.h>
#include <stdio.h>
#include <unistd.h>

enum { ROUNDS = 5, WIDTH = 1024, PRODUCTS = 4, LENGTH = 1 << 24, CPUS = 1 << 12 };

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
static void multiply(gemm_fn *product, real *work) {
#pragma omp parallel
    {
        int64_t size = (int64_t)WIDTH * WIDTH;
        real *a = work + 3 * size * omp_get_thread_num();
        for (int k = 0; k < PRODUCTS; k++)
            product(NO_TRANS, NO_TRANS, WIDTH, WIDTH, WIDTH, 1, a, WIDTH, a + size, WIDTH, 0,
                    a + 2 * size, WIDTH);
    }
}

static double measure_product(const struct comm *comm, gemm_fn *product) {
    int64_t n = (int64_t)3 * WIDTH * WIDTH * omp_get_max_threads();
    double best = 0, flops = 2.0 * WIDTH * WIDTH * WIDTH * PRODUCTS * total_threads(comm);
    real *work = mem_alloc(n, sizeof *work);
    fill(n, (real)0.5, work);
    for (int i = 0; i < ROUNDS; i++) {
        double start = begin(comm);
        multiply(product, work);
        double rate = flops / slowest(comm, start);
        best = rate > best ? rate : best;
    }
    mem_free(work);
    return best / 1e9;
}

/* ---- memory ---- */

static void copy(int64_t n, const real *b, real *a) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++)
        a[i] = b[i];
}

static void triad(int64_t n, const real *b, const real *c, real *a) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i++)
        a[i] = b[i] + 3 * c[i];
}

/* What `file` of processor `cpu`'s largest cache begins with, a number in units of 1 or K; -1: none. */
static int64_t read_cache(int cpu, const char *file) {
    char path[128], unit = 0;
    long long value = -1;
    for (int index = 4; index > 1 && value < 0; index--) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cache/index%d/%s", cpu, index,
                 file);
        FILE *f = fopen(path, "re");
        if (f && fscanf(f, "%lld%c", &value, &unit) < 1)
            value = -1;
        if (f)
            fclose(f);
    }
    return unit == 'K' ? value * 1024 : value;
}

/* Of this node: each cache counts at the first processor that shares it. The C library may know a
 * larger one, of a machine of which this one is a part. */
static double cache_of_node(void) {
    double sum = 0, one = (double)sysconf(_SC_LEVEL3_CACHE_SIZE);
    for (int cpu = 0; cpu < CPUS; cpu++)
        if (read_cache(cpu, "shared_cpu_list") == cpu)
            sum += (double)read_cache(cpu, "size");
    return sum > one ? sum : one;
}

/* Bytes of the caches of all nodes; *length: of an array. */
static double find_caches(const struct comm *comm, int64_t *length) {
    struct comm node;
    double here = cache_of_node();
    comm_open_node(&node, comm);
    double all = node.rank == 0 ? here : 0, least = 4 * here / 3 / node.size / sizeof(real);
    comm_close(&node);
    comm_sum_f64(comm, &all, 1);
    comm_max_f64(comm, &least, 1);
    *length = least > LENGTH ? (int64_t)least : LENGTH;
    return all;
}

static void measure_memory(const struct comm *comm, struct peak *peak) {
    int64_t n;
    peak->cache_bytes = find_caches(comm, &n);
    double bytes = (double)sizeof(real) * (double)n * comm->size;
    real *a = mem_alloc(3 * n, sizeof *a), *b = a + n, *c = b + n;
    fill(n, 0, a);
    fill(n, 1, b);
    fill(n, 2, c);
    for (int i = 0; i < ROUNDS; i++) {
        double start = begin(comm);
        copy(n, b, a);
        double rate = 2 * bytes / slowest(comm, start) / 1e9;
        peak->copy_gbs = rate > peak->copy_gbs ? rate : peak->copy_gbs;
        start = begin(comm);
        triad(n, b, c, a);
        rate = 3 * bytes / slowest(comm, start) / 1e9;
        peak->triad_gbs = rate > peak->triad_gbs ? rate : peak->triad_gbs;
    }
    mem_free(a);
}

double peak_allreduce(const struct comm *comm, struct params *params) {
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

double peak_sgemm(const struct comm *comm) {
    return measure_product(comm, gemm_serial);
}

void peak_rates(const struct comm *comm, struct peak *peak) {
    *peak = (struct peak){
        .sgemm_gflops = peak_sgemm(comm), .gemm_bf16_gflops = NAN, .allreduce_gbs = NAN};
    measure_memory(comm, peak);
}

double peak_gemm_bf16(const struct comm *comm) {
    return measure_product(comm, gemm_bf16_serial);
}
