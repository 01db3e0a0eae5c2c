/* One job at a time in a directory, one writer at a time of a file: an flock(2) on DIR/lock or
 * FILE.lock, which says who holds it. Rank 0 holds the lock for its job.
 *
 * The kernel drops the lock with the process that holds it, however that ends: what a dead job
 * leaves behind keeps nobody out. Across nodes that is as good as the file system:
 * - NFS: the client makes a byte-range lock on the server of it. The lock of a node that crashed
 *   ends with its lease (NFSv4: 90 s by default; NFSv3: when statd hears of its restart). A job
 * that SLURM restarts meanwhile knows its own earlier start by SLURM_JOB_ID and SLURM_RESTART_COUNT
 *   and goes on with a warning.
 * - Lustre: mounted with -o flock, the same over all nodes; with -o localflock it holds among the
 *   jobs of one node only; without either, and where else there are no locks, the job goes on with
 * a warning. */
#ifndef IO_LOCK_H
#define IO_LOCK_H
#include "core/status.h"
#include "mpi/comm.h"

struct lock {
    int file;   /* 0: none is held */
    char *path; /* of the lock's file, to be removed at the end; NULL: it stays */
};

/* Not collective. The directory exists. STATUS_INPUT when another job that lives holds it. */
CHECKED enum status lock_take(struct lock *lock, const char *directory);

/* Collective. For jobs that read, change and replace the file that stands at `path`, or will; links
 * are followed, so that all names of a file have one lock. While another job holds it this one
 * waits, says so at once and then every 30 s; the other ranks sleep meanwhile. STATUS_STOPPED when
 * it is not free after `limit` seconds, which may be infinite. */
CHECKED enum status lock_file(struct lock *lock, const struct comm *comm, const char *path,
                              double limit);

void lock_release(struct lock *lock); /* safe on a zeroed object; zeroes it. Not collective. */

#endif
