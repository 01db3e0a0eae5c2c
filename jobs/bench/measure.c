#include "jobs/bench/measure.h"
#include "core/cost/cost.h"
#include "core/log.h"
#include "core/phase.h"
#include "jobs/engine/fit.h"
#include "jobs/engine/fit_memory.h"
#include "jobs/engine/restore.h"
#include <string.h>

const char *const stage_names[STAGES] = {
    "input", "encoder_forward", "loss", "encoder_backward", "reduction", "optimizer", "evaluation"};

/* The stage of every phase of a step. */
static const enum stage stage_of[PHASES] = {
    [PHASE_INPUT] = STAGE_INPUT,      [PHASE_FORWARD] = STAGE_ENCODER_FORWARD,
    [PHASE_LOSS] = STAGE_LOSS,        [PHASE_BACKWARD] = STAGE_ENCODER_BACKWARD,
    [PHASE_REDUCE] = STAGE_REDUCTION, [PHASE_OPTIMIZER] = STAGE_OPTIMIZER};

/* ---- beginning and end ---- */

bool bench_skips(const struct bench *b, const char *stage) {
    return options_skips(&b->run.config, stage);
}

/* A stage that cannot be left out becomes as small as it gets. */
static void shrink(struct config *config) {
    if (options_skips(config, "encoder"))
        config->model.blocks = 0;
    if (options_skips(config, "loss")) {
        if (!options_loss_draws_own(config))
            config->train.loss = LOSS_SAMPLED;
        config->train.negatives = config->train.bce_negatives = 1;
    }
}

enum status bench_open(struct bench *b, struct comm *comm, const struct config *given,
                       const struct dataset *data) {
    struct config config = *given;
    *b = (struct bench){.comm = comm};
    shrink(&config);
    TRY(data ? run_open_with(&b->run, comm, &config, data, NULL, true)
             : run_open(&b->run, comm, &config, NULL, true));
    TRY(restore_init(&b->run));
    if (bench_skips(b, "loss")) /* nor those over the items of the whole batch */
        b->run.model.whole_batch = false;
    TRY(stepper_open(&b->stepper, &b->run));
    b->stepper.without_reduction = bench_skips(b, "reduction");
    b->stepper.without_optimizer = bench_skips(b, "optimizer");
    if (!bench_skips(b, "evaluation"))
        TRY(evaluation_open(&b->valid, &b->run, SPLIT_VALID));
    b->fitted = model_is_fitted(&config);
    if (!b->fitted)
        loader_epoch(&b->stepper.loader, 0);
    return STATUS_OK;
}

void bench_close(struct bench *b) {
    evaluation_close(&b->valid);
    stepper_close(&b->stepper);
    run_close(&b->run);
    for (int p = 0; p < PHASES; p++)
        series_free(&b->phase[p]);
    series_free(&b->step);
    series_free(&b->evaluation);
    series_free(&b->fit);
}

/* ---- steps ---- */

/* Whole batches only, round and round the first epoch. */
static int64_t batch_of(const struct bench *b, int64_t step) {
    const struct loader *loader = &b->stepper.loader;
    int64_t whole = loader->train.count / loader->batch;
    return step % (whole > 0 ? whole : 1);
}

static enum status run_step(struct bench *b, struct phases *phases) {
    double loss[LOSS_TERMS];
    phases_start(phases, PHASE_INPUT);
    if (b->done == 0 || !bench_skips(b, "input"))
        b->sequences = stepper_load(&b->stepper, batch_of(b, b->done));
    b->done++;
    return stepper_compute(&b->stepper, b->done, b->run.config.train.lr, phases, loss);
}

/* What is left to sum when backward ends. Rows, and gradients by shares, are summed wholly then. */
static double reduced_bytes(const struct bench *b) {
    const struct stepper *s = &b->stepper;
    if (b->comm->size == 1)
        return 0;
    if (b->run.config.train.reproducible || model_by_rows(&b->run.model))
        return (double)sizeof(real) * (double)s->touched;
    return (double)s->reduce.left;
}

/* Of this rank. The reduction has its gradients to sum. */
static void count_step(struct bench *b) {
    const struct stepper *s = &b->stepper;
    const struct params *params = &b->run.model.params;
    double touched = (double)s->touched;
    bool lazy = b->run.config.train.optimizer == OPTIMIZER_LAZY_ADAMW;
    double moved = lazy ? touched : (double)params->total;
    for (int p = 0; p < PHASES; p++) {
        b->work[stage_of[p]].flops += s->work[p].flops;
        b->work[stage_of[p]].bytes += s->work[p].bytes;
    }
    struct tape_work update = cost_adamw(moved, touched);
    b->work[STAGE_REDUCTION].bytes += reduced_bytes(b);
    b->work[STAGE_OPTIMIZER].flops += update.flops;
    b->work[STAGE_OPTIMIZER].bytes += update.bytes;
    b->steps++;
}

/* The mean of the ranks of each phase; what a rank computed by itself stays its own. */
static void keep_seconds(struct bench *b, const struct phases *phases) {
    double mean[PHASES], step = 0;
    b->own += phases->seconds[PHASE_FORWARD] + phases->seconds[PHASE_LOSS] +
              phases->seconds[PHASE_BACKWARD];
    memcpy(mean, phases->seconds, sizeof mean);
    comm_sum_f64(b->comm, mean, PHASES);
    for (int p = 0; p < PHASES; p++) {
        series_add(&b->phase[p], mean[p] / b->comm->size);
        step += mean[p] / b->comm->size;
    }
    series_add(&b->step, step);
}

