/* ranks.h5: what train and evaluate keep of every target, and who may read it. */
#include "io/ranks.h"
#include "core/log.h"
#include "core/models/model.h"
#include "core/models/registry.h"
#include "io/h5_writer.h"
#include "jobs/job.h"
#include "tests/mpi/folder.h"
#include <jansson.h>
#include <math.h>

/* The same new folder on all ranks, and in it a data set. */
static void enter_data(void) {
    folder_enter();
    MPI_REQUIRE(freopen("/dev/null", "w", stdout));
    log_set_level(LOG_ERROR);
    MPI_REQUIRE(start_job(job_synth, (const char *[]){"synth", "--items-a=40", "--items-b=50",
                                                      "--users=200", "-o", "data.h5", NULL}) ==
                STATUS_OK);
}

/* And a run. */
static void enter(void) {
    enter_data();
    MPI_REQUIRE(start_job(job_train, (const char *[]){"train", "/dev/null", "run.dir=run",
                                                      "model.dim=8", "model.modalities=[id]",
                                                      "train.epochs=1", "eval.candidates=both",
                                                      "eval.sampled_negatives=5", NULL}) ==
                STATUS_OK);
    MPI_Barrier(test_comm.mpi);
}

/* As metrics.json has it. */
static double mrr(const char *split, const char *candidates, const char *domain) {
    json_t *root = json_load_file("run/metrics.json", 0, NULL), *o = root;
    o = json_object_get(json_object_get(json_object_get(o, split), candidates), domain);
    double x = json_number_value(json_object_get(o, "mrr"));
    json_decref(root);
    return x;
}

static void data_hash(char hash[65]) {
    json_t *root = json_load_file("run/metrics.json", 0, NULL);
    snprintf(hash, 65, "%s", json_string_value(json_object_get(root, "dataset_hash")));
    json_decref(root);
}

/* Their mean reciprocals are the figures of the run, per domain and of all. */
static void expect_figures(enum split split, const char *path, bool excluded) {
    static const char *const kinds[] = {"full", "sampled"}, *const labels[] = {"A", "B", "all"};
    char hash[65];
    struct ranks r;
    data_hash(hash);
    MPI_REQUIRE(ranks_read(path, hash, split, false, &r) == STATUS_OK);
    MPI_EXPECT(r.count == 20 && r.users == 20 && r.excluded == excluded);
    for (int kind = 0; kind < RANKS_KINDS; kind++)
        for (int d = 0; d < 3 && !excluded; d++) {
            double sum = 0, n = 0, want = mrr(split_names[split], kinds[kind], labels[d]);
            for (int64_t i = 0; i < r.count; i++)
                if (d == 2 || r.domain[i] == d)
                    sum += 1 / r.rank[kind][i], n++;
            MPI_EXPECT(fabs(sum / n - want) < 1e-12, "%s, %s: %g, not %g", kinds[kind], labels[d],
                       sum / n, want);
        }
    for (int64_t i = 0; i < r.count; i++)
        MPI_EXPECT(r.domain[i] == (r.target[i] >= 40), "target %d", r.target[i]);
    ranks_free(&r);
}

MPI_TEST(ranks, are_those_of_the_figures, 3) {
    enter();
    if (test_comm.rank == 0)
        for (int split = SPLIT_VALID; split < SPLITS; split++)
            expect_figures(split, "run/ranks.h5", false);
    MPI_EXPECT(
        start_job(job_evaluate, (const char *[]){"evaluate", "run", "eval.exclude_history=true",
                                                 "--ranks=own.h5", NULL}) == STATUS_OK);
    if (test_comm.rank == 0)
        expect_figures(SPLIT_TEST, "own.h5", true);
    folder_leave();
}

/* ---- a best epoch of each domain ---- */

/* The best epoch of a domain as the run says it. */
static int64_t best_epoch(const char *domain) {
    json_t *root = json_load_file("run/metrics.json", 0, NULL);
    int64_t epoch =
        json_integer_value(json_object_get(json_object_get(root, "best_epoch"), domain));
    json_decref(root);
    return epoch;
}

/* The checkpoint of that epoch, into NAME.h5 the ranks by it alone. */
static void rank_apart(const char *domain, int64_t steps) {
    char checkpoint[64], ranks[64];
    snprintf(checkpoint, sizeof checkpoint, "run/checkpoints/step-%lld.h5",
             (long long)(best_epoch(domain) * steps));
    snprintf(ranks, sizeof ranks, "--ranks=%s.h5", domain);
    MPI_REQUIRE(start_job(job_evaluate, (const char *[]){"evaluate", checkpoint, ranks, NULL}) ==
                STATUS_OK);
}

