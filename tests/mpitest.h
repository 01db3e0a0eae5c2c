/* MPI tests inside an ordinary Criterion program.
 *
 * Criterion runs every test in a process of its own, and under mpirun only the first of them can
 * initialise MPI. Therefore Criterion stays serial and each MPI test starts its own job: the test
 * runs `mpirun -n NP <this program> --mpi-case suite/name`, whose ranks run the body, and passes
 * when that job exits with 0.
 *
 *     MPI_TEST(comm, sums, 4) {                  the body, on 4 ranks; test_comm is open
 *         MPI_REQUIRE(p, "no table");            on failure the job is aborted
 *         MPI_EXPECT(x == y, "x %d", x);         on failure counted, the test goes on
 *     }
 *     MPI_TEST_MAIN(prepare())                   once per program; the call may be left out
 *
 * A case also fails when it leaves counted allocations behind (core/mem.h). Criterion's options of
 * a test, .timeout and the like, may follow NP. Serial Test()s may stand in the same program. */
#ifndef TESTS_MPITEST_H
#define TESTS_MPITEST_H
#include "core/mem.h"
#include "jobs/job.h"
#include "mpi/comm.h"
#include <criterion/criterion.h>
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A test's own .timeout comes after the one of MPI_TEST. */
#pragma GCC diagnostic ignored "-Woverride-init"

static struct comm test_comm;
static int test_failures;

struct mpi_case {
    const char *name;
    void (*body)(void);
    struct mpi_case *next;
};
static struct mpi_case *mpi_cases;

#define MPI_COMPLAIN(condition, ...)                                                               \
    do {                                                                                           \
        fprintf(stderr, "%s:%d: rank %d: not so: %s;", __FILE__, __LINE__, test_comm.rank,         \
                condition);                                                                        \
        fprintf(stderr, " " __VA_ARGS__);                                                          \
        fputc('\n', stderr);                                                                       \
    } while (0)

#define MPI_EXPECT(condition, ...)                                                                 \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            test_failures++;                                                                       \
            MPI_COMPLAIN(#condition, __VA_ARGS__);                                                 \
        }                                                                                          \
    } while (0)

#define MPI_REQUIRE(condition, ...)                                                                \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            MPI_COMPLAIN(#condition, __VA_ARGS__);                                                 \
            MPI_Abort(MPI_COMM_WORLD, 1);                                                          \
        }                                                                                          \
    } while (0)

/* A job of the program as if started with these arguments, a NULL behind them, on all ranks; at
 * most 16. */
static inline enum status start_job(job_fn *job, const char *const *args) {
    char text[16][256], *argv[17];
    int n = 0;
    for (; args[n]; n++) {
        snprintf(text[n], sizeof text[n], "%s", args[n]);
        argv[n] = text[n];
    }
    argv[n] = NULL;
    return job(&test_comm, n, argv);
}

/* The case enters the list before main() runs, in the test's process and in the job's alike. */
#define MPI_TEST(suite, test, np, ...)                                                             \
    static void mpi_body_##suite##_##test(void);                                                   \
    __attribute__((constructor)) static void mpi_enter_##suite##_##test(void) {                    \
        static struct mpi_case entry = {#suite "/" #test, mpi_body_##suite##_##test, NULL};        \
        entry.next = mpi_cases;                                                                    \
        mpi_cases = &entry;                                                                        \
    }                                                                                              \
    Test(suite, test, .timeout = 120, ##__VA_ARGS__) {                                             \
        mpi_job(np, #suite "/" #test);                                                             \
    }                                                                                              \
    static void mpi_body_##suite##_##test(void)

/* In the child of fork(): becomes mpirun, with its output in `out`. */
static _Noreturn void mpi_become_job(int np, const char *name, int out, pid_t parent) {
    static const char *const settings[][2] = {
        {"OMPI_ALLOW_RUN_AS_ROOT", "1"},
        {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
        {"OMPI_MCA_rmaps_base_oversubscribe", "1"},
        {"OMPI_MCA_hwloc_base_binding_policy", "none"},
        {"PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe"},
        {"PRTE_MCA_hwloc_default_binding_policy", "none"},
        {"OMPI_MCA_pml", "ob1"},
        {"OMPI_MCA_btl", "self,vader,tcp"},
        {"OMP_NUM_THREADS", "1"}};
    char self[4096], ranks[16];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* a test that Criterion times out takes its job along */
    if (n < 0 || getppid() != parent)
        _exit(127);
    self[n] = 0;
    snprintf(ranks, sizeof ranks, "%d", np);
    unsetenv("BXFI_MAP"); /* Criterion's mark of its sandbox; the ranks stand outside */
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        setenv(settings[i][0], settings[i][1], 0);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execlp("mpirun", "mpirun", "-n", ranks, self, "--mpi-case", name, (char *)NULL);
    _exit(127);
}

/* The end of what the job wrote. */
static void mpi_read_tail(FILE *file, char *text, size_t size) {
    long end = fseek(file, 0, SEEK_END) ? 0 : ftell(file), room = (long)size - 1;
    fseek(file, end > room ? end - room : 0, SEEK_SET);
    text[fread(text, 1, size - 1, file)] = 0;
}

static void mpi_job(int np, const char *name) {
    char text[8192];
    int outcome = -1;
    FILE *out = tmpfile();
    cr_assert(out, "no temporary file");
    pid_t parent = getpid(), job = fork();
    if (job == 0)
        mpi_become_job(np, name, fileno(out), parent);
    cr_assert(job > 0 && waitpid(job, &outcome, 0) == job, "mpirun was not started");
    mpi_read_tail(out, text, sizeof text);
    fclose(out);
    cr_assert(WIFEXITED(outcome) && WEXITSTATUS(outcome) == 0, "%s on %d ranks: %s %d\n%s", name,
              np, WIFEXITED(outcome) ? "exit status" : "signal",
              WIFEXITED(outcome) ? WEXITSTATUS(outcome) : WTERMSIG(outcome), text);
}

/* On every rank of the job. */
static int mpi_run_case(const char *name) {
    const struct mpi_case *entry = mpi_cases;
    int provided;
    int64_t failures;
    while (entry && strcmp(entry->name, name))
        entry = entry->next;
    comm_prepare();
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    comm_open(&test_comm, MPI_COMM_WORLD);
    MPI_REQUIRE(entry, "no case %s", name);
    entry->body();
    MPI_EXPECT(mem_live() == 0, "%lld allocations left", (long long)mem_live());
    failures = test_failures;
    comm_sum_i64(&test_comm, &failures, 1);
    comm_end(&test_comm);
    return failures > 0;
}

#define MPI_TEST_MAIN(...)                                                                         \
    int main(int argc, char **argv) {                                                              \
        if (argc == 3 && !strcmp(argv[1], "--mpi-case")) {                                         \
            __VA_ARGS__;                                                                           \
            return mpi_run_case(argv[2]);                                                          \
        }                                                                                          \
        struct criterion_test_set *tests = criterion_initialize();                                 \
        criterion_options.jobs = 1; /* one test already fills the machine */                       \
        int passed = !criterion_handle_args(argc, argv, true) || criterion_run_all_tests(tests);   \
        criterion_finalize(tests);                                                                 \
        return !passed;                                                                            \
    }

#endif
