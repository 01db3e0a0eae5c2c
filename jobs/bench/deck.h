/* The decks of cdsr bench: workloads that are the same everywhere. The data is made in memory
 * (io/synth_data.h); model, loss, batch and steps are fixed, and losses that were computed in double
 * precision tell whether the program still computes the same. Not collective, all ranks get the same. */
#ifndef JOBS_BENCH_DECK_H
#define JOBS_BENCH_DECK_H
#include "core/models/model.h"
#include "io/synth_data.h"
#include "jobs/launch/args.h"

enum { DECK_KEYS = 16, DECK_CHECKED = 8, DECK_REPETITIONS = 5 };

struct deck {
    const char *name;
    struct synth_recipe data;
    const char *keys[DECK_KEYS]; /* "key=value", NULL ends them */
    int64_t warmup, steps;       /* before the first repetition, and of each */

    /* Steps 1 .. of a run from the start whose losses are stored, with batches of this size. `loss` was
     * made by the double-precision build: cmake --build DIR --target cdsr_f64, then
     * cdsr_f64 bench --deck NAME --reference prints the rows. No step: nothing is stored. */
    int64_t checked, checked_batch;
    double loss[DECK_CHECKED][LOSS_TERMS];
};

#define DECK_NAMES "tiny, small, medium, large"

/* For parsers: the deck of that name; NULL after argp_error. */
const struct deck *deck_parse(const struct argp_state *state, const char *name);

/* Collective. The deck's configuration with the request's pairs, which may set what the rules let a run
 * choose: run.dir, train.placement and train.reproducible in a closed run, train.precision also in an
 * open one. STATUS_INPUT, naming the key, for another one. */
CHECKED enum status deck_config(const struct comm *comm, const struct deck *deck,
                                const struct args_config *request, bool open,
                                struct config *config);

/* Steps of a run of the shortest length: the warm-up and DECK_REPETITIONS. */
int64_t deck_steps(const struct deck *deck);

#endif
