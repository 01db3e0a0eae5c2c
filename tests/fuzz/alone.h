/* MPI for targets that need a communicator, and a file of their own in memory. */
#ifndef TESTS_FUZZ_ALONE_H
#define TESTS_FUZZ_ALONE_H
#include "mpi/comm.h"
#include "tests/fuzz/target.h"

static struct comm alone;
static char alone_path[] = "/dev/shm/cdsr-fuzz-XXXXXX";

static void alone_end(void) {
    unlink(alone_path);
    comm_close(&alone);
    MPI_Finalize();
}

/* True in the first call. */
static inline bool alone_begin(void) {
    static bool begun = false;
    if (begun)
        return false;
    begun = true;
    MPI_Init(NULL, NULL);
    comm_open(&alone, MPI_COMM_WORLD);
    int file = mkstemp(alone_path);
    REQUIRE(file >= 0 && close(file) == 0);
    atexit(alone_end);
    return true;
}

#endif
