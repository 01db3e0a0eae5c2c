/* Parameters, optimizer moments and the state of a run in one HDF5 file (schema 2):
 *   /param/<name>, /optim/m/<name>, /optim/v/<name>   global logical shapes; attribute checksum
 *   /state                                            attributes, among them schema and checksum
 * The content does not depend on the number of ranks; any number may read it. A file appears under
 * its name only when complete (io/h5). Files of single and double precision are read by both.
 *
 * A tensor's checksum is its hash_elements as stored (core/hash.h): a sum over elements, so that it
 * is taken and verified by any number of ranks, each with its share of the rows, under either
 * placement. The checksum of /state covers its attributes and the names and checksums of all
 * tensors; HDF5 itself has one for what describes the datasets. Files of schema 1, and files of
 * others, have none. */
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
 * each holds other rows; each writes its share of the rows. STATUS_FAIL, and nothing is written,
 * when a value is not finite: the line names tensor, step and rank. */
CHECKED enum status checkpoint_write(const struct comm *comm, const char *path,
                                     const struct params *params,
                                     const struct checkpoint_state *state);

/* Collective. Are state and tensors what was written? STATUS_INPUT, and a line that names the first
 * that is not, for a damaged file; STATUS_IO for one that cannot be opened. A file without
 * checksums passes. */
CHECKED enum status checkpoint_verify(const struct comm *comm, const char *path);

/* Collective. *path: the newest checkpoint of `directory` that passes, to be given to mem_free, or
 * NULL when there is none at all. Newer ones are damaged: there is a warning of each, and with
 * `rename` it becomes F.damaged, else nothing is changed. STATUS_INPUT when all of them are. */
CHECKED enum status checkpoint_newest_whole(const struct comm *comm, const char *directory,
                                            bool rename, char **path);

/* Collective. Every parameter from /param (and, with `moments`, /optim) of any HDF5 file; other
 * datasets of the file are ignored. Does not verify. STATUS_INPUT when one is missing or has
 * another shape. */
CHECKED enum status checkpoint_read_params(const struct comm *comm, const char *path,
                                           struct params *params, bool moments);

/* Collective. STATUS_INPUT when there is no /state, or when it is damaged. Strings are the
 * caller's. */
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
