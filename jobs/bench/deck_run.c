/* The proof of the first steps; then the run that is measured: training in repetitions, rankings, peaks,
 * checkpoints; the verdict. The figures of merit are the last lines but one, and there are none without a
 * proof. */
#include "jobs/bench/deck_run.h"
#include "core/mem.h"
#include "io/output.h"
#include "jobs/bench/proof.h"
#include "jobs/bench/stages.h"
#include "jobs/bench/storage.h"
#include <stdio.h>

static const double OFFICIAL = 1800; /* seconds of training */

/* A figure of merit: a rate, higher is better. */
struct merit {
    const char *name, *unit;
    struct series rate;
    double fraction; /* of the peak of its products; NaN: none */
    double
        network; /* share of the time that ranks wait for or talk to each other; NaN: not known */
    double imbalance; /* the busiest rank's own time over the mean; NaN: not known */
};

enum { TRAIN, RANK, IO, MERITS };

struct deck_result {
    const struct deck_request *request;
    struct bench bench;
    struct proof proof;
    struct storage storage;
    struct merit merit[MERITS];
    double seconds; /* of training */
};

/* ---- measuring ---- */

/* The busiest rank's over the mean. */
static double imbalance_of(const struct comm *comm, double own, double *busiest) {
    double sum = own;
    *busiest = own;
    comm_sum_f64(comm, &sum, 1);
    comm_max_f64(comm, busiest, 1);
    return *busiest * comm->size / sum;
}

static double sum_of(const struct series *s, int64_t from) {
    double sum = 0;
    for (int64_t i = from; i < s->n; i++)
        sum += s->x[i];
    return sum;
}

static enum status measure_training(struct deck_result *r) {
    const struct deck *deck = r->request->deck;
    struct bench *b = &r->bench;
    struct merit *m = &r->merit[TRAIN];
    double busiest;
    for (int i = 0; i < DECK_REPETITIONS || r->seconds < 60 * r->request->minutes; i++) {
        TRY(bench_steps(b, i == 0 ? deck->warmup : 0, deck->steps));
        double seconds = sum_of(&b->step, b->step.n - deck->steps);
        series_add(&m->rate, (double)(b->sequences * deck->steps) / seconds);
        r->seconds += seconds;
    }
    m->imbalance = imbalance_of(b->comm, b->own, &busiest);
    m->network = b->comm->size > 1 ? sum_of(&b->phase[PHASE_REDUCE], 0) / r->seconds : 0;
    return STATUS_OK;
}

static enum status measure_ranking(struct deck_result *r) {
    struct bench *b = &r->bench;
    struct merit *m = &r->merit[RANK];
    double busiest;
    TRY(bench_evaluate(b, DECK_REPETITIONS, INFINITY));
    for (int64_t i = 0; i < b->evaluation.n; i++)
        series_add(&m->rate, (double)b->valid.count / b->evaluation.x[i]);
    m->imbalance = imbalance_of(b->comm, b->ranking, &busiest);
    m->network = b->comm->size > 1 ? 1 - busiest / sum_of(&b->evaluation, 0) : 0;
    return proof_of_ranking(&r->proof, b);
}

static enum status measure_storage(struct deck_result *r) {
    const char *scratch = r->request->scratch;
    TRY(storage_measure(&r->storage, &r->bench.run, scratch ? scratch : r->bench.run.config.run.dir,
                        DECK_REPETITIONS));
    r->merit[IO].rate = r->storage.both;
    proof_equal(&r->proof, "checkpoint", r->storage.same, "what was read is not what was written");
    return STATUS_OK;
}

static enum status measure(struct deck_result *r, struct comm *comm, const struct config *config) {
    struct dataset data;
    TRY(proof_of_steps(&r->proof, comm, r->request->deck, config));
    dataset_make(&r->request->deck->data, &data);
    TRY(bench_open(&r->bench, comm, config, &data));
    TRY(measure_training(r));
    TRY(measure_ranking(r));
    TRY(measure_storage(r));
    bench_figures(&r->bench);
    r->merit[TRAIN].fraction = r->bench.total.fraction;
    r->merit[RANK].fraction = r->bench.stage[STAGE_EVALUATION].fraction;
    return STATUS_OK;
}

/* ---- output ---- */

static const char *division(const struct deck_result *r) {
    return r->request->open ? "open" : "closed";
}

