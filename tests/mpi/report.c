#include "io/report.h"
#include "core/log.h"
#include "core/models/model.h"
#include "core/models/registry.h"
#include "io/config.h"
#include "tests/mpitest.h"
#include <jansson.h>
#include <math.h>
#include <sys/stat.h>

static char name_a[] = "books", name_b[] = "films", name[] = "shop";
static struct dataset dataset = {.name = name,
                                 .labels = {name_a, name_b},
                                 .items = 30,
                                 .domain_items = {10, 20},
                                 .counts = {7, 10, 10}};
static struct config config;
static struct report report;
static char root[32];

/* A directory of its own, known to all ranks. */
static void start(void) {
    strcpy(root, "/tmp/cdsr-report-XXXXXX");
    if (test_comm.rank == 0)
        MPI_REQUIRE(mkdtemp(root));
    comm_bcast(&test_comm, root, sizeof root);
    options_defaults(&config);
    snprintf(config.run.dir, sizeof config.run.dir, "%s/runs/one", root);
}

static void finish(void) {
    char command[64];
    report_close(&report);
    snprintf(command, sizeof command, "rm -rf %s", root);
    MPI_Barrier(test_comm.mpi);
    if (test_comm.rank == 0)
        MPI_EXPECT(system(command) == 0);
}

/* The text of a file of the run, on rank 0; free() it. */
static char *read_file(const char *file) {
    char path[OPTION_PATH], *text = calloc(1, 1 << 16);
    report_path(&report, file, path);
    FILE *in = fopen(path, "r");
    MPI_REQUIRE(in, "%s", path);
    MPI_REQUIRE(fread(text, 1, (1 << 16) - 1, in) > 0);
    fclose(in);
    return text;
}

static void write_text(const char *file, const char *mode, const char *text) {
    char path[OPTION_PATH];
    report_path(&report, file, path);
    FILE *out = fopen(path, mode);
    MPI_REQUIRE(out && fputs(text, out) >= 0 && fclose(out) == 0, "%s", path);
}

static bool exists(const char *file) {
    char path[OPTION_PATH];
    struct stat info;
    report_path(&report, file, path);
    return stat(path, &info) == 0;
}

/* Open and begin. */
static enum status open_run(enum report_mode mode, struct report *r) {
    TRY(report_open(&test_comm, &config, mode, r));
    enum status status = report_begin(r, &config, 3);
    if (status != STATUS_OK)
        report_close(r);
    return status;
}

static enum status open_again(enum report_mode mode) {
    report_close(&report);
    return open_run(mode, &report);
}

MPI_TEST(report, makes_the_directory, 2) {
    struct config again;
    start();
    MPI_REQUIRE(open_run(REPORT_REFUSE, &report) == STATUS_OK);
    MPI_EXPECT((report.log != NULL) == (test_comm.rank == 0));
    if (test_comm.rank == 0) {
        char *text = read_file("config.yaml");
        MPI_EXPECT(exists("checkpoints") && exists("log.jsonl"));
        MPI_EXPECT(config_from_text(text, "config.yaml", &again) == STATUS_OK);
        MPI_EXPECT(options_hash(&again) == options_hash(&config));
        MPI_EXPECT(!strcmp(again.run.dir, config.run.dir));
        free(text);
    }
    finish();
}

static void as_job(const char *job, const char *restart) {
    setenv("SLURM_JOB_ID", job, 1);
    setenv("SLURM_RESTART_COUNT", restart, 1);
}

/* The second job of a directory is refused while the first lives, but for a restart of the same
 * SLURM job, whose first start cannot live; the lock ends with the job. */
MPI_TEST(report, one_job_at_a_time, 2) {
    struct report second = {0};
    start();
    as_job("17", "0");
    MPI_REQUIRE(open_run(REPORT_RESUME, &report) == STATUS_OK);
    for (enum report_mode mode = REPORT_REFUSE; mode <= REPORT_OVERWRITE; mode++)
        MPI_EXPECT(open_run(mode, &second) == STATUS_INPUT);
    as_job("18", "1");
    log_hold();
    MPI_EXPECT(open_run(REPORT_RESUME, &second) == STATUS_INPUT);
    const char *line = log_release();
    MPI_EXPECT(test_comm.rank > 0 ||
                   (strstr(line, "is in use by process") && strstr(line, "SLURM job 17;")),
               "%s", line);
    as_job("17", "1");
    MPI_EXPECT(open_run(REPORT_RESUME, &second) == STATUS_OK);
    report_close(&second);
    report_close(&report);
    as_job("18", "0");
    MPI_EXPECT(open_run(REPORT_RESUME, &report) == STATUS_OK);
    finish();
}

