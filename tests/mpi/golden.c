/* The program on the golden files, as a user would run it, on 1 to 4 ranks: ten steps with the file
 * as data and as start, then the evaluation before and after them. Skipped where the files are
 * absent (CDSR_SHARED). */
#include "core/mem.h"
#include "core/models/model.h"
#include "core/models/registry.h"
#include "jobs/job.h"
#include "tests/mpitest.h"
#include <hdf5.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>

enum { ARGS = 48 };

struct golden {
    char path[4096], dir[4096], text[ARGS][256];
    char *args[ARGS];
    int nargs;
};

static void arg(struct golden *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void arg(struct golden *g, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(g->text[g->nargs], sizeof g->text[0], format, args);
    va_end(args);
    g->args[g->nargs] = g->text[g->nargs];
    g->nargs++;
}

static double *read_doubles(const char *path, const char *name, hsize_t *n) {
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(set);
    *n = (hsize_t)H5Sget_simple_extent_npoints(space);
    double *x = malloc(*n * sizeof *x);
    MPI_REQUIRE(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, x) >= 0, "%s", name);
    H5Sclose(space);
    H5Dclose(set);
    H5Fclose(file);
    return x;
}

static json_t *read_settings(const char *path) {
    char *text = NULL;
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t attr = H5Aopen(file, "config", H5P_DEFAULT), type = H5Aget_type(attr);
    MPI_REQUIRE(H5Aread(attr, type, &text) >= 0, "config");
    json_t *json = json_loads(text, 0, NULL);
    H5free_memory(text);
    H5Tclose(type);
    H5Aclose(attr);
    H5Fclose(file);
    return json;
}

/* The model's settings as key=value arguments. */
static void model_args(struct golden *g) {
    json_t *json = read_settings(g->path);
#define STR(key) json_string_value(json_object_get(json, key))
#define NUM(key) json_number_value(json_object_get(json, key))
    arg(g, "data.path=%s", g->path);
    arg(g, "model.modalities=[id, text, image]");
    arg(g, "model.dim=%g", NUM("d"));
    arg(g, "model.blocks=%g", NUM("blocks"));
    arg(g, "model.heads=%g", NUM("heads"));
    arg(g, "model.dropout=0");
    arg(g, "model.scale=learned");
    arg(g, "model.share_encoders=none");
    arg(g, "model.repeats=free");
    arg(g, "model.fusion=%s", STR("fusion"));
    arg(g,
        strcmp(STR("weights"), "learned") ? "model.fusion_weights=[%s]" : "model.fusion_weights=%s",
        STR("weights"));
    arg(g, "model.mixed_softmax=%s", STR("mixed"));
    arg(g, "model.lambda1=%.17g", NUM("lambda1"));
    arg(g, "model.lambda2=%.17g", NUM("lambda2"));
    arg(g, "train.target=%s", STR("target"));
    arg(g, "train.lr=%.17g", NUM("lr"));
    arg(g, "train.weight_decay=%.17g", NUM("wd"));
    json_decref(json);
}

static bool golden_open(struct golden *g, const char *name) {
    const char *shared = getenv("CDSR_SHARED");
    memset(g, 0, sizeof *g);
    snprintf(g->path, sizeof g->path, "%s/golden/%s", shared ? shared : "../shared", name);
    strcpy(g->dir, "/tmp/cdsr-golden-XXXXXX");
    if (test_comm.rank == 0)
        MPI_REQUIRE(mkdtemp(g->dir), "mkdtemp");
    comm_bcast(&test_comm, g->dir, sizeof g->dir);
    if (access(g->path, R_OK) == 0)
        return true;
    fprintf(stderr, "%s is absent: nothing compared\n", g->path);
    return false;
}

static void golden_close(struct golden *g) {
    char command[4200];
    snprintf(command, sizeof command, "rm -r %s", g->dir);
    if (test_comm.rank == 0)
        MPI_EXPECT(system(command) == 0, "rm");
}

