/* cdsr doctor: what is wrong with this launch, a line per finding; nothing is trained. */
#include "core/blas.h"
#include "core/log.h"
#include "core/rng.h"
#include "io/file.h"
#include "io/h5_library.h"
#include "io/output.h"
#include "io/version.h"
#include "jobs/job.h"
#include "jobs/launch/args.h"
#include "jobs/launch/launch.h"
#include "jobs/launch/memory_limit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct request {
    char *scratch;
    double memory, space; /* GB */
};

enum { KEY_SCRATCH = 0x5000, KEY_MEMORY, KEY_SPACE };

static const struct argp_option options[] = {
    {"scratch", KEY_SCRATCH, "DIR", 0, "Where runs are to be written (default: here)", 0},
    {"memory", KEY_MEMORY, "GB", 0, "A rank needs this much, see cdsr plan (default 1)", 0},
    {"space", KEY_SPACE, "GB", 0, "The runs need this much of the disk (default 1)", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *r = state->input;
    switch (key) {
    case KEY_SCRATCH:
        r->scratch = arg;
        return 0;
    case KEY_MEMORY:
        return args_number(state, "--memory", arg, 0, 1e9, &r->memory);
    case KEY_SPACE:
        return args_number(state, "--space", arg, 0, 1e9, &r->space);
    case ARGP_KEY_ARG:
        argp_error(state, "takes no argument '%.100s'", arg);
        return EINVAL;
    }
    return ARGP_ERR_UNKNOWN;
}

/* ---- checks ---- */

static void say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static void check_blas(struct launch *l) {
    char line[256];
    int threads = blas_threads();
    snprintf(line, sizeof line,
             "the BLAS has %d threads of its own for each of %d; link one that obeys "
             "openblas_set_num_threads",
             threads, l->threads);
    launch_tell(l, threads > 1 ? line : NULL);
}

static void check_versions(struct launch *l) {
    struct version versions[VERSIONS];
    char line[512];
    versions_get(versions);
    for (int i = 0; i < VERSIONS; i++) {
        int first = comm_odd_one(l->comm, rng_hash(versions[i].text));
        snprintf(line, sizeof line, "has %s %s, rank 0 another; give all nodes the same libraries",
                 versions[i].name, versions[i].text);
        launch_tell(l, first == l->comm->rank ? line : NULL);
    }
}

static void check_hdf5(struct launch *l) {
    launch_tell(l, h5_is_parallel(l->comm) ? NULL
                                           : "HDF5 is built without MPI; install "
                                             "libhdf5-openmpi or another parallel HDF5");
}

/* Why no file can be written there, or NULL. */
static const char *cannot_write(const char *directory) {
    char path[4096];
    snprintf(path, sizeof path, "%s/cdsr-doctor.%ld", directory, (long)getpid());
    log_hold();
    bool bad = output_write(path, "doctor\n") != STATUS_OK || file_remove(path) != STATUS_OK;
    const char *why = log_release();
    return bad ? why : NULL;
}

/* Rank 0 writes the runs. */
static void check_scratch(struct launch *l, const char *directory, double space) {
    char line[512];
    struct statvfs disk;
    const char *why = NULL;
    if (l->comm->rank == 0 && (why = cannot_write(directory)))
        snprintf(line, sizeof line, "%s; give another --scratch or run.dir", why);
    else if (l->comm->rank == 0 && !statvfs(directory, &disk)) {
        double left = (double)disk.f_bavail * (double)disk.f_frsize / 1e9;
        snprintf(line, sizeof line, "%s has %.2f GB left where %.2f are asked for; make room",
                 directory, left, space);
        why = left < space ? line : NULL;
    }
    launch_tell(l, why ? line : NULL);
}

static void check_memory(struct launch *l, double need) {
    char line[256];
    double free_gb = memory_limit_free() / 1e9 / l->node.size;
    snprintf(line, sizeof line,
             "%.2f GB of memory for each of %d ranks where %.2f are asked for; start fewer ranks "
             "on a node or share out the tables (train.placement: sharded)",
             free_gb, l->node.size, need);
    launch_tell(l, free_gb >= 0 && free_gb < need ? line : NULL);
}

static void check_limits(struct launch *l, double need) {
    char line[512];
    launch_tell(l, memory_limit_finding((int64_t)(need * 1e9), line, sizeof line) ? line : NULL);
}

/* ---- the job ---- */

enum status job_doctor(struct comm *comm, int argc, char **argv) {
    static const struct argp argp = {options,
                                     parse,
                                     "",
                                     "Tell what is wrong with this launch: processes, threads, "
                                     "binding, libraries, disk, memory. Exit status 2 when "
                                     "something is.",
                                     NULL,
                                     NULL,
                                     NULL};
    static char here[] = ".";
    struct request request = {here, 1, 1};
    struct launch launch;
    bool done;
    TRY(args_parse(comm, &argp, argc, argv, &request, &done));
    if (done)
        return STATUS_OK;
    launch_open(&launch, comm, say);
    launch_check(&launch);
    check_blas(&launch);
    check_versions(&launch);
    check_hdf5(&launch);
    check_scratch(&launch, request.scratch, request.space);
    check_memory(&launch, request.memory);
    check_limits(&launch, request.memory);
    int found = launch.found;
    if (comm->rank == 0 && found == 0)
        printf("nothing is wrong: ranks %d x threads %d, %d ranks and %d cores on a node\n",
               comm->size, launch.threads, launch.node.size, launch.node_cores);
    launch_close(&launch);
    return found ? STATUS_INPUT : STATUS_OK;
}