MPI_TEST(report, refuses_resumes_overwrites, 2) {
    start();
    MPI_REQUIRE(open_run(REPORT_RESUME, &report) == STATUS_OK);
    if (test_comm.rank == 0) {
        write_text("checkpoints/step-3.h5", "w", "x");
        write_text("checkpoints/mine", "w", "x");
        write_text("checkpoints/step-4.h5.tmp.99", "w", "x");
        write_text("config.yaml.tmp.99", "w", "x");
        write_text("notes", "w", "x");
        write_text("log.jsonl", "w", "{\"event\": \"a\"}\n{\"eve");
    }
    report_close(&report);
    MPI_EXPECT(open_run(REPORT_REFUSE, &report) == STATUS_INPUT);
    MPI_REQUIRE(open_again(REPORT_RESUME) == STATUS_OK);
    report_end(&report, &(struct report_end){STATUS_STOPPED, 3, 1, 0.5, "signal"});
    if (test_comm.rank == 0) {
        char *text = read_file("log.jsonl");
        MPI_EXPECT(!strncmp(text, "{\"event\": \"a\"}\n{\"event\": \"end\", ", 32), "%s", text);
        MPI_EXPECT(exists("checkpoints/step-3.h5"));
        MPI_EXPECT(!exists("checkpoints/step-4.h5.tmp.99") && !exists("config.yaml.tmp.99"));
        free(text);
    }
    MPI_Barrier(test_comm.mpi);
    MPI_REQUIRE(open_again(REPORT_OVERWRITE) == STATUS_OK);
    if (test_comm.rank == 0) {
        MPI_EXPECT(ftell(report.log) == 0);
        MPI_EXPECT(!exists("checkpoints/step-3.h5"));
        MPI_EXPECT(exists("checkpoints/mine") && exists("notes"));
    }
    finish();
}

MPI_TEST(report, cannot_be_made_under_a_file, 2) {
    start();
    strcpy(config.run.dir, "/dev/null/run");
    MPI_EXPECT(open_run(REPORT_REFUSE, &report) == STATUS_IO);
    finish();
}

/* ---- events ---- */

static struct metrics some(double mrr) {
    return (struct metrics){5, mrr, {0.1, 0.2, 0.25}, {0.1, 0.3, 0.5}};
}

static struct metrics_table table(double mrr) {
    struct metrics_table t = {{some(mrr), some(2 * mrr)}, some(3 * mrr)};
    t.all.count = 10;
    return t;
}

static double number(const json_t *object, const char *path) {
    char key[32];
    while (object && *path) {
        size_t n = strcspn(path, "/");
        snprintf(key, sizeof key, "%.*s", (int)n, path);
        object = json_object_get(object, key);
        path += n + (path[n] == '/');
    }
    return json_is_number(object) ? json_number_value(object) : NAN;
}

static const char *string(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "(none)";
}

static void write_events(void) {
    struct phases phases = {.seconds = {1, 2, 3, 4, 5, 6}};
    struct report_scores scores = {.has_full = true, .full = table(0.125)};
    const struct loss_term terms[] = {{"first", 1}, {"second", 1}, {"third", 1}};
    struct report_step step = {1,  1,    3,    terms,  (const double[]){9.5, 8.5, NAN},
                               10, 1e-3, 1000, &phases};
    report_start(&report, &(struct report_start){&dataset, 3, 12345, 17, 0});
    report_step(&report, &step);
    report_eval(&report, &(struct report_eval){17,
                                               1,
                                               SPLIT_VALID,
                                               &dataset,
                                               &scores,
                                               {0.375, 0.375},
                                               "mrr of all, full",
                                               {true, true},
                                               2});
    report_checkpoint(&report, &(struct report_checkpoint){17, 1, "checkpoints/step-17.h5", 0.25});
    report_end(&report, &(struct report_end){STATUS_OK, 17, 1, 60, "epochs"});
}

static void check_start(const json_t *e) {
    MPI_EXPECT(!strcmp(string(e, "event"), "start"));
    MPI_EXPECT(number(e, "ranks") == 2 && number(e, "threads") == 3);
    MPI_EXPECT(number(e, "plan/parameters") == 12345 && number(e, "plan/steps_per_epoch") == 17);
    MPI_EXPECT(strlen(string(e, "config_hash")) == 16);
    MPI_EXPECT(json_object_get(json_object_get(e, "program"), "hdf5"));
}

