/* cdsr bench: the steps of training and an evaluation, stage by stage, as seconds, operations and
 * bytes per second, beside what the same processes reach on a plain matrix product, in memory and
 * in a reduction. Of a model in closed form the fit takes the place of the steps. */
#include "core/cost/cost.h"
#include "core/gemm_bf16.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/config.h"
#include "io/file.h"
#include "io/output.h"
#include "jobs/engine/evaluation.h"
#include "jobs/engine/fit.h"
#include "jobs/engine/fit_memory.h"
#include "jobs/engine/peak.h"
#include "jobs/engine/restore.h"
#include "jobs/engine/stepper.h"
#include "jobs/job.h"
#include "jobs/launch/args.h"
#include <jansson.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request {
    struct args_config config;
    const char *output;
    bool overwrite;
};

enum { KEY_OVERWRITE = 0x100 };

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0,
     "Where the JSON goes (default: bench.json in the run directory); -: in place of the table", 0},
    {"overwrite", KEY_OVERWRITE, NULL, 0, "Replace an existing FILE", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *r = state->input;
    if (key == 'o') {
        r->output = arg;
        return 0;
    }
    if (key == KEY_OVERWRITE) {
        r->overwrite = true;
        return 0;
    }
    return args_config_parse(&r->config, key, arg, state, "configuration file");
}

/* ---- what is measured ---- */

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
static const char *const stage_names[STAGES] = {
    "input", "encoder_forward", "loss", "encoder_backward", "reduction", "optimizer", "evaluation"};

/* The stage of every phase of a step. */
static const enum stage stage_of[PHASES] = {
    [PHASE_INPUT] = STAGE_INPUT,      [PHASE_FORWARD] = STAGE_ENCODER_FORWARD,
    [PHASE_LOSS] = STAGE_LOSS,        [PHASE_BACKWARD] = STAGE_ENCODER_BACKWARD,
    [PHASE_REDUCE] = STAGE_REDUCTION, [PHASE_OPTIMIZER] = STAGE_OPTIMIZER};

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
    int64_t steps, sequences;      /* measured */
    double *seconds;               /* [PHASES + 1][steps], the last: of the whole step */
    double evaluation;             /* seconds */
    bool fitted;                   /* there are no steps, but a fit of so many seconds */
    double fit;
    double peak_rss_mb;
    struct peak peak;
    struct stage_rate stage[STAGES], total;
};

