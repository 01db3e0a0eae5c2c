/* Ranks that are not alike end together, with a line of the first that is not like rank 0. */
#include "jobs/launch/agreement.h"
#include "core/log.h"
#include "io/version.h"
#include "tests/mpitest.h"

static int other = -1; /* the rank of another version */

/* In place of the library's. */
void versions_get(struct version versions[VERSIONS]) {
    for (int i = 0; i < VERSIONS; i++) {
        versions[i].name = "library";
        strcpy(versions[i].text, test_comm.rank == other ? "0.0.9" : "0.1.0");
    }
}

/* The line that was said, on rank `from` and no other. */
static void expect_line(int argc, char **argv, int from, const char *wanted) {
    log_hold();
    enum status status = agreement_check(&test_comm, argc, argv);
    const char *line = log_release();
    MPI_EXPECT(status == (from < 0 ? STATUS_OK : STATUS_INPUT), "status %d", status);
    MPI_EXPECT(test_comm.rank == from ? strstr(line, wanted) != NULL : !line[0], "%s", line);
}

MPI_TEST(agreement, names_what_differs_and_the_rank, 3) {
    char program[] = "cdsr", job[] = "train", key[] = "train.lr=1", pair[] = "train train.lr=1";
    char *usual[] = {program, job, key}, *joined[] = {program, pair};
    bool last = test_comm.rank == 2;
    expect_line(3, usual, -1, "");
    expect_line(last ? 2 : 3, usual, 2, "has another command line than rank 0: train; start");
    expect_line(last ? 2 : 3, last ? joined : usual, 2, "has another command line");
    other = 1;
    expect_line(3, usual, 1, "has another version of cdsr than rank 0: 0.0.9; start");
}

MPI_TEST_MAIN()