static void check_step(const json_t *e) {
    MPI_EXPECT(!strcmp(string(e, "event"), "step"));
    MPI_EXPECT(number(e, "step") == 1 && number(e, "epoch") == 1 && number(e, "lr") == 1e-3);
    MPI_EXPECT(number(e, "loss/first") == 9.5 && number(e, "loss/second") == 8.5);
    MPI_EXPECT(json_is_null(json_object_get(json_object_get(e, "loss"), "third")));
    MPI_EXPECT(number(e, "loss/total") == 10 && number(e, "sequences_per_s") == 1000);
    MPI_EXPECT(number(e, "seconds/input") == 1 && number(e, "seconds/optimizer") == 6);
    MPI_EXPECT(number(e, "peak_rss_mb") > 1);
}

static void check_eval(const json_t *e) {
    MPI_EXPECT(!strcmp(string(e, "event"), "eval") && !strcmp(string(e, "split"), "valid"));
    MPI_EXPECT(number(e, "full/books/mrr") == 0.125 && number(e, "full/films/mrr") == 0.25);
    MPI_EXPECT(number(e, "full/all/hr@10") == 0.5 && number(e, "select") == 0.375);
    MPI_EXPECT(!strcmp(string(e, "select_name"), "mrr of all, full"));
    MPI_EXPECT(!json_object_get(e, "sampled"));
    MPI_EXPECT(json_is_true(json_object_get(e, "best")));
}

static void check_rest(const json_t *checkpoint, const json_t *end) {
    MPI_EXPECT(!strcmp(string(checkpoint, "event"), "checkpoint"));
    MPI_EXPECT(!strcmp(string(checkpoint, "path"), "checkpoints/step-17.h5"));
    MPI_EXPECT(!strcmp(string(end, "event"), "end") && !strcmp(string(end, "reason"), "epochs"));
    MPI_EXPECT(number(end, "status") == 0 && number(end, "seconds") == 60);
}

MPI_TEST(report, logs_one_object_per_line, 2) {
    start();
    MPI_REQUIRE(open_run(REPORT_REFUSE, &report) == STATUS_OK);
    write_events();
    if (test_comm.rank == 0) {
        char *text = read_file("log.jsonl"), *rest = text;
        json_t *e[5];
        for (int i = 0; i < 5; i++)
            MPI_REQUIRE((e[i] = json_loads(strsep(&rest, "\n"), 0, NULL)), "line %d", i + 1);
        MPI_EXPECT(rest && !*rest);
        check_start(e[0]), check_step(e[1]), check_eval(e[2]), check_rest(e[3], e[4]);
        for (int i = 0; i < 5; i++)
            json_decref(e[i]);
        free(text);
    }
    finish();
}

/* With a best epoch of each domain the figure that selects, and whether it is the best one, stand by
 * domain. */
MPI_TEST(report, logs_the_figures_of_each_domain, 1) {
    struct report_scores scores = {.has_full = true, .full = table(0.125)};
    start();
    config.eval.select_domain = SELECT_DOMAIN_EACH;
    MPI_REQUIRE(open_run(REPORT_REFUSE, &report) == STATUS_OK);
    report_eval(&report, &(struct report_eval){17,
                                               1,
                                               SPLIT_VALID,
                                               &dataset,
                                               &scores,
                                               {0.375, NAN},
                                               "mrr of each domain, full",
                                               {true, false},
                                               2});
    char *text = read_file("log.jsonl");
    json_t *e = json_loads(text, 0, NULL), *select = json_object_get(e, "select");
    MPI_REQUIRE(e, "%s", text);
    MPI_EXPECT(number(e, "select/books") == 0.375 &&
               json_is_null(json_object_get(select, "films")));
    MPI_EXPECT(json_is_true(json_object_get(json_object_get(e, "best"), "books")) &&
               json_is_false(json_object_get(json_object_get(e, "best"), "films")));
    json_decref(e), free(text);
    finish();
}

MPI_TEST(report, a_lost_line_fails_the_run, 2) {
    struct report_results results = {.config = &config, .dataset = &dataset};
    start();
    MPI_REQUIRE(open_run(REPORT_REFUSE, &report) == STATUS_OK);
    if (test_comm.rank == 0) {
        fclose(report.log);
        report.log = fopen("/dev/full", "w");
    }
    report_end(&report, &(struct report_end){STATUS_OK, 17, 1, 60, "epochs"});
    MPI_EXPECT(report_finish(&report, &results) == STATUS_IO);
    finish();
}

