/* The first look at an HDF5 file is taken by another process: on some damaged files libhdf5 crashes
 * or never ends, and it shall not take the job with it. Not collective. */
#ifndef IO_H5_PROBE_H
#define IO_H5_PROBE_H
#include "core/status.h"

/* Let `program`, run as "PROGRAM H5_PROBE_JOB FILE", look at every file that h5_open is to open in
 * this process, once; it must end in h5_probe_look. NULL, and without this call: nobody looks.
 * `program` stays the caller's. */
#define H5_PROBE_JOB "probe"
void h5_probe_by(const char *program);

/* STATUS_INPUT, and a line that says so, when the look at the file ended in a crash or at a limit.
 * A file that nobody can look at, for want of a program or of a process, passes. */
CHECKED enum status h5_probe(const char *path);

/* The looking process: reads what this program may come to read of any file, within limits of time
 * and memory, and tells its parent over standard output. Gives the exit status. */
int h5_probe_look(const char *path);

#endif
