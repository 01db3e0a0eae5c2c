/* What cdsr bench measures: steps of training, or a fit, and rankings of the validation split, stage by
 * stage, beside what the same processes reach on plain work (jobs/engine/peak.h). */
#ifndef JOBS_BENCH_MEASURE_H
#define JOBS_BENCH_MEASURE_H
#include "jobs/bench/series.h"
#include "jobs/engine/evaluation.h"
#include "jobs/engine/peak.h"
#include "jobs/engine/stepper.h"

enum stage {
    STAGE_INPUT,
    STAGE_ENCODER_FORWARD,
    STAGE_LOSS,
    STAGE_ENCODER_BACKWARD,
    STAGE_REDUCTION,
    STAGE_OPTIMIZER,
    STAGE_EVALUATION,
    STAGES
};
extern const char *const stage_names[STAGES];

struct stage_rate {
    double seconds, gflops, gbs;
    double fraction; /* of the peak that bounds it; NaN: none does */
};

struct bench {
    struct comm *comm;
    struct run run;
    struct stepper stepper;
    struct evaluation valid;
    struct tape_work work[STAGES]; /* over all ranks: of a mean step; of an evaluation */
    int64_t sequences, steps;      /* of a step; measured */
    int64_t done;                  /* since the start, the steps before them included */
    struct series phase[PHASES];   /* seconds of each step, mean of the ranks */
    struct series step;            /* of all phases */
    double own;                  /* of this rank, in forward, losses and backward of these steps */
    struct series evaluation;    /* seconds */
    double ranking;              /* of this rank, in these evaluations */
    struct report_scores scores; /* of the last one */
    bool fitted;                 /* there are no steps, but a fit of so many seconds */
    struct series fit;
    double peak_rss_mb;
    struct peak peak;
    struct stage_rate stage[STAGES], total;
};

/* Collective. Stages that bench.skip names are left out; `data`: the run's data set, which becomes its
 * own, NULL: the configuration names it. On failure bench_close it. */
CHECKED enum status bench_open(struct bench *bench, struct comm *comm, const struct config *config,
                               const struct dataset *data);
void bench_close(struct bench *bench); /* collective */

/* Not collective. Is the stage left out? */
bool bench_skips(const struct bench *bench, const char *stage);

/* Collective. `warmup` steps, then `steps` measured ones, each with the sequences that are next. */
CHECKED enum status bench_steps(struct bench *bench, int64_t warmup, int64_t steps);

/* Collective. Of a model in closed form: fit it three times, or as often as takes ten seconds. */
CHECKED enum status bench_fit(struct bench *bench);

/* Collective. Rank the validation split so many times, or until `seconds` have passed. */
CHECKED enum status bench_evaluate(struct bench *bench, int times, double seconds);

/* Collective, when all is measured: peaks, then the figures of every stage. Overwrites gradients. */
void bench_figures(struct bench *bench);

#endif