/* ---- results ---- */

static struct report_results some_results(void) {
    struct report_results r = {.config = &config, .dataset = &dataset, .ranks = 2, .threads = 1};
    r.model[SPLIT_VALID] = (struct report_scores){true, true, table(0.0625), table(0.125)};
    r.model[SPLIT_TEST] = (struct report_scores){true, true, table(0.03125), table(0.25)};
    r.popularity[SPLIT_TEST] = (struct report_scores){.has_full = true, .full = table(0.015625)};
    r.best_epoch[0] = 3, r.best_metric[0] = 0.25, r.epochs = 9, r.timed_epochs = 4;
    r.train_seconds = 8, r.eval_seconds = 2, r.io_seconds = 0.5;
    r.peak_rss_mb = 123, r.valid = true;
    return r;
}

static void check_metrics(const char *text) {
    json_t *m = json_loads(text, 0, NULL);
    MPI_REQUIRE(m);
    MPI_EXPECT(number(m, "schema") == 1 && number(m, "ranks") == 2 && number(m, "threads") == 1);
    MPI_EXPECT(!strcmp(string(json_object_get(m, "protocol"), "ties"), "mean"));
    MPI_EXPECT(number(m, "protocol/sampled_negatives") == 999);
    MPI_EXPECT(json_array_size(json_object_get(json_object_get(m, "protocol"), "cutoffs")) == 3);
    MPI_EXPECT(number(m, "valid/full/books/mrr") == 0.0625);
    MPI_EXPECT(number(m, "valid/sampled/all/mrr") == 0.375);
    MPI_EXPECT(number(m, "test/full/films/ndcg@10") == 0.25);
    MPI_EXPECT(number(m, "test/full/films/count") == 5 && number(m, "test/full/books/hr@1") == 0.1);
    MPI_EXPECT(isnan(number(m, "test/full/books/ndcg@1")));
    MPI_EXPECT(number(m, "popularity/test/full/books/mrr") == 0.015625);
    MPI_EXPECT(number(m, "best_epoch") == 3 && number(m, "best_metric") == 0.25 &&
               number(m, "epochs") == 9);
    MPI_EXPECT(number(m, "seconds/train") == 8 && number(m, "seconds/io") == 0.5);
    MPI_EXPECT(!strcmp(string(m, "verdict"), "VALID"));
    json_decref(m);
}

/* Every line with sampled numbers has the word; popularity stands under the model. */
static void check_table(const char *text) {
    static const char test_row[] = "test   books    model       full         0.0312   0.2000";
    const char *row = strstr(text, test_row), *under = row ? strchr(row, '\n') : NULL;
    MPI_REQUIRE(under, "%s", text);
    MPI_EXPECT(!strncmp(under + 1, "test   books    popularity  full         0.0156", 47), "%s",
               text);
    MPI_EXPECT(strstr(text, "test   all      model       sampled      0.7500"), "%s", text);
    MPI_EXPECT(strstr(text, "seconds per epoch 2,") && strstr(text, "per rank 123 MB"));
    MPI_EXPECT(strlen(text) > 7 && !strcmp(text + strlen(text) - 7, "\nVALID\n"));
}

MPI_TEST(report, results, 2) {
    start();
    struct report_results results = some_results();
    MPI_REQUIRE(open_run(REPORT_REFUSE, &report) == STATUS_OK);
    MPI_EXPECT(report_finish(&report, &results) == STATUS_OK);
    if (test_comm.rank == 0) {
        char *metrics = read_file("metrics.json"), *text = read_file("result.txt");
        check_metrics(metrics);
        check_table(text);
        free(metrics), free(text);
    }
    MPI_EXPECT(report_peak_rss_mb(&test_comm) > 1);
    finish();
}

/* Best epochs of each domain: both stand where one does, the model's rows are called so, and runs are
 * compared by the figure of all targets. */
