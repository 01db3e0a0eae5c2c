/* The training of an open run: for every epoch and step { batch, forward, backward and reduce, update,
 * log }; evaluate, keep the best, stop early. A model in closed form is fitted once instead, which counts
 * as one epoch of one step. */
#ifndef JOBS_ENGINE_TRAINER_H
#define JOBS_ENGINE_TRAINER_H
#include "core/schedule.h"
#include "io/checkpoint.h"
#include "io/protocol.h"
#include "io/report.h"
#include "jobs/engine/evaluation.h"
#include "jobs/engine/stepper.h"

struct trainer {
    struct comm *comm;             /* borrowed; the owner sets it, and opens and closes these: */
    struct run run;                /* before the trainer is opened */
    struct report report;          /* before training */
    char checkpoints[OPTION_PATH]; /* directory */
    double began_at;               /* clock, as are ... */
    double saved_at, logged_at;    /* ... these; all three before training */
    struct stepper stepper;
    struct schedule schedule; /* of the learning rate; not of a model that is fitted */
    struct evaluation valid;
    struct item_keys keys;
    struct checkpoint_state state; /* where the run stands */
    struct report_scores best;     /* of the latest best evaluation, with all targets ... */
    bool best_known;               /* ... if this process has them: no checkpoint does */
    char select[PROTOCOL_NAME];    /* what selects the best epoch */
    int64_t saved_step;            /* of the newest checkpoint, -1: none */
    double train_seconds, eval_seconds, io_seconds;
    int64_t steps;      /* of this process */
    const char *reason; /* why training ended */
    bool stopped;       /* for that reason the run is not complete */
};

/* Collective. What training needs of t->run, at the first step; where the run `begins`, with the
 * parameters of train.init. Whoever goes on from a checkpoint sets parameters, state and saved_step.
 * STATUS_INPUT as of stepper_open and restore_init. */
CHECKED enum status trainer_open(struct trainer *t, bool begins);
void trainer_close(struct trainer *t); /* collective; safe on a zeroed object */

/* Collective. Train until the run ends or stops, and save where it stands. STATUS_FAIL when numbers are
 * not finite or the ranks' parameters differ. */
CHECKED enum status trainer_train(struct trainer *t);

/* Not collective. Have the domains other best epochs? */
bool trainer_has_two_bests(const struct trainer *t);

/* Collective. Rank the best checkpoints with today's settings. The parameters are then those of one. */
CHECKED enum status trainer_judge_best(struct trainer *t);

/* Collective. The best parameters, of each domain where they differ (run_keep_second), take the place of
 * the present ones. */
CHECKED enum status trainer_take_best(struct trainer *t);

#endif
