/* Where evaluate and recommend begin: the model that a run directory or a checkpoint holds. */
#ifndef JOBS_SAVED_H
#define JOBS_SAVED_H
#include "jobs/args.h"
#include "jobs/run.h"

/* Collective. Open the model of request->path with its parameters: those of a verified checkpoint,
 * or of a run directory's best (else newest) one, as its newest whole one knows it (damaged newer
 * ones are warned of; a damaged best one is an error; one that a training removes meanwhile is
 * looked for again); its configuration, then the request's pairs. A file without one (any HDF5 file
 * with /param) takes the defaults, and itself as the data set. *file, the checkpoint's name, is the
 * caller's; the run is to be closed. On failure there is neither. */
CHECKED enum status saved_open(struct comm *comm, const struct args_config *request,
                               struct run *run, char **file);

#endif