MPI_TEST(report, results_of_two_best_epochs, 1) {
    start();
    struct report_results results = some_results();
    results.per_domain = true;
    results.best_epoch[1] = 5, results.best_metric[1] = 0.5;
    results.model[SPLIT_VALID].full.all.select = 0.375;
    char *metrics = report_metrics_text(&results), *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    report_print_results(file, &results);
    fclose(file);
    json_t *m = json_loads(metrics, 0, NULL);
    MPI_REQUIRE(m);
    MPI_EXPECT(number(m, "best_epoch/books") == 3 && number(m, "best_epoch/films") == 5);
    MPI_EXPECT(number(m, "best_metric_of/books") == 0.25 &&
               number(m, "best_metric_of/films") == 0.5);
    MPI_EXPECT(number(m, "best_metric") == 0.375);
    MPI_EXPECT(!strcmp(string(json_object_get(m, "protocol"), "epochs"), "per-domain best epochs"));
    MPI_EXPECT(strstr(text, "; best epochs 3 (books) and 5 (films) of 9, by "), "%s", text);
    MPI_EXPECT(strstr(text, "books    model       full, per-domain best epochs  "), "%s", text);
    MPI_EXPECT(strstr(text, "books    model       sampled, per-domain best epochs "), "%s", text);
    MPI_EXPECT(strstr(text, "books    popularity  full    "), "%s", text);
    MPI_EXPECT(strstr(text, "\nper-domain best epochs: the targets of each domain"), "%s", text);
    json_decref(m), mem_free(metrics), free(text);
    finish();
}

static void expect_verdict(const struct report_results *results, const char *wanted) {
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    report_print_results(file, results);
    fclose(file);
    const char *last = text + size - 1;
    while (last > text && last[-1] != '\n')
        last--;
    MPI_EXPECT(!strcmp(last, wanted), "%s", last);
    free(text);
}

MPI_TEST(report, incomplete_results_are_not_valid, 1) {
    start();
    struct report_results results = some_results(), none = {.config = &config, .dataset = &dataset};
    expect_verdict(&results, "VALID\n");
    none.valid = true;
    expect_verdict(&none, "INVALID: nothing was evaluated\n");
    results.popularity[SPLIT_TEST].full.all.count--;
    expect_verdict(&results,
                   "INVALID: popularity on test: 9 of 10 targets were ranked, MRR 0.046875\n");
    results.model[SPLIT_TEST].sampled.domain[0].count++;
    expect_verdict(&results, "INVALID: model on test: 10 of 10 targets were ranked, MRR 0.75\n");
    results.model[SPLIT_TEST].sampled.all.mrr = NAN;
    expect_verdict(&results, "INVALID: model on test: 10 of 10 targets were ranked, MRR nan\n");
    finish();
}

/* A target without another candidate has no rank; that all targets were seen is what counts. */
MPI_TEST(report, unranked_targets_are_said, 1) {
    start();
    struct report_results results = some_results();
    struct metrics_table *t = &results.model[SPLIT_TEST].full;
    t->all.count = 9, t->domain[1].count = 4;
    expect_verdict(&results, "INVALID: model on test: 9 of 10 targets were ranked, MRR 0.09375\n");
    t->all.unranked = t->domain[1].unranked = 1;
    expect_verdict(&results, "VALID, without the targets that have no other candidate\n");
    t->all = t->domain[0] = t->domain[1] = (struct metrics){.mrr = NAN, .unranked = 10};
    t->domain[0].unranked = 0;
    expect_verdict(&results, "INVALID: model on test: 0 of 10 targets were ranked, MRR nan\n");
    finish();
}

MPI_TEST(report, says_why_not_valid, 1) {
    start();
    struct report_results results = some_results();
    results.valid = false;
    strcpy(results.reason, "12 of 13 targets were ranked");
    char *metrics = report_metrics_text(&results), *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    report_print_results(file, &results);
    fclose(file);
    MPI_EXPECT(strstr(metrics, "\"verdict\": \"INVALID\",\n  \"reason\": \"12 of 13 targets"));
    MPI_EXPECT(strstr(text, "\nINVALID: 12 of 13 targets were ranked\n"), "%s", text);
    mem_free(metrics), free(text);
    finish();
}

/* Labels that would hide a line of the results are not used as keys. */
MPI_TEST(report, ambiguous_labels_become_a_and_b, 1) {
    static char all[] = "all";
    struct dataset odd = dataset;
    start();
    odd.labels[0] = all;
    struct report_results results = some_results();
    results.dataset = &odd;
    char *metrics = report_metrics_text(&results);
    json_t *m = json_loads(metrics, 0, NULL);
    MPI_EXPECT(number(m, "test/full/A/mrr") == 0.03125 && number(m, "test/full/B/mrr") == 0.0625);
    json_decref(m), mem_free(metrics);
    finish();
}

MPI_TEST_MAIN(models_register())