static json_t *number(double x) {
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *merit_json(const struct merit *m) {
    json_t *object = series_json(&m->rate);
    json_object_set_new(object, "value", json_real(series_median(&m->rate)));
    json_object_set_new(object, "unit", json_string(m->unit));
    json_object_set_new(object, "fraction_of_peak", number(m->fraction));
    json_object_set_new(object, "network_share", number(m->network));
    json_object_set_new(object, "imbalance", number(m->imbalance));
    return object;
}

/* An INVALID run has no figures of merit. */
static json_t *result_json(const struct deck_result *r) {
    json_t *object = stages_json(&r->bench), *merits = json_object();
    bool valid = !r->proof.reason[0];
    json_object_set_new(object, "deck", json_string(r->request->deck->name));
    json_object_set_new(object, "division", json_string(division(r)));
    json_object_set_new(object, "training_seconds", json_real(r->seconds));
    json_object_set_new(object, "official", json_boolean(r->seconds >= OFFICIAL));
    json_object_set_new(object, "checks", proof_json(&r->proof));
    json_object_set_new(object, "checkpoint_bytes", json_real(r->storage.bytes));
    json_object_set_new(object, "verdict", json_string(valid ? "VALID" : "INVALID"));
    if (!valid) {
        json_object_set_new(object, "reason", json_string(r->proof.reason));
        json_decref(merits);
        return object;
    }
    for (int i = 0; i < MERITS; i++)
        json_object_set_new(merits, r->merit[i].name, merit_json(&r->merit[i]));
    json_object_set_new(object, "fom", merits);
    return object;
}

static void print_share(double x) {
    if (isfinite(x))
        printf("%11.3f", x);
    else
        printf("%11s", "-");
}

static void print_merits(const struct deck_result *r) {
    printf("%-8s%14s%14s%14s  %-12s%11s%11s%11s\n", "figure", "min", "median", "max", "unit",
           "of peak", "network", "imbalance");
    for (int i = 0; i < MERITS; i++) {
        const struct merit *m = &r->merit[i];
        printf("%-8s%14.4g%14.4g%14.4g  %-12s", m->name, series_min(&m->rate),
               series_median(&m->rate), series_max(&m->rate), m->unit);
        print_share(m->fraction);
        print_share(m->network);
        print_share(m->imbalance);
        putchar('\n');
    }
}

static void print_verdict(const struct deck_result *r) {
    if (r->proof.reason[0]) {
        printf("INVALID: %s\n", r->proof.reason);
        return;
    }
    print_merits(r);
    if (r->seconds < OFFICIAL)
        printf("not official: %.1f s of training, of which an official run has %.0f "
               "(--minutes %.0f)\n",
               r->seconds, OFFICIAL, OFFICIAL / 60);
    for (int i = 0; i < MERITS; i++)
        printf("FOM %s %.6g %s\n", r->merit[i].name, series_median(&r->merit[i].rate),
               r->merit[i].unit);
    printf("VALID\n");
}

static void print(const struct deck_result *r) {
    const struct bench *b = &r->bench;
    printf("deck %s, %s: items %lld, batch %lld, steps %lld\n", r->request->deck->name, division(r),
           (long long)b->run.dataset.items, (long long)b->sequences, (long long)b->done);
    stages_print(b);
    proof_print(&r->proof);
    print_verdict(r);
}

/* ---- the job ---- */

static enum status conclude(const struct deck_result *r) {
    const struct bench *b = &r->bench;
    const char *output = r->request->output;
    TRY(COMM_ON_ROOT(b->comm, stages_write(result_json(r), b->run.config.run.dir, output)));
    if (b->comm->rank == 0 && (!output || !output_is_stdout(output)))
        print(r);
    return r->proof.reason[0] ? STATUS_FAIL : STATUS_OK;
}

static void close_all(struct deck_result *r) {
    r->merit[IO].rate = (struct series){0}; /* the storage's */
    for (int i = 0; i < MERITS; i++)
        series_free(&r->merit[i].rate);
    storage_free(&r->storage);
    bench_close(&r->bench);
}

enum status deck_run(struct comm *comm, const struct deck_request *request) {
    struct deck_result r = {.request = request,
                            .merit = {{"train", "sequences/s", {0}, NAN, NAN, NAN},
                                      {"rank", "users/s", {0}, NAN, NAN, NAN},
                                      {"io", "GB/s", {0}, NAN, NAN, NAN}}};
    struct config config;
    TRY(deck_config(comm, request->deck, &request->config, request->open, &config));
    if (request->reference)
        return proof_reference(comm, request->deck, &config);
    enum status status = measure(&r, comm, &config);
    if (status == STATUS_OK)
        status = conclude(&r);
    close_all(&r);
    return status;
}
