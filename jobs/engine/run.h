/* What train and evaluate share: the open data set, its feature tables, the model. */
#ifndef JOBS_ENGINE_RUN_H
#define JOBS_ENGINE_RUN_H
#include "core/models/model.h"
#include "core/repeats.h"
#include "io/dataset.h"
#include "io/item_map.h"
#include "jobs/engine/placement.h"
#include <jansson.h>

struct run {
    struct comm *comm;
    struct config config;
    struct dataset dataset;
    struct placement *placement;
    real *tables[OPTION_LIST]; /* frozen feature tables by modality, NULL for id: the rows that are
                                * here */
    json_t *provenance[OPTION_LIST]; /* of those tables (io/provenance.h), on rank 0; else NULL */
    struct tag_rows tag_rows;        /* of all items, for a model that reads tags */
    real *tag_vectors;
    struct item_graph graph;      /* of all items, for a model that reads one */
    struct sampler sampler;       /* of the training negatives */
    struct successors successors; /* for a model that reads them */
    struct model model;
    struct repeats repeats; /* in the training sequences; zero unless model.repeats counts them */
    bool by_key; /* rows of item tables were found by the items' keys (jobs/engine/restore.h) ... */
    struct item_counts item_counts; /* ... of so many items */
    real *other;                    /* parameters for the targets of the other domain than ... */
    int present;                    /* ... this one; NULL: those of the model are for both */
};

/* Collective; the same on all ranks. What a data set decides of the configuration: data.max_len
 * where it is 0; with one domain its stream is the whole sequence, and what concerns the mixed one
 * or two domains does not apply. STATUS_INPUT where that leaves nothing. */
CHECKED enum status run_settle(const struct comm *comm, const struct dataset *dataset,
                               struct config *config);

/* Collective. The sampler of the training negatives, by the popularity in the training sequences.
 */
CHECKED enum status run_open_sampler(const struct comm *comm, const struct dataset *dataset,
                                     const struct config *config, struct sampler *sampler);

/* Collective. `config` is checked and the same on all ranks. Takes what the BLAS needs of a limited
 * address space, reads the feature tables that the modalities name, normalises their rows, creates
 * the model with initial parameters. `clock` is that of the training that the model is of; NULL: the
 * training begins, with the clock of train.init or of the data set. On failure nothing stays open. */
CHECKED enum status run_open(struct run *run, struct comm *comm, const struct config *config,
                             const struct clock *clock, bool training);

/* Collective. The same with a data set that is open, which becomes the run's, also on failure. */
CHECKED enum status run_open_with(struct run *run, struct comm *comm, const struct config *config,
                                  const struct dataset *dataset, const struct clock *clock,
                                  bool training);

/* Collective. Start the rows of item tables as a new training would, from a feature table where
 * model.id_init says so; run_open does it for training. */
CHECKED enum status run_init_items(struct run *run);

/* Collective. Set run->repeats by the data set's training sequences, where model.repeats asks for it;
 * run_open does it for training. */
CHECKED enum status run_count_repeats(struct run *run);

/* Not collective. The model's parameters are from now on those for the targets of the second domain; the
 * caller puts those for the first in their place. Training is over: they are kept where the first moments
 * were, if there are any. */
void run_keep_second(struct run *run);

/* Not collective. The model gets the parameters for the targets of the domain. Were they others before? */
bool run_turn(struct run *run, int domain);

void run_close(struct run *run); /* not collective; safe on a zeroed object */

#endif
