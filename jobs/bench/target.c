#include "jobs/bench/target.h"
#include "core/log.h"
#include "core/schedule.h"
#include "io/output.h"
#include "jobs/bench/stages.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

error_t target_parse(const struct argp_state *state, const char *text,
                     struct target_request *request) {
    const char *value = strchr(text, '=');
    struct figure figure;
    int length = value ? (int)(value - text) : 0;
    if (length == 0 || length >= OPTION_NAME ||
        args_number(state, "--target", value + 1, 0, 1, &request->value))
        goto bad;
    snprintf(request->figure, sizeof request->figure, "%.*s", length, text);
    if (figure_read(request->figure, 1, &figure))
        return 0;
bad:
    argp_error(state, "--target: '%.100s' is not FIGURE=VALUE, as mrr=0.025 or ndcg@10=0.03", text);
    return EINVAL;
}

/* ---- one seed ---- */

struct outcome {
    int64_t seed, epoch, step;
    double seconds, figure;
    bool reached;
};

struct training {
    struct bench bench;
    struct schedule schedule;
    struct plateau plateau;
    double best;
};

static enum status train_epoch(struct training *t, int64_t epoch) {
    const struct config *c = &t->bench.run.config;
    struct stepper *stepper = &t->bench.stepper;
    struct phases phases;
    double loss[LOSS_TERMS];
    int64_t steps = loader_steps(&stepper->loader);
    loader_epoch(&stepper->loader, epoch);
    for (int64_t k = 0; k < steps; k++) {
        if (c->train.max_steps > 0 && t->bench.done == c->train.max_steps)
            break;
        double lr = schedule_rate(&t->schedule, t->bench.done, &t->plateau);
        phases_start(&phases, PHASE_INPUT);
        stepper_load(stepper, k);
        TRY(stepper_compute(stepper, ++t->bench.done, lr, &phases, loss));
    }
    return STATUS_OK;
}

static enum status evaluate(struct training *t, double *figure) {
    struct run *run = &t->bench.run;
    TRY(evaluation_run(&t->bench.valid, run, 1, &t->bench.scores));
    *figure = evaluation_select(&run->config, &t->bench.scores, 0);
    bool better = *figure > t->best;
    t->best = better ? *figure : t->best;
    schedule_evaluated(&t->schedule, t->bench.done, better, &t->plateau);
    return STATUS_OK;
}

static bool is_over(const struct training *t, int64_t epoch) {
    const struct config *c = &t->bench.run.config;
    return epoch == c->train.epochs ||
           (c->train.max_steps > 0 && t->bench.done == c->train.max_steps);
}

static enum status train(struct training *t, double target, struct outcome *out) {
    const struct config *c = &t->bench.run.config;
    t->schedule = schedule_of(c, loader_steps(&t->bench.stepper.loader));
    for (out->epoch = 0; !out->reached && !is_over(t, out->epoch);) {
        TRY(train_epoch(t, out->epoch++));
        if (out->epoch % c->eval.every == 0 || is_over(t, out->epoch))
            TRY(evaluate(t, &out->figure));
        out->reached = out->figure >= target;
    }
    out->step = t->bench.done;
    return STATUS_OK;
}

/* The clock is rank 0's. */
static enum status run_seed(struct comm *comm, const struct config *config, double target,
                            struct outcome *out) {
    struct training t = {.best = -1};
    comm_wait(comm);
    double start = phase_clock();
    enum status status = bench_open(&t.bench, comm, config, NULL);
    if (status == STATUS_OK)
        status = train(&t, target, out);
    out->seconds = phase_clock() - start;
    comm_bcast(comm, &out->seconds, sizeof out->seconds);
    bench_close(&t.bench);
    return status;
}

/* ---- all of them ---- */

static int by_seconds(const void *a, const void *b) {
    double x = ((const struct outcome *)a)->seconds, y = ((const struct outcome *)b)->seconds;
    return (x > y) - (x < y);
}

/* The first seed that missed; NULL: there is a result. */
static const struct outcome *missed(const struct outcome *outcome, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (!outcome[i].reached)
            return &outcome[i];
    return NULL;
}

