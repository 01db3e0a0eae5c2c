/* One writer of a data set at a time: how features, prepare and synth begin. Readers need no lock:
 * they keep the file that they opened, whatever takes its place. */
#ifndef JOBS_LAUNCH_DATASET_LOCK_H
#define JOBS_LAUNCH_DATASET_LOCK_H
#include "io/lock.h"
#include <stdbool.h>

/* The option of these jobs; its value is a number of seconds from 0, by default INFINITY. */
#define DATASET_WAIT(key)                                                                          \
    {                                                                                              \
        "wait", key, "SECONDS", 0,                                                                 \
            "Longest wait for another job that writes it, then exit status 75 (no limit)", 0       \
    }

/* Collective; lock_release ends it. The lock of a data set that is to be changed. One that is not
 * there is not locked: whoever opens it complains. */
CHECKED enum status dataset_lock_old(struct lock *lock, const struct comm *comm, const char *path,
                                     double wait);

/* Collective; lock_release ends it. That of a data set that is to be made; STATUS_INPUT when it is
 * there already, now or after the wait, and `overwrite` is false. */
CHECKED enum status dataset_lock_new(struct lock *lock, const struct comm *comm, const char *path,
                                     bool overwrite, double wait);

#endif
