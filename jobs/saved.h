/* Where evaluate and recommend begin: the model that a run directory or a checkpoint holds. */
#ifndef JOBS_SAVED_H
#define JOBS_SAVED_H
#include "core/options.h"
#include "jobs/args.h"
#include "mpi/comm.h"

/* Collective. The file to read: a checkpoint itself, or a run directory's best (else newest) one.
 * *file is the caller's. */
CHECKED enum status saved_find(struct comm *comm, const char *path, char **file);

/* Collective. The configuration stored in the file, then the request's pairs. A file without one
 * (any HDF5 file with /param) takes the defaults, and itself as the data set. */
CHECKED enum status saved_config(struct comm *comm, const char *file,
                                 const struct args_config *request, struct config *config);

#endif
