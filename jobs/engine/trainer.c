/* Training itself, from top to bottom: a step, checkpoints, validation, the loop over epochs; then the best
 * parameters, and what all of it needs. */
#include "jobs/engine/trainer.h"
#include "core/fault.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/text.h"
#include "io/config.h"
#include "jobs/engine/fit.h"
#include "jobs/engine/restore.h"
#include "jobs/launch/stop.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct config *config_of(const struct trainer *t) {
    return &t->run.config;
}

/* ---- one step ---- */

/* In steps of today's batch, which are those that were made unless it has changed. */
static int64_t steps_done(const struct trainer *t) {
    return t->state.epoch * loader_steps(&t->stepper.loader) + t->state.cursor;
}

/* Of the next step. */
static double learning_rate(const struct trainer *t) {
    return schedule_rate(&t->schedule, steps_done(t), &t->state.plateau);
}

/* Seconds until the last step, evaluations and checkpoints included, if the others take as long as those
 * of this process; patience may end training before. */
static double seconds_left(const struct trainer *t, double now) {
    const struct config *c = config_of(t);
    int64_t left = c->train.epochs * loader_steps(&t->stepper.loader) - steps_done(t);
    int64_t limit = c->train.max_steps - t->state.step;
    if (c->train.max_steps > 0 && limit < left)
        left = limit;
    return (double)left * (now - t->began_at) / (double)t->steps;
}

static void log_step(struct trainer *t, const struct phases *phases, const double loss[LOSS_TERMS],
                     double lr, int64_t sequences) {
    const struct config *c = config_of(t);
    const struct model *model = &t->run.model;
    char left[TEXT_DURATION];
    double total = 0, seconds = phases_total(phases), now = phase_clock();
    for (int k = 0; k < model->losses; k++)
        total += model->loss[k].weight * loss[k];
    struct report_step step = {.step = t->state.step,
                               .epoch = t->state.epoch + 1,
                               .losses = model->losses,
                               .term = model->loss,
                               .loss = loss,
                               .loss_total = total,
                               .lr = lr,
                               .sequences_per_s = (double)sequences / seconds,
                               .phases = phases};
    if (c->log.every_steps > 0 && t->state.step % c->log.every_steps == 0)
        report_step(&t->report, &step);
    log_progress("epoch %lld of %lld, step %lld of %lld, loss %.4f, %.0f sequences/s, %s%s left",
                 (long long)step.epoch, (long long)c->train.epochs, (long long)t->state.cursor,
                 (long long)loader_steps(&t->stepper.loader), total, step.sequences_per_s,
                 c->train.patience > 0 ? "at most " : "",
                 text_duration(seconds_left(t, now), left));
    if (!log_shows_progress() && now - t->logged_at >= c->log.every_s) {
        log_info("epoch %lld step %lld loss %.4f sequences/s %.0f", (long long)step.epoch,
                 (long long)step.step, total, step.sequences_per_s);
        t->logged_at = now;
    }
}

static enum status train_step(struct trainer *t) {
    struct phases phases;
    double loss[LOSS_TERMS], lr = learning_rate(t);
    fault_point("step");
    phases_start(&phases, PHASE_INPUT);
    int64_t sequences = stepper_load(&t->stepper, t->state.cursor);
    t->state.step++;
    t->state.cursor++;
    t->steps++;
    TRY(stepper_compute(&t->stepper, t->state.step, lr, &phases, loss));
    log_step(t, &phases, loss, lr, sequences);
    return STATUS_OK;
}

/* ---- checkpoints ---- */

static bool is_best(const struct trainer *t, int64_t step) {
    const struct checkpoint_best *best = t->state.best;
    return step == best[0].step || step == best[1].step;
}

/* Rank 0 removes all but the newest checkpoint.keep and the best. */
static void remove_old(const struct trainer *t) {
    int64_t *steps;
    int count;
    checkpoint_list(t->comm, t->checkpoints, &steps, &count);
    for (int i = 0; t->comm->rank == 0 && i < count - (int)config_of(t)->checkpoint.keep; i++)
        if (!is_best(t, steps[i])) {
            char *path = checkpoint_path(t->checkpoints, steps[i]);
            unlink(path);
            mem_free(path);
        }
    mem_free(steps);
}