static bool skips(const struct bench *b, const char *stage) {
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

static enum status open_bench(struct bench *b, const struct config *given) {
    struct config config = *given;
    shrink(&config);
    TRY(run_open(&b->run, b->comm, &config, NULL, true));
    TRY(restore_init(&b->run));
    if (skips(b, "loss")) /* nor those over the items of the whole batch */
        b->run.model.whole_batch = false;
    TRY(stepper_open(&b->stepper, &b->run));
    b->stepper.without_reduction = skips(b, "reduction");
    b->stepper.without_optimizer = skips(b, "optimizer");
    if (!skips(b, "evaluation"))
        TRY(evaluation_open(&b->valid, &b->run, SPLIT_VALID));
    b->fitted = model_is_fitted(&config);
    b->steps = b->fitted ? 0 : config.bench.steps;
    b->seconds = mem_zero((PHASES + 1) * b->steps, sizeof *b->seconds);
    if (!b->fitted)
        loader_epoch(&b->stepper.loader, 0);
    return STATUS_OK;
}

static void close_bench(struct bench *b) {
    evaluation_close(&b->valid);
    stepper_close(&b->stepper);
    run_close(&b->run);
    mem_free(b->seconds);
}

/* ---- steps ---- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int64_t n) {
    qsort(x, (size_t)n, sizeof *x, by_value);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

/* Whole batches only, round and round the first epoch. */
static int64_t batch_of(const struct bench *b, int64_t step) {
    const struct loader *loader = &b->stepper.loader;
    int64_t whole = loader->train.count / loader->batch;
    return step % (whole > 0 ? whole : 1);
}

static enum status run_step(struct bench *b, int64_t step, struct phases *phases) {
    double loss[LOSS_TERMS];
    phases_start(phases, PHASE_INPUT);
    if (step == 0 || !skips(b, "input"))
        b->sequences = stepper_load(&b->stepper, batch_of(b, step));
    return stepper_compute(&b->stepper, step + 1, b->run.config.train.lr, phases, loss);
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
    struct tape_work average = cost_average(params->average ? (double)params->total : 0);
    b->work[STAGE_REDUCTION].bytes += b->comm->size > 1 ? (double)sizeof(real) * touched : 0;
    b->work[STAGE_OPTIMIZER].flops += update.flops + average.flops;
    b->work[STAGE_OPTIMIZER].bytes += update.bytes + average.bytes;
}

/* Over all ranks; the reduction's is what each of them sees. */
static void sum_work(struct bench *b) {
    double reduced = b->work[STAGE_REDUCTION].bytes;
    comm_sum_f64(b->comm, (double *)b->work, 2 * STAGES);
    b->work[STAGE_REDUCTION].bytes = reduced;
    for (int s = 0; s < STAGE_EVALUATION; s++) {
        b->work[s].flops /= (double)b->steps;
        b->work[s].bytes /= (double)b->steps;
    }
}

static enum status run_steps(struct bench *b) {
    int64_t warmup = b->run.config.bench.warmup;
    struct phases phases;
    for (int64_t k = 0; k < warmup + b->steps; k++) {
        int64_t at = k - warmup;
        TRY(run_step(b, k, &phases));
        log_progress("step %lld of %lld", (long long)k + 1, (long long)(warmup + b->steps));
        if (at < 0)
            continue;
        count_step(b);
        for (int p = 0; p < PHASES; p++)
            b->seconds[p * b->steps + at] = phases.seconds[p];
        b->seconds[PHASES * b->steps + at] = phases_total(&phases);
    }
    comm_sum_f64(b->comm, b->seconds, (PHASES + 1) * b->steps);
    for (int64_t i = 0; i < (PHASES + 1) * b->steps; i++)
        b->seconds[i] /= b->comm->size;
    return STATUS_OK;
}

/* Median of three, or of as many as take ten seconds. */
static enum status time_of(struct bench *b, enum status (*run)(struct bench *b), double *out) {
    enum { TIMES = 3 };
    double seconds[TIMES], sum = 0;
    int n = 0;
    while (n < TIMES && sum < 10) {
        double start = phase_clock();
        TRY(run(b));
        seconds[n] = phase_clock() - start;
        comm_bcast(b->comm, &seconds[n], sizeof seconds[n]);
        sum += seconds[n++];
    }
    *out = median(seconds, n);
    return STATUS_OK;
}

static enum status evaluate_once(struct bench *b) {
    struct report_scores scores;
    return evaluation_run(&b->valid, &b->run, 1, &scores);
}

static enum status run_evaluation(struct bench *b) {
    TRY(time_of(b, evaluate_once, &b->evaluation));
    b->work[STAGE_EVALUATION] = b->valid.work;
    return STATUS_OK;
}

static enum status fit_once(struct bench *b) {
    return fit_run(&b->run);
}

/* ---- figures ---- */

/* The bound: the seconds that the work takes at peak rates, over those it took. */
static struct stage_rate make_rate(const struct bench *b, enum stage stage, double seconds) {
    struct tape_work work = b->work[stage];
    double bandwidth = stage == STAGE_REDUCTION ? b->peak.allreduce_gbs : b->peak.triad_gbs;
    double compute = work.flops / (b->peak.sgemm_gflops * 1e9),
           move = work.bytes / (bandwidth * 1e9);
    double bound = compute > move ? compute : move;
    return (struct stage_rate){seconds, work.flops / seconds / 1e9, work.bytes / seconds / 1e9,
                               bound > 0 ? bound / seconds : NAN};
}

/* Of all ranks; what is no product of a fit has no peak. */
static void make_fit_figure(struct bench *b) {
    struct fit_cost cost;
    fit_memory_cost(&b->run.model, &b->run.dataset, b->comm->size, &cost);
    double gflops = cost.flops * b->comm->size / b->fit / 1e9;
    b->total = (struct stage_rate){b->fit, gflops, 0,
                                   gflops > 0 ? 2 * gflops / b->peak.sgemm_gflops : NAN};
    b->stage[STAGE_EVALUATION] = make_rate(b, STAGE_EVALUATION, b->evaluation);
}

static void make_figures(struct bench *b) {
    double flops = 0, seconds = median(b->seconds + PHASES * b->steps, b->steps);
    for (int p = 0; p < PHASES; p++) {
        enum stage stage = stage_of[p];
        b->stage[stage] = make_rate(b, stage, median(b->seconds + p * b->steps, b->steps));
        if (stage != STAGE_OPTIMIZER)
            flops += b->work[stage].flops;
    }
    b->total = (struct stage_rate){seconds, flops / seconds / 1e9, 0,
                                   flops / seconds / 1e9 / b->peak.sgemm_gflops};
    b->stage[STAGE_EVALUATION] = make_rate(b, STAGE_EVALUATION, b->evaluation);
}

/* ---- output ---- */

/* Encoder and loss are never left out wholly. */
static bool shown(const struct bench *b, int stage) {
    return stage == STAGE_ENCODER_FORWARD || stage == STAGE_ENCODER_BACKWARD ||
           stage == STAGE_LOSS || !skips(b, stage_names[stage]);
}

static json_t *number(double x) {
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *rate_json(const struct stage_rate *f) {
    json_t *object = json_object();
    json_object_set_new(object, "seconds", number(f->seconds));
    json_object_set_new(object, "gflops", number(f->gflops));
    json_object_set_new(object, "gbs", number(f->gbs));
    json_object_set_new(object, "fraction", number(f->fraction));
    return object;
}

static json_t *peak_json(const struct peak *peak) {
    json_t *object = json_object();
    json_object_set_new(object, "sgemm_gflops", number(peak->sgemm_gflops));
    json_object_set_new(object, "copy_gbs", number(peak->copy_gbs));
    json_object_set_new(object, "triad_gbs", number(peak->triad_gbs));
    json_object_set_new(object, "allreduce_gbs", number(peak->allreduce_gbs));
    return object;
}

static json_t *step_json(const struct bench *b) {
    json_t *object = json_object();
    json_object_set_new(object, "seconds", number(b->total.seconds));
    json_object_set_new(object, "useful_gflops", number(b->total.gflops));
    json_object_set_new(object, "fraction_of_peak", number(b->total.fraction));
    json_object_set_new(object, "sequences_per_s", number((double)b->sequences / b->total.seconds));
    return object;
}

static json_t *skip_json(const struct names *skip) {
    json_t *list = json_array();
    for (int i = 0; i < skip->count; i++)
        json_array_append_new(list, json_string(skip->name[i]));
    return list;
}

static void put_steps(const struct bench *b, json_t *object) {
    json_t *stages = json_object();
    for (int s = 0; s < STAGE_EVALUATION; s++)
        if (shown(b, s))
            json_object_set_new(stages, stage_names[s], rate_json(&b->stage[s]));
    json_object_set_new(object, "step", step_json(b));
    json_object_set_new(object, "stages", stages);
    json_object_set_new(object, "steps", json_integer(b->steps));
    json_object_set_new(object, "batch", json_integer(b->sequences));
}

static json_t *bench_json(const struct bench *b) {
    json_t *object = json_object();
    json_object_set_new(object, "peak", peak_json(&b->peak));
    if (b->fitted)
        json_object_set_new(object, "fit", rate_json(&b->total));
    else
        put_steps(b, object);
    if (shown(b, STAGE_EVALUATION))
        json_object_set_new(object, "evaluation", rate_json(&b->stage[STAGE_EVALUATION]));
    json_object_set_new(object, "skipped", skip_json(&b->run.config.bench.skip));
    if (b->run.config.train.precision == PRECISION_BF16)
        json_object_set_new(object, "gemm_bf16", json_string(gemm_bf16_kernel()->name));
    json_object_set_new(object, "peak_rss_mb", number(b->peak_rss_mb));
    json_object_set_new(object, "ranks", json_integer(b->comm->size));
    json_object_set_new(object, "threads", json_integer(omp_get_max_threads()));
    return object;
}

static enum status write_json(const struct bench *b, const char *output) {
    char path[2 * OPTION_PATH];
    json_t *object = bench_json(b);
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    json_decref(object);
    snprintf(path, sizeof path, "%s/bench.json", b->run.config.run.dir);
    enum status status = output ? STATUS_OK : file_make_directory(b->run.config.run.dir);
    if (status == STATUS_OK)
        status = output_write(output ? output : path, text);
    free(text);
    return status;
}

static void print_rate(const char *name, const struct stage_rate *f) {
    printf("%-18s%12.6f%12.2f%12.2f", name, f->seconds, f->gflops, f->gbs);
    if (isfinite(f->fraction))
        printf("%12.3f\n", f->fraction);
    else
        printf("%12s\n", "-");
}

static void print_steps(const struct bench *b) {
    for (int s = 0; s < STAGE_EVALUATION; s++)
        if (shown(b, s))
            print_rate(stage_names[s], &b->stage[s]);
    printf("%-18s%12.6f%12.2f%12s%12.3f   %.1f sequences/s\n", "step", b->total.seconds,
           b->total.gflops, "", b->total.fraction, (double)b->sequences / b->total.seconds);
}

static void print_text(const struct bench *b) {
    const struct peak *peak = &b->peak;
    printf("peak of %d ranks x threads %d: sgemm %.1f GFLOP/s, copy %.1f GB/s, triad %.1f GB/s",
           b->comm->size, omp_get_max_threads(), peak->sgemm_gflops, peak->copy_gbs,
           peak->triad_gbs);
    if (isfinite(peak->allreduce_gbs))
        printf(", allreduce %.1f GB/s", peak->allreduce_gbs);
    if (b->run.config.train.precision == PRECISION_BF16)
        printf(", products in bfloat16 by %s", gemm_bf16_kernel()->name);
    printf("\n%-18s%12s%12s%12s%12s\n", "stage", "seconds", "GFLOP/s", "GB/s", "of peak");
    if (b->fitted)
        print_rate("fit", &b->total);
    else
        print_steps(b);
    if (shown(b, STAGE_EVALUATION))
        print_rate(stage_names[STAGE_EVALUATION], &b->stage[STAGE_EVALUATION]);
    printf("peak memory per rank %.1f MB\n", b->peak_rss_mb);
}

/* ---- the job ---- */

static enum status measure(struct bench *b, const char *output) {
    TRY(b->fitted ? time_of(b, fit_once, &b->fit) : run_steps(b));
    if (!skips(b, "evaluation"))
        TRY(run_evaluation(b));
    sum_work(b);
    b->peak_rss_mb = report_peak_rss_mb(b->comm); /* before the arrays of the yardstick */
    if (b->fitted)
        peak_rates(b->comm, &b->peak);
    else
        peak_measure(b->comm, &b->run.model.params, &b->peak);
    (b->fitted ? make_fit_figure : make_figures)(b);
    if (b->comm->rank == 0 && (!output || !output_is_stdout(output)))
        print_text(b);
    return COMM_ON_ROOT(b->comm, write_json(b, output));
}

enum status job_bench(struct comm *comm, int argc, char **argv) {
    static const struct argp argp = {
        options,
        parse,
        "CONFIG.yaml [KEY=VALUE...]",
        "Measure the stages of training beside this machine's own peak. bench.steps, bench.warmup "
        "and bench.skip say what is measured.",
        NULL,
        NULL,
        NULL};
    struct request request = {0};
    struct bench bench = {.comm = comm};
    struct config config;
    enum status status;
    bool done;
    TRY(args_parse(comm, &argp, argc, argv, &request, &done));
    if (done)
        return STATUS_OK;
    if (request.output)
        TRY(output_check(comm, request.output, OUTPUT_TEXT, request.overwrite));
    TRY(config_load(comm, request.config.path, request.config.pairs, request.config.npairs,
                    &config));
    status = open_bench(&bench, &config);
    if (status == STATUS_OK)
        status = measure(&bench, request.output);
    close_bench(&bench);
    return status;
}
