/* What ranks the items for histories: the model of one run, or the models of several runs on the same
 * data set together (core/catalogue/blend.h). */
#ifndef JOBS_ENGINE_RANKER_H
#define JOBS_ENGINE_RANKER_H
#include "core/catalogue/query.h"
#include "jobs/engine/run.h"

enum { RANKER_BATCH = 256, RANKER_RUNS = 16 }; /* samples of a query, runs, at most */

/* What one run has made of its parameters and of the histories at hand. */
struct ranker_part {
    struct run *run;
    struct tape tape, item_tape;
    struct batch batch;
    struct item_view items; /* of all local items ... */
    bool viewed;            /* ... once a domain was begun */
};

struct ranker {
    int parts, domain;
    struct ranker_part *part; /* [parts] */
    struct query *asked;      /* [parts] by each */
    struct tape_work work;    /* of this rank, for all views and queries so far */
};

/* Collective. Of the runs' parameters; all runs have the placement of the first. They outlive the
 * ranker. */
void ranker_open(struct ranker *ranker, struct run *runs, int count);

/* Collective. From now on the items of this domain are asked for, of which each run has its parameters
 * (run_turn). */
void ranker_begin(struct ranker *ranker, int domain);
void ranker_close(struct ranker *ranker); /* not collective; zeroes it */

/* Do the ranks share the items out, so that they rank together? */
bool ranker_is_shared(const struct ranker *ranker);

/* Samples of this rank that are ranked at a time: RANKER_BATCH, or where those of all ranks are, as
 * many on all. */
int64_t ranker_batch(const struct ranker *ranker);

/* What the histories ask of the items of the domain, and the memory for its ranking; both are valid until
 * the next call. Collective where the ranks share the items out; n may be 0 then. */
struct arena *ranker_ask(struct ranker *ranker, const struct sample *samples, int64_t n,
                         struct query *query);

#endif