/* Those of a domain, with the moments where training goes on from there. */
static enum status read_best(struct trainer *t, int domain, bool moments) {
    char *path = checkpoint_path(t->checkpoints, t->state.best[domain].step);
    enum status status = checkpoint_verify(t->comm, path);
    if (status == STATUS_OK)
        status = checkpoint_read_params(t->comm, path, NULL, &t->run.model.params, moments);
    mem_free(path);
    return status;
}

/* The epoch in progress, or the last one done between two; counted from 1. */
static int64_t present_epoch(const struct trainer *t) {
    return t->state.epoch + (t->state.cursor > 0);
}

static enum status save(struct trainer *t) {
    double start = phase_clock();
    if (t->saved_step == t->state.step)
        return STATUS_OK;
    char *path = checkpoint_path(t->checkpoints, t->state.step);
    fault_point("save");
    enum status status = checkpoint_write(t->comm, path, &t->run.model.params, &t->keys, &t->state);
    if (status == STATUS_OK) {
        t->saved_step = t->state.step;
        t->saved_at = phase_clock();
        t->io_seconds += t->saved_at - start;
        struct report_checkpoint event = {t->state.step, present_epoch(t), path,
                                          t->saved_at - start};
        report_checkpoint(&t->report, &event);
        remove_old(t);
    }
    mem_free(path);
    return status;
}

/* The notes of a step: NOTE_SAVE, a checkpoint is due by rank 0's clock; NOTE_STOP + k, the ranks
 * that were asked for stop request k. */
enum { NOTE_SAVE, NOTE_STOP };
_Static_assert(NOTE_STOP + STOP_REQUESTS < STEPPER_NOTES, "a note for every request");

static void write_notes(void *trainer, double notes[STEPPER_NOTES]) {
    const struct trainer *t = trainer;
    double every = config_of(t)->checkpoint.every_s;
    bool due = every > 0 && phase_clock() - t->saved_at >= every;
    notes[NOTE_SAVE] = t->comm->rank == 0 && due;
    notes[NOTE_STOP + stop_requested()] = 1;
}

/* After a step: what its notes ask for, the strongest stop request of any rank first. */
static enum status poll_requests(struct trainer *t) {
    const double *notes = t->stepper.notes;
    int request = STOP_REQUESTS;
    while (request > 0 && notes[NOTE_STOP + request] <= 0)
        request--;
    if (request) {
        t->stopped = true;
        t->reason = stop_reason(request);
    }
    return notes[NOTE_SAVE] > 0 && !t->stopped ? save(t) : STATUS_OK;
}

/* ---- validation ---- */

/* Before figures are made of the parameters. */
static enum status check_replicas(const struct trainer *t) {
    TRY(stepper_check(&t->stepper, t->state.step));
    if (comm_same(t->comm, params_hash(&t->run.model.params)))
        return STATUS_OK;
    return comm_error(t->comm, STATUS_FAIL, "step %lld: the ranks' parameters differ",
                      (long long)t->state.step);
}

static enum status rank_valid(struct trainer *t, struct report_scores *scores) {
    TRY(check_replicas(t));
    return evaluation_run(&t->valid, &t->run, 1, scores);
}

/* The figure that selects, or of each domain its own, and whether it is the best one. */
enum { SELECTION = 2 * (REPORT_FIGURE + OPTION_NAME) };
static const char *selection_text(const struct trainer *t, const struct report_eval *event,
                                  char text[SELECTION]) {
    char figure[REPORT_FIGURE], other[REPORT_FIGURE];
    const char *best[] = {event->best[0] ? " best" : "", event->best[1] ? " best" : ""};
    report_figure(event->select[0], figure);
    report_figure(event->select[1], other);
    if (options_select_each(config_of(t)))
        snprintf(text, SELECTION, "%s %s%s, %s %s%s", protocol_label(event->dataset, 0), figure,
                 best[0], protocol_label(event->dataset, 1), other, best[1]);
    else
        snprintf(text, SELECTION, "%s%s", figure, best[0]);
    return text;
}

static void log_valid(const struct trainer *t, const struct report_eval *event) {
    const struct report_scores *scores = event->scores;
    const struct metrics_table *table = scores->has_full ? &scores->full : &scores->sampled;
    char all[REPORT_FIGURE], x[REPORT_FIGURE], y[REPORT_FIGURE], select[SELECTION];
    log_info("epoch %lld valid %smrr %s (%s %s, %s %s) select %s %s", (long long)event->epoch,
             scores->has_full ? "" : "sampled ", report_figure(table->all.mrr, all),
             t->run.dataset.labels[0], report_figure(table->domain[0].mrr, x),
             t->run.dataset.labels[1], report_figure(table->domain[1].mrr, y), t->select,
             selection_text(t, event, select));
    if (isnan(event->select[0]) && t->state.best[0].step < 0)
        log_warn("%s: there is no target with a rank; the latest epoch counts as the best",
                 t->select);
}

