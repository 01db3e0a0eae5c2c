/* Finds the job, starts MPI with what it needs, and ends it: help and version without MPI, exit
 * statuses, an end that no rank waits for. */
#include "core/blas.h"
#include "core/fault.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/models/model.h"
#include "core/models/registry.h"
#include "core/options.h"
#include "core/text.h"
#include "io/h5_look.h"
#include "io/h5_probe.h"
#include "io/sha256.h"
#include "io/version.h"
#include "jobs/job.h"
#include "jobs/launch/agreement.h"
#include "jobs/launch/args.h"
#include "jobs/launch/memory_limit.h"
#include "jobs/launch/streams.h"
#include "mpi/watch.h"
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOB(name, purpose) {#name, job_##name},
static const struct {
    const char *name;
    job_fn *run;
} jobs[] = {
#include "jobs/jobs.def"
    {"", NULL}};
#undef JOB

static const char doc[] =
    "Train and evaluate cross-domain sequential recommenders on CPU clusters."
    "\vRun alone, with mpirun -n RANKS or with srun. Exit status: 0 done, 1 internal or numerical "
    "failure, 2 usage or bad input, 3 input/output, 4 another rank failed, 75 stopped early with a "
    "checkpoint (a signal, the time limit): run again with --resume; or waited in vain (--wait): "
    "try again.";

enum { KEY_VERSION = 0x2000, KEY_REFERENCE };

#define JOB(name, purpose) {#name, 0, NULL, OPTION_DOC | OPTION_NO_USAGE, purpose, 2},
static const struct argp_option options[] = {
    {"version", KEY_VERSION, NULL, 0, "Versions of the program and its libraries", 0},
    {"reference", KEY_REFERENCE, NULL, 0, "The configuration keys, as a Markdown table", 0},
    {NULL, 0, NULL, 0, "Jobs (cdsr JOB --help says more):", 2},
#include "jobs/jobs.def"
    {0}};
#undef JOB

struct request {
    bool version, reference;
    int job; /* where argv names the job; 0: nowhere */
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *request = state->input;
    (void)arg;
    switch (key) {
    case KEY_VERSION:
        request->version = true;
        return 0;
    case KEY_REFERENCE:
        request->reference = true;
        return 0;
    case ARGP_KEY_ARG: /* the rest belongs to the job */
        request->job = state->next - 1;
        state->next = state->argc;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static void print_versions(void) {
    struct version versions[VERSIONS];
    versions_get(versions);
    for (int i = 0; i < VERSIONS; i++)
        printf("%s %s\n", versions[i].name, versions[i].text);
}

/* A '|' would end the cell. Of a key that one model reads, the model is named. */
static void print_reference(void) {
    struct config config;
    char value[OPTION_PATH], expected[256];
    options_defaults(&config);
    puts("| key | default | value | meaning |\n|---|---|---|---|");
    for (int i = 0; i < options_count(); i++) {
        options_value(&config, i, value, sizeof value);
        options_expected(i, expected, sizeof expected);
        const char *model = options_model(i);
        printf("| `%s` | `%s` | %s | %s%s%s |\n", options_key(i), value, expected,
               model ? model : "", model ? ": " : "", options_help(i));
    }
}

static enum status unknown_job(const struct comm *comm, const char *name) {
    const char *best = jobs[0].name;
    for (int i = 0; jobs[i].run; i++)
        if (text_distance(name, jobs[i].name) < text_distance(name, best))
            best = jobs[i].name;
    return comm_error(comm, STATUS_INPUT, "unknown job '%.100s'; did you mean '%s'?", name, best);
}

static enum status run_job(struct comm *comm, int argc, char **argv) {
    for (int i = 0; jobs[i].run; i++)
        if (!strcmp(jobs[i].name, argv[0]))
            return jobs[i].run(comm, argc, argv);
    return unknown_job(comm, argv[0]);
}

/* Every job hashes files or data sets. */
static enum status check_hashes(const struct comm *comm) {
    int first = comm_first(comm, !sha256_works());
    if (first < 0)
        return STATUS_OK;
    return comm_error_of(comm, first, STATUS_FAIL,
                         "rank %d on %s: libcrypto does not give SHA-256; check the OpenSSL "
                         "configuration (OPENSSL_CONF)",
                         first, comm_host());
}

static enum status run(struct comm *comm, int argc, char **argv) {
    static const struct argp argp = {options, parse, "JOB [ARGUMENT...]", doc, NULL, NULL, NULL};
    static char program[] = "";
    struct request request = {0};
    bool done;
    TRY(check_hashes(comm));
    TRY(agreement_check(comm, argc, argv));
    argv[0] = program;
    TRY(args_parse(comm, &argp, argc, argv, &request, &done));
    if (done)
        return STATUS_OK;
    if (request.version && comm->rank == 0)
        print_versions();
    if (request.reference && comm->rank == 0)
        print_reference();
    if (request.version || request.reference)
        return STATUS_OK;
    if (!request.job)
        return comm_error(comm, STATUS_INPUT, "no job given; cdsr --help lists them");
    return run_job(comm, argc - request.job, argv + request.job);
}

/* Out of memory on one rank ends the job: the others would wait for it for ever. */
static void end_job(void) {
    MPI_Abort(MPI_COMM_WORLD, STATUS_FAIL);
}

int main(int argc, char **argv) {
    struct comm comm;
    int provided;
    if (argc == 3 && !strcmp(argv[1], H5_PROBE_JOB))
        return h5_look(argv[2]);
    streams_open();
    models_register();
    TRY(memory_limit_begin(argv));
    blas_set_threads(1); /* threads are ours: BLAS is called from inside them */
    comm_prepare();
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    comm_open(&comm, MPI_COMM_WORLD);
    mem_on_failure(end_job);
    watch_open(&comm);
    fault_arm(comm.rank);
    if (comm.rank == 0) /* whose look comes before the others' */
        h5_probe_by("/proc/self/exe");
    int threads = comm_fair_threads(&comm);
    if (!getenv("OMP_NUM_THREADS"))
        omp_set_num_threads(threads);
    if (comm.rank > 0)
        log_set_level(LOG_ERROR);
    enum status status = run(&comm, argc, argv);
    log_progress_end();
    status = streams_close(&comm, status);
    h5_probe_by(NULL);
    watch_close();
    comm_end(&comm);
    return (int)status;
}
