/* What this machine can do, measured by all ranks and threads at once: the yardstick of bench. */
#ifndef JOBS_ENGINE_PEAK_H
#define JOBS_ENGINE_PEAK_H
#include "core/params.h"
#include "mpi/comm.h"

/* Of all ranks together, best of several. */
struct peak {
    double sgemm_gflops;  /* a large product per thread */
    double copy_gbs;      /* a = b, 2 x bytes */
    double triad_gbs;     /* a = b + s c, 3 x bytes (STREAM: McCalpin, 1995) */
    double allreduce_gbs; /* bytes of a rank's gradients per second; NaN on one rank */
};

/* Collective, about a second: all but the reduction, which is NaN. Takes 192 MiB per rank and 12 MiB
 * per thread. */
void peak_rates(const struct comm *comm, struct peak *peak);

/* Collective. Overwrites the gradients in `params`, whose reduction is timed. Takes what
 * peak_rates takes. */
void peak_measure(const struct comm *comm, struct params *params, struct peak *peak);

#endif
