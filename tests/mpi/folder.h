/* A new folder, the same on all ranks, for a test to work in. Collective. */
#ifndef TESTS_MPI_FOLDER_H
#define TESTS_MPI_FOLDER_H
#include "tests/mpitest.h"

static char folder[64];

static inline void folder_enter(void) {
    strcpy(folder, "/tmp/cdsr-test-XXXXXX");
    if (test_comm.rank == 0)
        MPI_REQUIRE(mkdtemp(folder));
    comm_bcast(&test_comm, folder, sizeof folder);
    MPI_REQUIRE(chdir(folder) == 0);
}

static inline void folder_leave(void) {
    MPI_Barrier(test_comm.mpi);
    MPI_EXPECT(chdir("/") == 0);
    if (test_comm.rank == 0) {
        char command[96];
        snprintf(command, sizeof command, "rm -r %s", folder);
        MPI_EXPECT(system(command) == 0);
    }
}

#endif
