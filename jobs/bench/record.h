/* What a result has to say of where it was made: versions, compiler and flags, kernels, hosts with their
 * ranks, threads and processors. */
#ifndef JOBS_BENCH_RECORD_H
#define JOBS_BENCH_RECORD_H
#include "mpi/comm.h"
#include <jansson.h>

/* Collective. The caller's, on rank 0; NULL elsewhere. */
json_t *record_json(const struct comm *comm);

#endif