enum status bench_steps(struct bench *b, int64_t warmup, int64_t steps) {
    struct phases phases;
    for (int64_t k = 0; k < warmup + steps; k++) {
        TRY(run_step(b, &phases));
        log_progress("step %lld", (long long)b->done);
        if (k < warmup)
            continue;
        count_step(b);
        keep_seconds(b, &phases);
    }
    log_progress_end();
    return STATUS_OK;
}

/* ---- once, several times ---- */

/* `run` until `times` or `seconds` are over, which rank 0 decides. */
static enum status repeat(struct bench *b, enum status (*run)(struct bench *b), int times,
                          double seconds, struct series *out) {
    double sum = 0;
    for (int n = 0; n < times && sum < seconds; n++) {
        comm_wait(b->comm);
        double start = phase_clock();
        TRY(run(b));
        double took = phase_clock() - start;
        comm_bcast(b->comm, &took, sizeof took);
        series_add(out, took);
        sum += took;
    }
    return STATUS_OK;
}

static enum status evaluate_once(struct bench *b) {
    TRY(evaluation_run(&b->valid, &b->run, 1, &b->scores));
    b->ranking += b->valid.seconds;
    return STATUS_OK;
}

enum status bench_evaluate(struct bench *b, int times, double seconds) {
    TRY(repeat(b, evaluate_once, times, seconds, &b->evaluation));
    b->work[STAGE_EVALUATION] = b->valid.work;
    return STATUS_OK;
}

static enum status fit_once(struct bench *b) {
    return fit_run(&b->run);
}

enum status bench_fit(struct bench *b) {
    enum { TIMES = 3, SECONDS = 10 };
    return repeat(b, fit_once, TIMES, SECONDS, &b->fit);
}

/* ---- figures ---- */

/* Over all ranks and for a mean step; the reduction's is what each of them sees. */
static void sum_work(struct bench *b) {
    double reduced = b->work[STAGE_REDUCTION].bytes;
    comm_sum_f64(b->comm, (double *)b->work, 2 * STAGES);
    b->work[STAGE_REDUCTION].bytes = reduced;
    for (int s = 0; s < STAGE_EVALUATION && b->steps > 0; s++) {
        b->work[s].flops /= (double)b->steps;
        b->work[s].bytes /= (double)b->steps;
    }
}

/* The rate of products in a stage's precision. */
static double product_gflops(const struct bench *b, enum stage stage) {
    bool rounded = b->run.config.train.precision == PRECISION_BF16 && stage != STAGE_EVALUATION;
    return rounded ? b->peak.gemm_bf16_gflops : b->peak.sgemm_gflops;
}

/* Seconds that the bytes take at the peak; 0: nothing that was measured bounds them. What caches hold
 * moves faster than memory does, and rows are not summed as whole gradients are. */
static double move_seconds(const struct bench *b, enum stage stage) {
    double bytes = b->work[stage].bytes;
    if (stage == STAGE_REDUCTION)
        return b->comm->size == 1 || model_by_rows(&b->run.model)
                   ? 0
                   : bytes / (b->peak.allreduce_gbs * 1e9);
    return bytes > b->peak.cache_bytes ? bytes / (b->peak.triad_gbs * 1e9) : 0;
}

/* Above 1 the bound was none: NaN. */
static double fraction_of(double bound, double seconds) {
    return bound > 0 && bound <= seconds ? bound / seconds : NAN;
}

/* The bound: the seconds that the work takes at peak rates, over those it took. A stage with more bytes
 * than products has none where its bytes are not bound. */
static struct stage_rate make_rate(const struct bench *b, enum stage stage, double seconds) {
    struct tape_work work = b->work[stage];
    double compute = work.flops / (product_gflops(b, stage) * 1e9), move = move_seconds(b, stage);
    bool streams = work.bytes / (b->peak.triad_gbs * 1e9) > compute;
    return (struct stage_rate){seconds, work.flops / seconds / 1e9, work.bytes / seconds / 1e9,
                               fraction_of(streams ? move : compute, seconds)};
}

/* Of all ranks; what is no product of a fit has no peak. */
static void make_fit_figure(struct bench *b) {
    struct fit_cost cost;
    double seconds = series_median(&b->fit);
    fit_memory_cost(&b->run.model, &b->run.dataset, b->comm->size, &cost);
    double gflops = cost.flops * b->comm->size / seconds / 1e9;
    b->total =
        (struct stage_rate){seconds, gflops, 0, fraction_of(2 * gflops, b->peak.sgemm_gflops)};
}

static void make_step_figures(struct bench *b) {
    double flops = 0, seconds = series_median(&b->step);
    for (int p = 0; p < PHASES; p++) {
        enum stage stage = stage_of[p];
        b->stage[stage] = make_rate(b, stage, series_median(&b->phase[p]));
        if (stage != STAGE_OPTIMIZER)
            flops += b->work[stage].flops;
    }
    double gflops = flops / seconds / 1e9;
    b->total =
        (struct stage_rate){seconds, gflops, 0, fraction_of(gflops, product_gflops(b, STAGE_LOSS))};
}

void bench_figures(struct bench *b) {
    sum_work(b);
    b->peak_rss_mb = report_peak_rss_mb(b->comm); /* before the arrays of the yardstick */
    peak_rates(b->comm, &b->peak);
    if (b->run.config.train.precision == PRECISION_BF16)
        b->peak.gemm_bf16_gflops = peak_gemm_bf16(b->comm);
    if (!b->fitted)
        b->peak.allreduce_gbs = peak_allreduce(b->comm, &b->run.model.params);
    (b->fitted ? make_fit_figure : make_step_figures)(b);
    if (b->evaluation.n > 0)
        b->stage[STAGE_EVALUATION] = make_rate(b, STAGE_EVALUATION, series_median(&b->evaluation));
}
