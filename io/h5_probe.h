/* The first look at an HDF5 file is taken by another process: on some damaged files libhdf5 crashes
 * or never ends, and it shall not take the job with it. Here is the process that lets look. Not
 * collective. */
#ifndef IO_H5_PROBE_H
#define IO_H5_PROBE_H
#include "core/status.h"

/* Let `program`, run as "PROGRAM H5_PROBE_JOB FILE", look at every file that h5_open is to open in
 * this process, once; it must end in h5_look (io/h5_look.h). NULL, and without this call: nobody
 * looks. `program` stays the caller's. */
#define H5_PROBE_JOB "probe"
void h5_probe_by(const char *program);

/* STATUS_INPUT, and a line that says so, when the look at the file ended in a crash or at a limit.
 * A file that nobody can look at, for want of a program or of a process, passes. */
CHECKED enum status h5_probe(const char *path);

/* ---- what both processes know ---- */

/* What the looking process says: that it has begun, that it has come to the end. */
enum { H5_PROBE_BEGUN = 'b', H5_PROBE_DONE = 'd' };

/* The time of a processor that a look at the file may take. */
int h5_probe_seconds(const char *path);

#endif