/* The ranks of `path` are, domain by domain, those by its best checkpoint alone. */
static void expect_ranks(const char *path, enum split split) {
    struct ranks r, apart[DOMAINS];
    char hash[65];
    int64_t differ = 0;
    data_hash(hash);
    MPI_REQUIRE(ranks_read(path, hash, split, false, &r) == STATUS_OK && r.per_domain, "%s", path);
    MPI_REQUIRE(ranks_read("A.h5", hash, split, false, &apart[0]) == STATUS_OK &&
                !apart[0].per_domain);
    MPI_REQUIRE(ranks_read("B.h5", hash, split, false, &apart[1]) == STATUS_OK);
    for (int kind = 0; kind < RANKS_KINDS; kind++)
        for (int64_t i = 0; i < r.count; i++) {
            double own = apart[r.domain[i]].rank[kind][i];
            MPI_EXPECT(r.rank[kind][i] == own, "%s, target %d: rank %g, not %g", path,
                       (int)r.target[i], r.rank[kind][i], own);
            differ += own != apart[1 - r.domain[i]].rank[kind][i];
        }
    MPI_EXPECT(r.count == 20 && differ > 0, "the checkpoints rank alike");
    ranks_free(&r), ranks_free(&apart[0]), ranks_free(&apart[1]);
}

static void each_domain(const char *placement) {
    enum { STEPS = 5 }; /* of an epoch */
    enter_data();
    MPI_REQUIRE(
        start_job(job_train, (const char *[]){"train", "/dev/null", "run.dir=run", "model.dim=8",
                                              "model.modalities=[id]", "train.epochs=12",
                                              "train.lr=0.03", "train.batch=32", "eval.select=mrr",
                                              "eval.select_domain=each", "eval.candidates=both",
                                              "eval.sampled_negatives=5", placement, NULL}) ==
        STATUS_OK);
    MPI_EXPECT(best_epoch("A") > 0 && best_epoch("A") != best_epoch("B"), "epochs %d, %d",
               (int)best_epoch("A"), (int)best_epoch("B"));
    rank_apart("A", STEPS);
    rank_apart("B", STEPS);
    MPI_REQUIRE(start_job(job_evaluate, (const char *[]){"evaluate", "run", "--ranks=again.h5",
                                                         NULL}) == STATUS_OK);
    for (int split = SPLIT_VALID; test_comm.rank == 0 && split < SPLITS; split++) {
        expect_ranks("run/ranks.h5", split);
        expect_ranks("again.h5", split);
    }
    folder_leave();
}

MPI_TEST(ranks, of_each_domain_by_its_best_epoch, 3) {
    each_domain("train.placement=replicated");
    each_domain("train.placement=sharded");
}

/* ---- damage ---- */

/* A copy of the file with one entry changed. */
static void change(const char *name, enum h5_type type, const void *value) {
    struct h5_writer w;
    MPI_REQUIRE(h5_writer_edit(&w, &test_comm, "run/ranks.h5", H5_SERIAL) == STATUS_OK);
    int64_t rows = 20;
    enum status status = STATUS_OK;
    if (test_comm.rank == 0) {
        status = h5_writer_remove(&w, name);
        if (status == STATUS_OK)
            status = h5_writer_declare(&w, name, type, 1, &rows);
        if (status == STATUS_OK && type == H5_F64)
            status = h5_writer_put_text(&w, name, "history", "included");
        if (status == STATUS_OK)
            status = h5_writer_write(&w, name, type, 3, 4, value);
    }
    MPI_REQUIRE(h5_writer_commit(&w, status) == STATUS_OK);
}

MPI_TEST(ranks, damaged_files_are_refused, 1) {
    char hash[65];
    struct ranks r;
    enter();
    data_hash(hash);
    MPI_EXPECT(ranks_read("run/ranks.h5", "0", SPLIT_TEST, false, &r) == STATUS_INPUT);
    MPI_EXPECT(ranks_read("data.h5", hash, SPLIT_TEST, false, &r) == STATUS_INPUT);
    MPI_EXPECT(ranks_read("run/ranks.h5", hash, SPLIT_TRAIN, false, &r) == STATUS_OK &&
               r.count == 0);
    change("/test/full", H5_F64, &(double){0.5});
    MPI_EXPECT(ranks_read("run/ranks.h5", hash, SPLIT_TEST, false, &r) == STATUS_INPUT);
    MPI_EXPECT(ranks_read("run/ranks.h5", hash, SPLIT_VALID, false, &r) == STATUS_OK);
    ranks_free(&r);
    change("/valid/domain", H5_U8, &(uint8_t){2});
    MPI_EXPECT(ranks_read("run/ranks.h5", hash, SPLIT_VALID, false, &r) == STATUS_INPUT);
    folder_leave();
}

MPI_TEST_MAIN(models_register())
