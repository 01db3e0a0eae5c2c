/* Standard input, output and error of the process: what was printed and could not be written is
 * found, as it is for every other output. */
#ifndef JOBS_LAUNCH_STREAMS_H
#define JOBS_LAUNCH_STREAMS_H
#include "mpi/comm.h"

/* Not collective; before anything opens a file. A standard stream that is closed would be the first
 * file that is opened, and receive what is printed: it fails instead. A pipe
 * without a reader and a limit on file sizes do not kill the process: writing fails. */
void streams_open(void);

/* Collective; the end of a job with outcome `status`, the same on all ranks. Writes out what was
 * printed: STATUS_IO, after one line, when that or an earlier write has failed on a rank and
 * `status` is STATUS_OK, else `status`. Where standard output is a pipe whose reader went away
 * (head), it has taken what it wanted. */
CHECKED enum status streams_close(const struct comm *comm, enum status status);

#endif