/* The rate has been as low as it may get, and that no longer helps. */
static bool is_flat(const struct trainer *t) {
    const struct config *c = config_of(t);
    int64_t most = c->train.plateau_reductions;
    return c->train.schedule == SCHEDULE_PLATEAU && c->train.patience > 0 && most > 0 &&
           t->state.plateau.reductions > most;
}

/* After an evaluation, which was the best or not, the learning rate may fall, and training go on from the best
 * parameters: a small rate hardly leads back from where a larger one has overfitted. Where each domain has
 * others there are no such. */
static enum status adapt_rate(struct trainer *t, bool best) {
    double before = learning_rate(t);
    schedule_evaluated(&t->schedule, steps_done(t), best, &t->state.plateau);
    if (learning_rate(t) >= before || is_flat(t))
        return STATUS_OK;
    bool back = config_of(t)->train.plateau_from == PLATEAU_BEST && !trainer_has_two_bests(t);
    log_info("epoch %lld: evaluations without improvement %lld: learning rate %g -> %g%s",
             (long long)t->state.epoch, (long long)t->schedule.patience + 1, before,
             learning_rate(t), back ? ", from the best epoch on" : "");
    return back ? read_best(t, 0, true) : STATUS_OK;
}

/* The present parameters are the best ones of the domains that the event says. */
static enum status keep_best(struct trainer *t, const struct report_eval *event) {
    for (int d = 0; d < DOMAINS; d++)
        if (event->best[d])
            t->state.best[d] =
                (struct checkpoint_best){event->step, event->epoch, event->select[d]};
    t->best = *event->scores;
    t->best_known = true;
    return save(t);
}

/* Not a lower figure than the best one so far. Where nothing can be compared the latest is the best. */
static bool is_better(double select, const struct checkpoint_best *best) {
    return best->step < 0 || !(select <= best->metric);
}

/* Evaluate on the validation split at the end of an epoch; the best parameters, for the targets of either
 * domain, are the checkpoint of its best step. */
static enum status validate(struct trainer *t) {
    struct report_scores scores;
    double start = phase_clock();
    TRY(rank_valid(t, &scores));
    struct report_eval event = {.step = t->state.step,
                                .epoch = t->state.epoch,
                                .split = SPLIT_VALID,
                                .dataset = &t->run.dataset,
                                .scores = &scores,
                                .select_name = t->select,
                                .seconds = phase_clock() - start};
    for (int d = 0; d < DOMAINS; d++) {
        event.select[d] = evaluation_select(config_of(t), &scores, d);
        event.best[d] = is_better(event.select[d], &t->state.best[d]);
    }
    bool any = event.best[0] || event.best[1];
    t->eval_seconds += event.seconds;
    t->state.stale = any ? 0 : t->state.stale + 1;
    t->saved_step = -1; /* a checkpoint of this step that there may be does not know the outcome */
    report_eval(&t->report, &event);
    log_valid(t, &event);
    if (!model_is_fitted(config_of(t)))
        TRY(adapt_rate(t, any));
    return any ? keep_best(t, &event) : STATUS_OK;
}

/* ---- the loop ---- */

static bool ended(struct trainer *t) {
    const struct config *c = config_of(t);
    if (t->stopped)
        return true;
    t->reason = t->state.epoch >= c->train.epochs                               ? "epochs"
                : c->train.max_steps > 0 && t->state.step >= c->train.max_steps ? "max_steps"
                : c->train.patience > 0 && t->state.stale >= c->train.patience  ? "patience"
                : is_flat(t)                                                    ? "plateau"
                                                                                : NULL;
    return t->reason != NULL;
}

static enum status train_epoch(struct trainer *t) {
    const struct config *c = config_of(t);
    double start = phase_clock(), io = t->io_seconds;
    loader_epoch(&t->stepper.loader, t->state.epoch);
    while (t->state.cursor < loader_steps(&t->stepper.loader) && !ended(t)) {
        TRY(train_step(t));
        TRY(poll_requests(t));
    }
    t->train_seconds += phase_clock() - start - (t->io_seconds - io);
    if (t->state.cursor < loader_steps(&t->stepper.loader))
        return STATUS_OK;
    t->state.epoch++;
    t->state.cursor = 0;
    if (c->eval.every > 0 && t->state.epoch % c->eval.every == 0)
        return validate(t);
    return STATUS_OK;
}