/* Without the quickest and the slowest. */
static double mean_seconds(const struct outcome *outcome, int64_t n) {
    struct outcome sorted[TARGET_SEEDS];
    double sum = 0;
    memcpy(sorted, outcome, (size_t)n * sizeof *outcome);
    qsort(sorted, (size_t)n, sizeof *sorted, by_seconds);
    for (int64_t i = 1; i < n - 1; i++)
        sum += sorted[i].seconds;
    return sum / (double)(n - 2);
}

static json_t *outcomes_json(const struct target_request *r, const struct outcome *outcome) {
    json_t *object = json_pack("{s:s, s:f}", "figure", r->figure, "target", r->value),
           *list = json_array();
    bool valid = !missed(outcome, r->seeds);
    for (int64_t i = 0; i < r->seeds; i++)
        json_array_append_new(
            list, json_pack("{s:I, s:f, s:I, s:I, s:f, s:b}", "seed", (json_int_t)outcome[i].seed,
                            "seconds", outcome[i].seconds, "epochs", (json_int_t)outcome[i].epoch,
                            "steps", (json_int_t)outcome[i].step, "reached_figure",
                            outcome[i].figure, "reached", (int)outcome[i].reached));
    json_object_set_new(object, "seeds", list);
    json_object_set_new(object, "verdict", json_string(valid ? "VALID" : "INVALID"));
    if (valid)
        json_object_set_new(object, "seconds_to_target",
                            json_real(mean_seconds(outcome, r->seeds)));
    return object;
}

static void print_outcomes(const struct target_request *r, const struct outcome *outcome) {
    const struct outcome *fault = missed(outcome, r->seeds);
    printf("%8s%8s%10s%12s%12s\n", "seed", "epochs", "steps", "seconds", r->figure);
    for (int64_t i = 0; i < r->seeds; i++)
        printf("%8lld%8lld%10lld%12.2f%12.5f\n", (long long)outcome[i].seed,
               (long long)outcome[i].epoch, (long long)outcome[i].step, outcome[i].seconds,
               outcome[i].figure);
    if (fault) {
        printf("INVALID: seed %lld ended with %s %.5f, below %g\n", (long long)fault->seed,
               r->figure, fault->figure, r->value);
        return;
    }
    printf("TIME %s=%g %.6g s\nVALID\n", r->figure, r->value, mean_seconds(outcome, r->seeds));
}

static enum status check(const struct comm *comm, const struct config *c) {
    const char *fault =
        model_is_fitted(c)        ? "a model that is fitted in closed form has no steps to a target"
        : c->eval.every == 0      ? "eval.every=0 never looks whether the target is reached"
        : c->bench.skip.count > 0 ? "bench.skip leaves out what the time is made of"
                                  : NULL;
    return fault ? comm_error(comm, STATUS_INPUT, "--target: %s", fault) : STATUS_OK;
}

enum status target_run(struct comm *comm, const struct config *given,
                       const struct target_request *request, const char *output) {
    struct outcome outcome[TARGET_SEEDS] = {{0}};
    struct config config = *given;
    snprintf(config.eval.select, sizeof config.eval.select, "%s", request->figure);
    TRY(check(comm, &config));
    for (int64_t i = 0; i < request->seeds; i++) {
        config.run.seed = outcome[i].seed = given->run.seed + i;
        TRY(run_seed(comm, &config, request->value, &outcome[i]));
        log_info("seed %lld: %s %.5f after %lld epochs, %.1f s", (long long)outcome[i].seed,
                 request->figure, outcome[i].figure, (long long)outcome[i].epoch,
                 outcome[i].seconds);
    }
    TRY(COMM_ON_ROOT(comm, stages_write(outcomes_json(request, outcome), config.run.dir, output)));
    if (comm->rank == 0 && (!output || !output_is_stdout(output)))
        print_outcomes(request, outcome);
    return missed(outcome, request->seeds) ? STATUS_FAIL : STATUS_OK;
}