static void train(struct golden *g) {
    char config[4200];
    snprintf(config, sizeof config, "%s/golden.yaml", g->dir);
    if (test_comm.rank == 0) {
        FILE *file = fopen(config, "w");
        fputs("eval: {every: 0}\n", file);
        fclose(file);
    }
    g->nargs = 0;
    arg(g, "train");
    arg(g, "%s", config);
    model_args(g);
    arg(g, "run.dir=%s/run", g->dir);
    arg(g, "train.init=%s", g->path);
    arg(g, "train.epochs=10");
    arg(g, "train.batch=1000");
    MPI_REQUIRE(job_train(&test_comm, g->nargs, g->args) == STATUS_OK, "train");
}

/* log.jsonl has the losses before each step. */
static void compare_trajectory(struct golden *g) {
    static const char *const names[] = {"a", "b", "mixed", "total"};
    char path[4200], line[4096];
    hsize_t n;
    double *want = read_doubles(g->path, "golden/trajectory", &n);
    snprintf(path, sizeof path, "%s/run/log.jsonl", g->dir);
    FILE *file = fopen(path, "r");
    hsize_t seen = 0;
    while (fgets(line, sizeof line, file)) {
        json_t *event = json_loads(line, 0, NULL);
        if (!strcmp(json_string_value(json_object_get(event, "event")), "step"))
            for (int i = 0; i < 4 && seen < n; i++, seen++) {
                double got =
                    json_number_value(json_object_get(json_object_get(event, "loss"), names[i]));
                MPI_EXPECT(fabs(got - want[seen]) <= 1e-5 * want[seen],
                           "step %d loss %s: %.9g, want %.9g", (int)(seen / 4) + 1, names[i], got,
                           want[seen]);
            }
        json_decref(event);
    }
    MPI_EXPECT(seen == n, "%d of %d losses in the log", (int)seen, (int)n);
    fclose(file);
    free(want);
}

/* MRR of the golden ranks is the MRR of the evaluation: no rank differs. */
static void compare_ranks(struct golden *g, const char *what, const char *ranks) {
    char path[4200];
    snprintf(path, sizeof path, "%s/metrics.json", g->dir);
    g->nargs = 0;
    arg(g, "evaluate");
    arg(g, "--overwrite");
    arg(g, "--output=%s", path);
    arg(g, "--overwrite");
    arg(g, "%s", what);
    model_args(g);
    MPI_REQUIRE(job_evaluate(&test_comm, g->nargs, g->args) == STATUS_OK, "evaluate");
    if (test_comm.rank > 0)
        return;
    hsize_t n;
    double *rank = read_doubles(g->path, ranks, &n), want = 0;
    for (hsize_t i = 0; i < n; i++)
        want += 1 / rank[i] / (double)n;
    json_t *json = json_load_file(path, 0, NULL), *all = json;
    static const char *const keys[] = {"test", "full", "all"};
    for (int i = 0; i < 3; i++)
        all = json_object_get(all, keys[i]);
    double got = json_number_value(json_object_get(all, "mrr"));
    MPI_EXPECT(fabs(got - want) < 1e-12, "%s: MRR %.15g, want %.15g", ranks, got, want);
    MPI_EXPECT(json_integer_value(json_object_get(all, "count")) == (json_int_t)n, "count");
    json_decref(json);
    free(rank);
}

static void run_golden(const char *name) {
    struct golden g;
    char run[4200];
    if (golden_open(&g, name)) {
        compare_ranks(&g, g.path, "golden/eval/rank");
        train(&g);
        if (test_comm.rank == 0)
            compare_trajectory(&g);
        snprintf(run, sizeof run, "%s/run", g.dir);
        compare_ranks(&g, run, "golden/eval/rank_after");
    }
    golden_close(&g);
}

#define GOLDEN(np)                                                                                 \
    MPI_TEST(golden, probability_##np, np) {                                                       \
        run_golden("llm_emf_probability.h5");                                                      \
    }                                                                                              \
    MPI_TEST(golden, logit_##np, np) {                                                             \
        run_golden("llm_emf_logit.h5");                                                            \
    }

GOLDEN(1)
GOLDEN(2)
GOLDEN(3)
GOLDEN(4)

MPI_TEST_MAIN(models_register())