/* Notes of a step that was not taken. */
static void sum_notes(struct trainer *t) {
    memset(t->stepper.notes, 0, sizeof t->stepper.notes);
    write_notes(t, t->stepper.notes);
    comm_sum_f64(t->comm, t->stepper.notes, STEPPER_NOTES);
}

static enum status fit_once(struct trainer *t) {
    double start = phase_clock();
    TRY(fit_run(&t->run));
    t->state.step = t->state.epoch = 1;
    t->train_seconds = phase_clock() - start;
    log_info("%s fitted in %.2f s", t->run.config.model.name, t->train_seconds);
    sum_notes(t);
    return poll_requests(t);
}

/* Unless the checkpoint that the run goes on from has the fit, or the figures. */
static enum status fit(struct trainer *t) {
    t->reason = "fitted";
    if (t->state.step == 0)
        TRY(fit_once(t));
    bool wanted = config_of(t)->eval.every > 0 && t->state.best[0].step < 0;
    return wanted && !t->stopped ? validate(t) : STATUS_OK;
}

enum status trainer_train(struct trainer *t) {
    if (model_is_fitted(config_of(t)))
        TRY(fit(t));
    else
        while (!ended(t))
            TRY(train_epoch(t));
    TRY(check_replicas(t));
    TRY(save(t));
    log_info("training ended: %s, step %lld", t->reason, (long long)t->state.step);
    return STATUS_OK;
}

/* ---- the best parameters ---- */

bool trainer_has_two_bests(const struct trainer *t) {
    return t->state.best[0].step != t->state.best[1].step;
}

enum status trainer_judge_best(struct trainer *t) {
    for (int d = 0; d < DOMAINS; d++) {
        struct checkpoint_best *best = &t->state.best[d];
        if (d == 0 || trainer_has_two_bests(t)) {
            TRY(read_best(t, d, false));
            TRY(evaluation_run(&t->valid, &t->run, 1, &t->best));
        }
        best->metric = evaluation_select(config_of(t), &t->best, d);
        if (d == 0 || options_select_each(config_of(t)))
            log_info("the best epoch so far, %lld, now has %s %.4f", (long long)best->epoch,
                     t->select, best->metric);
    }
    t->best_known = true;
    return STATUS_OK;
}

enum status trainer_take_best(struct trainer *t) {
    if (trainer_has_two_bests(t)) {
        TRY(read_best(t, 1, false));
        run_keep_second(&t->run);
    }
    int64_t best = t->state.best[0].step;
    if (trainer_has_two_bests(t) || (best >= 0 && best != t->state.step))
        return read_best(t, 0, false);
    return STATUS_OK;
}

/* ---- beginning and end ---- */

enum status trainer_open(struct trainer *t, bool begins) {
    struct run *run = &t->run;
    TRY(stepper_open(&t->stepper, run));
    t->stepper.write_notes = write_notes;
    t->stepper.writer = t;
    if (!model_is_fitted(&run->config))
        t->schedule = schedule_of(&run->config, loader_steps(&t->stepper.loader));
    TRY(item_keys_read(t->comm, &run->dataset, &t->keys));
    if (begins)
        TRY(restore_init(run));
    if (run->config.eval.every > 0)
        TRY(evaluation_open(&t->valid, run, SPLIT_VALID));
    t->state = (struct checkpoint_state){
        .best = {{.step = -1}, {.step = -1}},
        .config = config_to_text(&run->config),
        .dataset_hash = mem_string(run->dataset.content_hash),
        .items_hash = mem_string(run->dataset.items_hash),
        .domain_items = {run->dataset.domain_items[0], run->dataset.domain_items[1]},
        .repeats = run->repeats,
        .clock = run->model.catalogue.clock};
    t->saved_step = -1;
    protocol_select(&run->config, &run->dataset, t->select);
    return STATUS_OK;
}

void trainer_close(struct trainer *t) {
    item_keys_free(&t->keys);
    evaluation_close(&t->valid);
    stepper_close(&t->stepper);
    checkpoint_state_free(&t->state);
}
