/* Checkpoints of a run, written and read back by the code that training uses. */
#ifndef JOBS_BENCH_STORAGE_H
#define JOBS_BENCH_STORAGE_H
#include "jobs/bench/series.h"
#include "jobs/engine/run.h"

struct storage {
    double bytes;              /* of a file */
    struct series write, read; /* GB/s */
    struct series both;        /* twice the bytes over the seconds of both */
    bool same;                 /* was every one read as it was written? */
};

/* Collective. So many times a file in `directory`, which is made; the file goes. What is read leaves the
 * page cache before, as far as the system lets a user ask for it. STATUS_IO where it cannot be written. */
CHECKED enum status storage_measure(struct storage *storage, struct run *run, const char *directory,
                                    int times);
void storage_free(struct storage *storage); /* not collective; safe on a zeroed object */

#endif
