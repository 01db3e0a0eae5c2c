/* A deck run by cdsr bench --deck: the proof that it computes what it should, figures of merit, and one
 * verdict. */
#ifndef JOBS_BENCH_DECK_RUN_H
#define JOBS_BENCH_DECK_RUN_H
#include "jobs/bench/deck.h"
#include "mpi/comm.h"

struct deck_request {
    const struct deck *deck;   /* NULL: there is none, but a configuration */
    struct args_config config; /* pairs alone with a deck */
    const char *output;        /* of the JSON; NULL: bench.json in the run directory */
    const char *scratch;       /* where checkpoints go; NULL: into the run directory */
    double minutes;            /* of training, at least; 0: five repetitions */
    bool open, reference;
};

/* Collective. STATUS_FAIL for a run that is INVALID, after that line; other failures after it too. */
CHECKED enum status deck_run(struct comm *comm, const struct deck_request *request);

#endif
