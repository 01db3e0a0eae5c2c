/* Where evaluate and recommend begin: the model that a run directory or a checkpoint holds. */
#ifndef JOBS_ENGINE_SAVED_H
#define JOBS_ENGINE_SAVED_H
#include "jobs/engine/run.h"
#include "jobs/launch/args.h"

/* What evaluate and recommend take: a run directory or a checkpoint, key=value pairs, and the
 * option of other items. */
struct saved_request {
    struct args_config config;
    bool by_key; /* --items-by-key */
};

enum { SAVED_BY_KEY = 0x2000 };
#define SAVED_BY_KEY_HELP                                                                          \
    "Find items by their keys where the data set has others than the training; the rows of new "   \
    "ones are as before a training"

/* For parsers, not collective, as args_config_parse. */
error_t saved_parse(struct saved_request *request, int key, char *arg,
                    const struct argp_state *state);

/* Collective. Open the model of request->path with its parameters: those of a verified checkpoint,
 * or of a run directory's best (else newest) one, as its newest whole one knows it (damaged newer
 * ones are warned of; a damaged best one is an error; one that a training removes meanwhile is
 * looked for again); its configuration, then the request's pairs. A file without one (any HDF5 file
 * with /param) takes the defaults, and itself as the data set. Other items than those of the
 * training are refused unless by_key (jobs/engine/restore.h). *file, the checkpoint's name, is the
 * caller's; the run is to be closed. On failure there is neither. */
CHECKED enum status saved_open(struct comm *comm, const struct saved_request *request,
                               struct run *run, char **file);

#endif
