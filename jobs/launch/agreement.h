/* What all ranks must have alike before any of them goes on: byte order, program, command line.
 * Configurations are compared by io/config, data sets by io/dataset. */
#ifndef JOBS_LAUNCH_AGREEMENT_H
#define JOBS_LAUNCH_AGREEMENT_H
#include "core/status.h"
#include "mpi/comm.h"

/* Collective. STATUS_INPUT, and a line of the first rank that is not like rank 0, when they differ.
 */
CHECKED enum status agreement_check(const struct comm *comm, int argc, char *const *argv);

#endif
