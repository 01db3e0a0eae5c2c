/* What a limit of the address space leaves, what the BLAS and the libraries take of it per thread, and
 * one line that says so before they fail in their own way. */
#include "jobs/launch/memory_limit.h"
#include "core/blas.h"
#include "core/log.h"
#include <limits.h>
#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* MiB. BUFFER is OpenBLAS's BUFFER_SIZE for x86-64 and Arm; LIBRARIES is for HDF5, MPI's messages
 * and the heaps of threads. */
enum { BUFFER = 128, LIBRARIES = 64, MIB = 1 << 20 };

/* ---- what there is ---- */

struct limit {
    int resource;
    const char *name, *used; /* the line of /proc/self/status */
    int64_t start;           /* MiB: what MPI_Init was seen to take, and room */
};

static const struct limit limits[] = {{RLIMIT_AS, "RLIMIT_AS, ulimit -v", "VmSize:", 256},
                                      {RLIMIT_DATA, "RLIMIT_DATA, ulimit -d", "VmData:", 64}};

enum { LIMITS = sizeof limits / sizeof *limits };

/* kB; -1: there is none. */
static int64_t limit_kb(const struct limit *limit) {
    struct rlimit value;
    if (getrlimit(limit->resource, &value) || value.rlim_cur == RLIM_INFINITY)
        return -1;
    return (int64_t)(value.rlim_cur / 1024);
}

/* The number behind `name` in a file of /proc; -1: there is none. */
static int64_t proc_kb(const char *path, const char *name) {
    char line[256];
    long long kb = -1;
    FILE *file = fopen(path, "re");
    while (file && kb < 0 && fgets(line, sizeof line, file))
        if (!strncmp(line, name, strlen(name)))
            (void)sscanf(line + strlen(name), "%lld", &kb);
    if (file)
        fclose(file);
    return kb;
}

static int64_t used_kb(const struct limit *limit) {
    int64_t kb = proc_kb("/proc/self/status", limit->used);
    return kb > 0 ? kb : 0;
}

double memory_limit_free(void) {
    return 1024 * (double)proc_kb("/proc/meminfo", "MemAvailable:");
}

static int64_t left_kb(const struct limit *limit) {
    return limit_kb(limit) < 0 ? INT64_MAX : limit_kb(limit) - used_kb(limit);
}

/* The system may also refuse by its own accounts (vm.overcommit_memory). */
static bool is_given(int64_t bytes) {
    void *p = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p != MAP_FAILED && !munmap(p, (size_t)bytes);
}

static void describe(const struct limit *limit, int64_t need_kb, const char *purpose, char *text,
                     size_t size) {
    snprintf(
        text, size,
        "the limit of %lld kB (%s) leaves %lld kB, and %s take %lld; raise it to %lld at least "
        "(ulimit unlimited, h_vmem of SGE, VSizeFactor of SLURM)",
        (long long)limit_kb(limit), limit->name, (long long)left_kb(limit), purpose,
        (long long)need_kb, (long long)(used_kb(limit) + need_kb));
}

/* ---- before MPI ---- */

/* They are started when the library is loaded, and only the environment keeps them away. */
static void start_without_blas_threads(char **argv) {
    static const char variable[] = "OPENBLAS_NUM_THREADS";
    char program[PATH_MAX] = "";
    const char *set = getenv(variable);
    if (blas_threads() == 1 || (set && !strcmp(set, "1")) ||
        readlink("/proc/self/exe", program, sizeof program - 1) < 0)
        return;
    setenv(variable, "1", 1);
    execv(program, argv);
}

/* What the launcher says of this process; alone it is the first. */
static bool is_first_of_node(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID",
                                        "SLURM_LOCALID"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (getenv(names[i]))
            return !strcmp(getenv(names[i]), "0");
    return true;
}

enum status memory_limit_begin(char **argv) {
    char line[512];
    if (limit_kb(&limits[0]) < 0 && limit_kb(&limits[1]) < 0)
        return STATUS_OK;
    start_without_blas_threads(argv);
    for (int i = 0; i < LIMITS; i++) {
        int64_t need_kb = limits[i].start * MIB / 1024;
        if (left_kb(&limits[i]) >= need_kb)
            continue;
        describe(&limits[i], need_kb, "MPI and the libraries", line, sizeof line);
        return is_first_of_node() ? log_error(STATUS_INPUT, "%s", line) : STATUS_INPUT;
    }
    return STATUS_OK;
}

/* ---- before the first product ---- */

/* Buffers of all threads, stacks of those that have not been started. */
static int64_t need_of(int threads) {
    pthread_attr_t attributes;
    size_t stack = 0;
    if (!pthread_getattr_default_np(&attributes)) {
        pthread_attr_getstacksize(&attributes, &stack);
        pthread_attr_destroy(&attributes);
    }
    return (int64_t)LIBRARIES * MIB + threads * (int64_t)BUFFER * MIB +
           (threads - 1) * (int64_t)stack;
}

bool memory_limit_finding(int64_t bytes, char *text, size_t size) {
    char purpose[128];
    int threads = omp_get_max_threads();
    int64_t own = need_of(threads), need_kb = (own + bytes) / 1024;
    snprintf(purpose, sizeof purpose, "the BLAS with threads %d%s and the libraries", threads,
             bytes ? ", the tables" : "");
    for (int i = 0; i < LIMITS; i++)
        if (left_kb(&limits[i]) < need_kb) {
            describe(&limits[i], need_kb, purpose, text, size);
            return true;
        }
    snprintf(
        text, size,
        "the system does not give the %lld kB of address space that the BLAS takes with threads "
        "%d; free memory on the node, or see vm.overcommit_memory",
        (long long)own / 1024, threads);
    return !is_given(own);
}

/* A buffer is kept when it is given back, and is there for whoever calls next. */
static void take_buffers(void) {
#pragma omp parallel
    {
        void *buffer = blas_take_buffer();
#pragma omp barrier
        blas_give_buffer(buffer);
    }
}

enum status memory_limit_reserve(const struct comm *comm) {
    static bool taken;
    char line[512];
    bool refused = !taken && memory_limit_finding(0, line, sizeof line);
    int first = comm_first(comm, refused);
    if (first >= 0)
        return comm_error_of(comm, first, STATUS_INPUT, "rank %d on %s: %s", first, comm_host(),
                             line);
    if (!taken)
        take_buffers();
    taken = true;
    return STATUS_OK;
}
