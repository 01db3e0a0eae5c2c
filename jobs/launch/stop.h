/* Requests to end a run early: USR1, USR2, TERM, INT, run.time_limit, and the end of the SLURM job
 * (SLURM_JOB_END_TIME) less run.margin. They are looked at between steps; a second INT ends the
 * process at once. */
#ifndef JOBS_LAUNCH_STOP_H
#define JOBS_LAUNCH_STOP_H
#include <stdbool.h>

/* Not collective. From now on the signals only leave a note. `time_limit` in seconds from now, 0:
 * none. `margin` in seconds before the end of the SLURM job, at most a quarter of what is left of
 * it now: a job shorter than the margin would otherwise save and requeue after every step. */
void stop_watch(double time_limit, double margin);

enum { STOP_REQUESTS = 5 };

/* Not collective. 0: nothing was asked for; else a request from 1 to STOP_REQUESTS, a larger number
 * being a stronger one: all ranks follow the largest of any rank. */
int stop_requested(void);

const char *stop_reason(int request); /* "signal USR1", ..., "time limit" */

#endif
