/* How the program was launched, and what is wrong with it: one line per finding, with what to do.
 */
#ifndef JOBS_LAUNCH_LAUNCH_H
#define JOBS_LAUNCH_LAUNCH_H
#include "mpi/comm.h"
#include <stdarg.h>

typedef void launch_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct launch {
    const struct comm *comm; /* borrowed, as node */
    struct comm node;        /* the ranks of this node */
    launch_say *say;         /* called on rank 0 */
    int threads;             /* of this rank */
    int cores, node_cores;   /* that this rank, and any rank of its node, may run on */
    int node_threads;        /* of all ranks of the node */
    int found;               /* findings so far, the same on all ranks */
};

/* Collective; close ends it. */
void launch_open(struct launch *launch, const struct comm *comm, launch_say *say);
void launch_close(struct launch *launch);

/* Collective. A finding of this rank, or NULL; that of the first rank that has one is said. */
void launch_tell(struct launch *launch, const char *finding);

/* Collective. What is cheap to look at, and is at the start of every training: processes that do
 * not know of each other, more threads than cores, ranks that roam over several memory nodes. */
void launch_check(struct launch *launch);

#endif
