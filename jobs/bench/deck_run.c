/* The proof of the first steps; then the run that is measured: training in repetitions, rankings, peaks,
 * checkpoints; the verdict. The figures of merit are the last lines but one, and there are none without a
 * proof. */
#include "jobs/bench/deck_run.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/phase.h"
#include "io/output.h"
#include "io/report_json.h"
#include "jobs/bench/energy.h"
#include "jobs/bench/proof.h"
#include "jobs/bench/record.h"
#include "jobs/bench/stages.h"
#include "jobs/bench/storage.h"
#include <stdio.h>

static const double OFFICIAL = 1800; /* seconds of training */
static const double SILENCE = 30;    /* seconds between two lines that say how far it is */

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
    const struct config *config;
    struct comm *comm;
    struct bench bench; /* zero where the proof failed before */
    struct proof proof;
    struct storage storage;
    struct merit merit[MERITS];
    double seconds; /* of training */
    double joules;  /* of the processors of all nodes, meanwhile; NaN: not known */
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

/* Collective. Of all nodes, of which the first ranks have read it. */
static double sum_energy(const struct comm *comm, const struct comm *node,
                         const struct energy *energy) {
    double known[2] = {node->rank == 0 ? energy->joules : 0,
                       node->rank == 0 && energy->packages == 0};
    comm_sum_f64(comm, known, 2);
    return known[1] > 0 ? NAN : known[0];
}

static enum status train(struct deck_result *r, struct energy *energy) {
    const struct deck *deck = r->request->deck;
    struct bench *b = &r->bench;
    struct merit *m = &r->merit[TRAIN];
    double told = phase_clock();
    TRY(bench_steps(b, deck->warmup, 0));
    energy_begin(energy, ENERGY_ROOT);
    for (int i = 0; i < DECK_REPETITIONS || r->seconds < 60 * r->request->minutes; i++) {
        TRY(bench_steps(b, 0, deck->steps));
        energy_poll(energy);
        double seconds = sum_of(&b->step, b->step.n - deck->steps);
        series_add(&m->rate, (double)(b->sequences * deck->steps) / seconds);
        r->seconds += seconds;
        if (phase_clock() - told >= SILENCE) {
            told = phase_clock();
            log_info("training: repetition %d, %.4g sequences/s, %.0f s", i + 1,
                     m->rate.x[m->rate.n - 1], r->seconds);
        }
    }
    return STATUS_OK;
}

static enum status measure_training(struct deck_result *r) {
    struct bench *b = &r->bench;
    struct merit *m = &r->merit[TRAIN];
    struct energy energy;
    struct comm node;
    double busiest;
    TRY(train(r, &energy));
    comm_open_node(&node, r->comm);
    r->joules = sum_energy(r->comm, &node, &energy);
    comm_close(&node);
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
    TRY(storage_measure(&r->storage, &r->bench.run, scratch ? scratch : r->config->run.dir,
                        DECK_REPETITIONS));
    r->merit[IO].rate = r->storage.both;
    proof_equal(&r->proof, "checkpoint", r->storage.same, "what was read is not what was written");
    return STATUS_OK;
}

