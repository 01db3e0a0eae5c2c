/* A job that is done stays so when its launcher is slow to hear of it. */
#include "tests/mpitest.h"
#include <dlfcn.h>

static bool overloaded;

/* The launcher, which is the rank's parent, stands still for longer than PMIx waits. */
static void hold_launcher(void) {
    pid_t launcher = getppid();
    kill(launcher, SIGSTOP);
    if (fork() == 0) {
        sleep(4);
        kill(launcher, SIGCONT);
        _exit(0);
    }
}

/* In place of the library's, which Open MPI's MPI_Finalize calls when all ranks have come to it; MPICH
 * calls none. */
int PMIx_Finalize(const void *info, size_t count) {
    int (*finalize)(const void *, size_t) =
        (int (*)(const void *, size_t))dlsym(RTLD_NEXT, "PMIx_Finalize");
    if (overloaded)
        hold_launcher();
    return finalize(info, count);
}

MPI_TEST(end, of_a_job_outlives_a_launcher_that_stands_still, 1) {
    overloaded = true;
}

MPI_TEST_MAIN()
