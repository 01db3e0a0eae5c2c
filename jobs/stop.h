/* Requests to end a run early: USR1, USR2, TERM, INT, run.time_limit, and the end of the SLURM job
 * (SLURM_JOB_END_TIME, where there is no limit of the run's own). They are looked at between steps;
 * a second INT ends the process at once. */
#ifndef JOBS_STOP_H
#define JOBS_STOP_H
#include <stdbool.h>

enum { STOP_MARGIN = 120 }; /* seconds before the end of a SLURM job */

/* Not collective. From now on the signals only leave a note. `time_limit` in seconds from now, 0:
 * that of SLURM. */
void stop_watch(double time_limit);

/* Not collective. 0: nothing was asked for; a larger number is a stronger request, so that the
 * maximum over the ranks is what all of them obey. */
int stop_requested(void);

const char *stop_reason(int request); /* "signal USR1", ..., "time limit" */

#endif
