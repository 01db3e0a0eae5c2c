/* The checkpoint that a run goes on from (train --resume), and whether it may go on with the
 * settings and the data set of today. Nothing is written. */
#ifndef JOBS_ENGINE_RESUME_H
#define JOBS_ENGINE_RESUME_H
#include "io/checkpoint.h"
#include "jobs/engine/run.h"

struct resume {
    const struct comm *comm; /* borrowed */
    char *path;              /* NULL: the run has no checkpoint */
    struct checkpoint_state state;
    struct config was; /* the configuration that it was written under */
};

/* Collective. The newest whole checkpoint of `directory`; model.time=auto of `now` becomes the value
 * that it was written under. STATUS_INPUT, naming the key and both values, where `now` changes what
 * may not (options_may_change). */
CHECKED enum status resume_open(const struct comm *comm, const char *directory, struct config *now,
                                struct resume *resume);
void resume_close(struct resume *resume); /* not collective; safe on a zeroed object; zeroes it */

/* Not collective, the same on all ranks, rank 0 speaks. STATUS_INPUT unless the run has the data
 * set of the checkpoint, and the figure that selected the best epoch still does. */
CHECKED enum status resume_check(const struct resume *resume, const struct run *run);

/* Not collective. A warning of each setting that decides the result and is another one now. */
void resume_warn(const struct resume *resume, const struct config *now);

/* Not collective. Is that figure taken with other settings now? */
bool resume_scores_anew(const struct resume *resume, const struct config *now);

/* Not collective. The steps of `now`'s batch that the sequences which the epoch in progress has
 * seen, of `sequences` in all, are; those that do not fill a batch are seen again, which is warned
 * of. */
int64_t resume_cursor(const struct resume *resume, const struct config *now, int64_t sequences);

#endif
