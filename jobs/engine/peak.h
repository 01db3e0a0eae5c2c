/* What this machine can do, measured by all ranks and threads at once: the yardstick of bench. */
#ifndef JOBS_ENGINE_PEAK_H
#define JOBS_ENGINE_PEAK_H
#include "core/params.h"
#include "mpi/comm.h"

/* Of all ranks together, best of several. */
struct peak {
    double sgemm_gflops;     /* a large product per thread */
    double gemm_bf16_gflops; /* the same by core/gemm_bf16.h; NaN: not measured */
    double copy_gbs;         /* a = b, 2 x bytes */
    double triad_gbs;        /* a = b + s c, 3 x bytes (STREAM: McCalpin, 1995) */
    double cache_bytes; /* last-level caches of all nodes: with fewer bytes memory is no bound */
    double
        allreduce_gbs; /* bytes of a rank's gradients per second; NaN on one rank, or not measured */
};

/* Collective, about a second, or four where caches have 320 MiB: sgemm, memory and caches. The arrays of
 * copy and triad are larger than the last-level caches: a rank takes 192 MiB, or its part of four times
 * the caches of its node, and 12 MiB per thread. */
void peak_rates(const struct comm *comm, struct peak *peak);

/* Collective. GFLOP/s of a large product per thread in bfloat16. */
double peak_gemm_bf16(const struct comm *comm);

/* The same of sgemm alone. */
double peak_sgemm(const struct comm *comm);

/* Collective. GB/s of the sum of the gradients in `params`, which it overwrites, by the buckets and pieces
 * of training (mpi/reduce.h), all of them under way at once; NaN on one rank. */
double peak_allreduce(const struct comm *comm, struct params *params);

#endif
