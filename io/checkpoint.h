/* Parameters, optimizer moments and the state of a run in one HDF5 file:
 *   /param/<name>, /optim/m/<name>, /optim/v/<name>   global logical shapes
 *   /state                                            attributes
 * The content does not depend on the number of ranks; any number may read it. A file appears under
 * its name only when complete (io/h5). Files of single and double precision are read by both. */
#ifndef IO_CHECKPOINT_H
#define IO_CHECKPOINT_H
#include "core/params.h"
#include "mpi/comm.h"
#include <stdbool.h>

struct checkpoint_state {
    int64_t step;                         /* steps done */
    int64_t epoch;                        /* epoch in progress, 0 for the first */
    int64_t cursor;                       /* steps of it done */
    int64_t best_step, best_epoch, stale; /* best evaluation so far (-1: none), epochs since */
    double best_metric;
    char *config;       /* the resolved configuration, YAML */
    char *dataset_hash; /* content hash of the data set */
};

void checkpoint_state_free(struct checkpoint_state *state); /* zeroes it */

/* Collective. All ranks hold the same `params`, but for tables that they share out, of which
 * each holds other rows; each writes its share of the rows. */
CHECKED enum status checkpoint_write(const struct comm *comm, const char *path,
                                     const struct params *params,
                                     const struct checkpoint_state *state);

/* Collective. Every parameter from /param (and, with `moments`, /optim) of any HDF5 file; other
 * datasets of the file are ignored. STATUS_INPUT when one is missing or has another shape. */
CHECKED enum status checkpoint_read_params(const struct comm *comm, const char *path,
                                           struct params *params, bool moments);

/* Collective. STATUS_INPUT when there is no /state. Strings are the caller's. */
CHECKED enum status checkpoint_read_state(const struct comm *comm, const char *path,
                                          struct checkpoint_state *state);

/* Collective. Does the file have a /state? */
CHECKED enum status checkpoint_has_state(const struct comm *comm, const char *path, bool *has);

/* Collective. The steps of the files step-<n>.h5 in `directory`, ascending; the caller frees
 * *steps. A directory that is not there has none. */
void checkpoint_list(const struct comm *comm, const char *directory, int64_t **steps, int *count);

/* "directory/step-<n>.h5", to be freed with mem_free. */
char *checkpoint_path(const char *directory, int64_t step);

#endif