/* What is wrong at once is not measured. */
static enum status measure(struct deck_result *r) {
    struct dataset data;
    log_info("the first steps, against those in double precision");
    TRY(proof_of_steps(&r->proof, r->comm, r->request->deck, r->config));
    if (r->proof.reason[0])
        return STATUS_OK;
    dataset_make(&r->request->deck->data, &data);
    TRY(bench_open(&r->bench, r->comm, r->config, &data));
    log_info("training");
    TRY(measure_training(r));
    log_info("ranking");
    TRY(measure_ranking(r));
    log_info("checkpoints, written and read");
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

static json_t *merit_json(const struct merit *m) {
    json_t *object = series_json(&m->rate);
    json_object_set_new(object, "value", json_real(series_median(&m->rate)));
    json_object_set_new(object, "unit", json_string(m->unit));
    json_object_set_new(object, "fraction_of_peak", report_number(m->fraction));
    json_object_set_new(object, "network_share", report_number(m->network));
    json_object_set_new(object, "imbalance", report_number(m->imbalance));
    return object;
}

static json_t *merits_json(const struct deck_result *r) {
    json_t *object = json_object();
    for (int i = 0; i < MERITS; i++)
        json_object_set_new(object, r->merit[i].name, merit_json(&r->merit[i]));
    return object;
}

static bool is_valid(const struct deck_result *r) {
    return !r->proof.reason[0];
}

/* An INVALID run has no figures of merit. */
static json_t *result_json(const struct deck_result *r, json_t *record) {
    json_t *object = r->bench.comm ? stages_json(&r->bench) : json_object();
    json_object_set_new(object, "deck", json_string(r->request->deck->name));
    json_object_set_new(object, "division", json_string(division(r)));
    json_object_set_new(object, "record", record);
    json_object_set_new(object, "training_seconds", json_real(r->seconds));
    json_object_set_new(object, "training_joules", report_number(r->joules));
    json_object_set_new(object, "official", json_boolean(r->seconds >= OFFICIAL));
    json_object_set_new(object, "checks", proof_json(&r->proof));
    json_object_set_new(object, "checkpoint_bytes", json_real(r->storage.bytes));
    json_object_set_new(object, "verdict", json_string(is_valid(r) ? "VALID" : "INVALID"));
    if (is_valid(r))
        json_object_set_new(object, "fom", merits_json(r));
    else
        json_object_set_new(object, "reason", json_string(r->proof.reason));
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

static void print_figures(const struct deck_result *r) {
    print_merits(r);
    if (isfinite(r->joules))
        printf("energy of the processors in training: %.4g J, %.4g W, %.4g sequences/J\n",
               r->joules, r->joules / r->seconds,
               series_median(&r->merit[TRAIN].rate) * r->seconds / r->joules);
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
    const struct deck *deck = r->request->deck;
    printf("deck %s, %s: items %lld, batch %lld, steps %lld\n", deck->name, division(r),
           (long long)(deck->data.domain_items[0] + deck->data.domain_items[1]),
           (long long)r->config->train.batch, (long long)r->bench.done);
    if (r->bench.comm)
        stages_print(&r->bench);
    proof_print(&r->proof);
    if (is_valid(r))
        print_figures(r);
    else
        printf("INVALID: %s\n", r->proof.reason);
}

/* ---- the job ---- */

static enum status conclude(const struct deck_result *r) {
    const char *output = r->request->output;
    json_t *record = record_json(r->comm);
    TRY(COMM_ON_ROOT(r->comm, stages_write(result_json(r, record), r->config->run.dir, output)));
    if (r->comm->rank == 0 && (!output || !output_is_stdout(output)))
        print(r);
    return is_valid(r) ? STATUS_OK : STATUS_FAIL;
}

static void close_all(struct deck_result *r) {
    r->merit[IO].rate = (struct series){0}; /* the storage's */
    for (int i = 0; i < MERITS; i++)
        series_free(&r->merit[i].rate);
    storage_free(&r->storage);
    bench_close(&r->bench);
}

enum status deck_run(struct comm *comm, const struct deck_request *request) {
    struct config config;
    struct deck_result r = {.request = request,
                            .config = &config,
                            .comm = comm,
                            .joules = NAN,
                            .merit = {{"train", "sequences/s", {0}, NAN, NAN, NAN},
                                      {"rank", "users/s", {0}, NAN, NAN, NAN},
                                      {"io", "GB/s", {0}, NAN, NAN, NAN}}};
    TRY(deck_config(comm, request->deck, &request->config, request->open, &config));
    if (request->reference)
        return proof_reference(comm, request->deck, &config);
    enum status status = measure(&r);
    if (status == STATUS_OK)
        status = conclude(&r);
    else if (comm->rank == 0 && !(request->output && output_is_stdout(request->output)))
        printf("INVALID: the run failed, see its error\n");
    close_all(&r);
    return status;
}
