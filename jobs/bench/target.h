/* Time to target, as MLPerf HPC takes it: trainings of several seeds until a figure of the validation
 * split is reached, the quickest and the slowest left out, the mean of the others. */
#ifndef JOBS_BENCH_TARGET_H
#define JOBS_BENCH_TARGET_H
#include "core/options.h"
#include "jobs/launch/args.h"
#include "mpi/comm.h"

enum { TARGET_LEAST_SEEDS = 3, TARGET_SEEDS = 64 };

struct target_request {
    char figure[OPTION_NAME]; /* of eval.select: mrr, ndcg@K, hr@K; "": none is asked for */
    double value;
    int64_t seeds;
};

/* For parsers: FIGURE=VALUE. EINVAL after argp_error. */
error_t target_parse(const struct argp_state *state, const char *text,
                     struct target_request *request);

/* Collective. Seeds run.seed, run.seed + 1, ...; the clock of each runs from opening the data set to the
 * evaluation (eval.every) that reaches the figure, of the targets that eval.select_domain says. The result
 * goes to standard output and as JSON to `output`, NULL: bench.json in the run directory. STATUS_FAIL, after
 * INVALID, where a seed does not get there within train.epochs and train.max_steps; STATUS_INPUT for a model
 * that is fitted and a run that is not evaluated. */
CHECKED enum status target_run(struct comm *comm, const struct config *config,
                               const struct target_request *request, const char *output);

#endif
