/* What a plan is made for: the sequences of a data set, read whole, and of its item tables the
 * widths. Or a synthetic one that no file has: a catalogue of any size, and as many sequences over
 * it (io/synth) as the steps of a plan take. */
#ifndef JOBS_PLAN_DATA_H
#define JOBS_PLAN_DATA_H
#include "io/dataset.h"
#include "jobs/engine/run.h"

/* Sequences that are made: 256 for each of 1,024 ranks; more where a step takes more. */
enum { SYNTHETIC_SEQUENCES = 1 << 18 };

struct plan_data {
    struct dataset dataset;
    struct sequences train, valid; /* of a synthetic one some of them */
    struct catalogue shape;        /* no rows: widths, and offsets of the tags */
    struct tag_rows tags;
    struct sampler sampler;
    struct successors successors; /* for a model that reads them */
    struct config config;         /* as run_settle leaves it */
    double mean_targets;          /* of a training sequence, in the mixed stream */
    int64_t base; /* bytes of the process with MPI and the libraries, without sequences */
};

/* Collective; the same on all ranks. `recipe`: of a synthetic one, of which there are sequences for
 * steps of up to `batch`; NULL: the configuration names a data set. STATUS_INPUT for a bad data set or
 * one without training sequences, and for a model that reads tags where the data is synthetic. On
 * failure nothing stays open. */
CHECKED enum status plan_data_open(struct plan_data *data, const struct comm *comm,
                                   const struct config *config, const struct synth_recipe *recipe,
                                   int64_t batch);
void plan_data_close(struct plan_data *data); /* not collective */

/* Bytes of a rank while an epoch is dealt (io/shard.c): its block of the training sequences with
 * offsets, costs, places and shares, what comes from other ranks, and its hand, which is a part of them
 * all; and its hand of the validation split. */
int64_t plan_data_bytes(const struct plan_data *data, int64_t ranks);

#endif
