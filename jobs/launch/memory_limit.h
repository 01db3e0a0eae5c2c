/* Limits on the address space of a process (RLIMIT_AS, RLIMIT_DATA: ulimit -v and -d, h_vmem of
 * SGE, VSizeFactor of SLURM) and what is taken of it before any table.
 *
 * OpenBLAS maps a buffer for every thread that calls it, keeps it, and tries again for ever where
 * there is no room. So the room is looked for, and the buffers are taken, before the first product.
 */
#ifndef JOBS_LAUNCH_MEMORY_LIMIT_H
#define JOBS_LAUNCH_MEMORY_LIMIT_H
#include "core/status.h"
#include "mpi/comm.h"
#include <stddef.h>

/* First of all, before MPI. OpenBLAS has by then started threads of its own, which are not used and
 * take a buffer each: under a limit the program starts anew without them. STATUS_INPUT, with a line
 * from one process of a node, when MPI would find too little room to start. */
CHECKED enum status memory_limit_begin(char **argv);

/* Collective. Takes the buffers of all threads, once. STATUS_INPUT, with a line of the first rank
 * for which there is no room. */
CHECKED enum status memory_limit_reserve(const struct comm *comm);

/* Not collective. What stands in the way of this rank's buffers and `bytes` of tables; false:
 * nothing. */
bool memory_limit_finding(int64_t bytes, char *text, size_t size);

/* Not collective. Bytes of memory that this node has free, negative: it does not say. */
double memory_limit_free(void);

#endif
