/* cdsr train: open, build the model, resume; train (jobs/engine/trainer.h); evaluate the best parameters,
 * report. */
#include "core/log.h"
#include "io/config.h"
#include "jobs/engine/resume.h"
#include "jobs/engine/trainer.h"
#include "jobs/job.h"
#include "jobs/launch/args.h"
#include "jobs/launch/launch.h"
#include "jobs/launch/stop.h"
#include <omp.h>
#include <stdio.h>
#include <string.h>

struct request {
    struct args_config config;
    bool resume, overwrite;
};

enum { KEY_RESUME = 0x3000, KEY_OVERWRITE };

static const struct argp_option options[] = {
    {"resume", KEY_RESUME, NULL, 0, "Go on from the newest checkpoint of the run directory", 0},
    {"overwrite", KEY_OVERWRITE, NULL, 0, "Replace the run in the run directory", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *r = state->input;
    switch (key) {
    case KEY_RESUME:
        r->resume = true;
        return 0;
    case KEY_OVERWRITE:
        r->overwrite = true;
        return 0;
    case ARGP_KEY_END:
        if (r->resume && r->overwrite) {
            argp_error(state, "--resume and --overwrite exclude each other");
            return EINVAL;
        }
    }
    return args_config_parse(&r->config, key, arg, state, "configuration file");
}

/* ---- beginning ---- */

/* Where the run stands is what the checkpoint says; today's configuration counts. */
static enum status go_on(struct trainer *t, const struct resume *resume) {
    const struct config *c = &t->run.config;
    const struct checkpoint_state *was = &resume->state;
    struct checkpoint_state *state = &t->state;
    TRY(resume_check(resume, &t->run));
    resume_warn(resume, c);
    state->step = t->saved_step = was->step;
    state->epoch = was->epoch;
    state->cursor = resume_cursor(resume, c, t->run.dataset.counts[SPLIT_TRAIN]);
    memcpy(state->best, was->best, sizeof state->best);
    state->stale = was->stale;
    state->plateau = was->plateau;
    if (was->best[0].step >= 0 && c->eval.every > 0 && resume_scores_anew(resume, c))
        TRY(trainer_judge_best(t));
    TRY(checkpoint_read_params(t->comm, resume->path, NULL, &t->run.model.params, true));
    log_info("resumed at step %lld from %s", (long long)was->step, resume->path);
    return STATUS_OK;
}

/* What the run needs, and where it starts from. */
static enum status open_run(struct trainer *t, struct resume *resume, const struct config *config) {
    bool begins = resume->path == NULL;
    TRY(run_open(&t->run, t->comm, config, begins ? NULL : &resume->state.clock, true));
    TRY(trainer_open(t, begins));
    return begins ? STATUS_OK : go_on(t, resume);
}

/* The run directory stays as it is until nothing is in the way. */
static enum status open_training(struct trainer *t, struct resume *resume, struct config *config,
                                 const struct request *request) {
    enum report_mode mode = request->resume      ? REPORT_RESUME
                            : request->overwrite ? REPORT_OVERWRITE
                                                 : REPORT_REFUSE;
    TRY(report_open(t->comm, config, mode, &t->report));
    report_path(&t->report, "checkpoints", t->checkpoints);
    if (request->resume)
        TRY(resume_open(t->comm, t->checkpoints, config, resume));
    TRY(open_run(t, resume, config));
    TRY(report_begin(&t->report, &t->run.config, t->state.step));
    if (resume->path)
        TRY(checkpoint_set_aside(t->comm, t->checkpoints, t->state.step));
    resume_close(resume);
    t->began_at = t->saved_at = t->logged_at = phase_clock();
    return STATUS_OK;
}

static void close_training(struct trainer *t, struct resume *resume) {
    report_close(&t->report);
    resume_close(resume);
    trainer_close(t);
    run_close(&t->run);
}

static int64_t learned_numbers(const struct params *params) {
    int64_t n = 0;
    for (int i = 0; i < params->count; i++)
        n += param_size(&params->list[i]);
    return n;
}

static void log_start(struct trainer *t) {
    bool fitted = model_is_fitted(&t->run.config);
    struct report_start start = {&t->run.dataset, omp_get_max_threads(),
                                 learned_numbers(&t->run.model.params),
                                 fitted ? 1 : loader_steps(&t->stepper.loader), t->state.step};
    report_start(&t->report, &start);
    log_info("data %s: items %lld + %lld, sequences %lld; %s: parameters %lld; ranks %d x "
             "threads %d",
             t->run.dataset.name, (long long)t->run.dataset.domain_items[0],
             (long long)t->run.dataset.domain_items[1],
             (long long)t->run.dataset.counts[SPLIT_TRAIN], t->run.config.model.name,
             (long long)start.parameters, t->comm->size, start.threads);
    if (fitted)
        log_info("%s is fitted in closed form, once: keys of epochs, steps, losses and encoders do "
                 "not apply",
                 t->run.config.model.name);
    if (t->run.config.model.repeats == REPEATS_COUNTED) {
        char repeats[REPORT_REPEATS];
        log_info("%s", report_repeats(&t->run.repeats, &t->run.dataset, repeats));
    }
    if (t->run.model.catalogue.clock.knots > 0)
        log_info("time: states change with that of the events, knots %d",
                 t->run.model.catalogue.clock.knots);
    if (t->run.dataset.domain_items[1] == 0)
        log_info("one domain: its sequences are the only stream; the streams' "
                 "weights, model.mixed_softmax and model.share_encoders do not apply");
}

/* ---- end ---- */

/* The run goes on from its last checkpoint with --resume. */
static enum status stop(struct trainer *t) {
    struct report_end end = {STATUS_STOPPED, t->state.step, t->state.epoch,
                             t->train_seconds + t->eval_seconds + t->io_seconds, t->reason};
    report_end(&t->report, &end);
    log_warn("stopped by %s after step %lld, which is saved; go on with --resume", t->reason,
             (long long)t->state.step);
    return STATUS_STOPPED;
}

/* Validation and test with the best parameters, and the popularity baseline. */
static enum status final_scores(struct trainer *t, struct report_results *results) {
    double start = phase_clock();
    TRY(trainer_take_best(t));
    char ranks[OPTION_PATH];
    report_path(&t->report, "ranks.h5", ranks);
    bool known = t->best_known && !trainer_has_two_bests(t);
    TRY(evaluation_splits(&t->run, 1, known ? &t->best : NULL,
                          t->run.config.log.ranks ? ranks : NULL, results));
    t->eval_seconds += phase_clock() - start;
    return STATUS_OK;
}

static enum status conclude(struct trainer *t) {
    struct report_results results = {.config = &t->run.config,
                                     .dataset = &t->run.dataset,
                                     .provenance = t->run.provenance,
                                     .repeats = &t->run.repeats,
                                     .ranks = t->comm->size,
                                     .threads = omp_get_max_threads(),
                                     .per_domain = t->state.best[0].step >= 0 &&
                                                   options_select_each(&t->run.config),
                                     .valid = true};
    if (t->run.config.eval.every > 0)
        TRY(final_scores(t, &results));
    for (int d = 0; d < DOMAINS; d++) {
        results.best_epoch[d] = t->state.best[d].epoch;
        results.best_metric[d] = t->state.best[d].metric;
    }
    results.epochs = t->state.epoch;
    results.timed_epochs = model_is_fitted(&t->run.config)
                               ? t->train_seconds > 0
                               : (double)t->steps / (double)loader_steps(&t->stepper.loader);
    results.train_seconds = t->train_seconds;
    results.eval_seconds = t->eval_seconds;
    results.io_seconds = t->io_seconds;
    results.peak_rss_mb = report_peak_rss_mb(t->comm);
    struct report_end end = {STATUS_OK, t->state.step, t->state.epoch,
                             t->train_seconds + t->eval_seconds + t->io_seconds, t->reason};
    report_end(&t->report, &end);
    TRY(report_finish(&t->report, &results));
    if (t->comm->rank == 0)
        report_print_results(stdout, &results);
    return STATUS_OK;
}

/* The exit status tells the kind of failure, the line on stderr which. */
static void tell_failure(struct trainer *t, enum status status) {
    struct report_end end = {status, t->state.step, t->state.epoch,
                             t->train_seconds + t->eval_seconds + t->io_seconds, "failed"};
    report_end(&t->report, &end);
}

static enum status run_training(struct trainer *t) {
    log_start(t);
    TRY(trainer_train(t));
    return t->stopped ? stop(t) : conclude(t);
}

static void check_launch(const struct comm *comm) {
    struct launch launch;
    launch_open(&launch, comm, log_warn);
    launch_check(&launch);
    launch_close(&launch);
}

enum status job_train(struct comm *comm, int argc, char **argv) {
    static const struct argp argp = {options,
                                     parse,
                                     "CONFIG.yaml [KEY=VALUE...]",
                                     "Train a model and evaluate it on the full item space.",
                                     NULL,
                                     NULL,
                                     NULL};
    struct request request = {0};
    struct trainer t = {.comm = comm};
    struct resume resume = {0};
    struct config config;
    enum status status;
    bool done;
    TRY(args_parse(comm, &argp, argc, argv, &request, &done));
    if (done)
        return STATUS_OK;
    TRY(config_load(comm, request.config.path, request.config.pairs, request.config.npairs,
                    &config));
    stop_watch(config.run.time_limit, config.run.margin);
    TRY_GOTO(status, open_training(&t, &resume, &config, &request), close);
    check_launch(comm);
    status = run_training(&t);
    if (status != STATUS_OK && status != STATUS_STOPPED)
        tell_failure(&t, status);
close:
    close_training(&t, &resume);
    return status;
}
