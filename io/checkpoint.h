/* Parameters, optimizer moments and the state of a run in one HDF5 file (schema 8):
 *   /param/<name>, /optim/m/<name>, /optim/v/<name>   global logical shapes; attribute checksum; no
 *                                                     /optim where there are no moments
 *   /items/key_bytes, /items/key_offsets              whose the rows of item tables are, in
 *                                                     io/item_keys.h; attribute checksum
 *   /state                                            attributes, among them schema and checksum
 * The content does not depend on the number of ranks; any number may read it. A file appears under
 * its name only when complete (io/h5_writer.h). Files of single and double precision are read by
 * both.
 *
 * A tensor's checksum is its hash_elements as stored (core/hash.h): a sum over elements, so that it
 * is taken and verified by any number of ranks, each with its share of the rows, under either
 * placement. The checksum of /state covers its attributes and the names and checksums of all
 * tables; HDF5 itself has one for what describes the datasets.
 *
 * Of earlier versions: files of schemas 4 to 7 may have an average of the parameters in /param, and then
 * those that training goes on with in /optim/x; those of schema 6 know of no times; those of schema 5 of no
 * repeats; those of schema 4 have one best evaluation, which is that of both domains; those of schema 3 know
 * of no reductions of the learning rate; those of schema 2 have no keys; those of schema 1, and files of
 * others, have no checksums. */
#ifndef IO_CHECKPOINT_H
#define IO_CHECKPOINT_H
#include "core/clock.h"
#include "core/params.h"
#include "core/repeats.h"
#include "core/schedule.h"
#include "io/item_keys.h"
#include "io/item_map.h"
#include "mpi/comm.h"
#include <stdbool.h>

/* The evaluation with the highest figure so far. */
struct checkpoint_best {
    int64_t step; /* -1: none */
    int64_t epoch;
    double metric;
};

/* The checkpoints whose parameters rank the targets of domain d: one named twice, unless each domain has
 * its own best epoch. */
struct checkpoint_choice {
    bool per_domain;
    char *file[DOMAINS];
    int64_t step[DOMAINS];  /* -1: not known */
    uint64_t hash[DOMAINS]; /* of the parameters (checkpoint_params_hash), if it is asked for */
};

struct checkpoint_state {
    int64_t step;                         /* steps done */
    int64_t epoch;                        /* epoch in progress, 0 for the first */
    int64_t cursor;                       /* steps of it done */
    struct checkpoint_best best[DOMAINS]; /* for the targets of each domain: the same, unless
                                           * eval.select_domain is each */
    int64_t stale;                        /* evaluations since the later one */
    char *config;                         /* the resolved configuration, YAML */
    char *dataset_hash;                   /* content hash of the data set */
    char *items_hash;                     /* of its items, "": not known */
    int64_t domain_items[2];
    struct plateau plateau; /* of the learning rate */
    int64_t averaged;       /* of an earlier schema: steps in the average of the parameters, 0: none */
    struct repeats repeats; /* of the training sequences; zero: not counted */
    struct clock clock; /* of the training events, which the model reads; no knots: it does not */
};

/* Zero it; safe on a zeroed object. */
void checkpoint_state_free(struct checkpoint_state *state);
void checkpoint_choice_free(struct checkpoint_choice *choice);

/* Collective. All ranks hold the same `params`, but for tables that they share out, of which
 * each holds other rows; each writes its share of the rows and its `keys`. STATUS_FAIL, and nothing
 * is written, when a value is not finite: the line names tensor, step and rank. */
CHECKED enum status checkpoint_write(const struct comm *comm, const char *path,
                                     const struct params *params, const struct item_keys *keys,
                                     const struct checkpoint_state *state);

/* Collective. Are state, tensors and keys what was written? STATUS_INPUT, and a line that names the
 * first that is not, for a damaged file; STATUS_IO for one that cannot be opened. A file without
 * checksums passes. */
CHECKED enum status checkpoint_verify(const struct comm *comm, const char *path);

/* Collective. *path: the newest checkpoint of `directory` that passes, to be given to mem_free, or
 * NULL when there is none at all. Newer ones are damaged: there is a warning of each. STATUS_INPUT
 * when all of them are. */
CHECKED enum status checkpoint_newest_whole(const struct comm *comm, const char *directory,
                                            char **path);

/* Collective. Rank 0 renames the checkpoints of later steps, which are damaged, to F.damaged, so
 * that they neither count as the newest nor keep whole ones from being kept. */
CHECKED enum status checkpoint_set_aside(const struct comm *comm, const char *directory,
                                         int64_t step);

/* Collective. Every parameter from /param of any HDF5 file. With `moments`, to train on, /optim too, if the
 * parameters have those; where there is an /optim/x the values come from there. Other datasets of the file
 * are ignored. Does not verify. STATUS_INPUT when one is missing or has another shape. With a `map` the rows
 * of item tables go where it says, and rows of items that the file does not know stay as they are; NULL: row
 * i is item i's. */
CHECKED enum status checkpoint_read_params(const struct comm *comm, const char *path,
                                           const struct item_map *map, struct params *params,
                                           bool moments);

/* Collective. A hash of the names and values of all parameters, whatever the ranks and whichever rows of
 * tables they hold; the same on all ranks. */
uint64_t checkpoint_params_hash(const struct comm *comm, const struct params *params);

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
