/* What stands in the places of an HDF5 list that has fewer items than places. */
#include "core/log.h"
#include "core/models/model.h"
#include "core/models/registry.h"
#include "io/h5_file.h"
#include "jobs/job.h"
#include "tests/mpi/folder.h"
#include <math.h>

enum { ITEMS = 12, PLACES = 20, USERS = 2 };

/* The same new folder on all ranks, and in it a run and the histories of USERS. */
static void enter(void) {
    folder_enter();
    MPI_REQUIRE(freopen("/dev/null", "w", stdout));
    log_set_level(LOG_ERROR);
    MPI_REQUIRE(start_job(job_synth, (const char *[]){"synth", "--items-a=12", "--items-b=0",
                                                      "--users=60", "-o", "data.h5", NULL}) ==
                STATUS_OK);
    MPI_REQUIRE(start_job(job_train, (const char *[]){"train", "/dev/null", "run.dir=run",
                                                      "model.dim=8", "model.modalities=[id]",
                                                      "train.epochs=1", NULL}) == STATUS_OK);
    if (test_comm.rank == 0) {
        FILE *stream = fopen("histories.tsv", "w");
        MPI_REQUIRE(stream);
        fputs("known\tA3\tA5\tA3\nnew\n", stream);
        fclose(stream);
    }
    MPI_Barrier(test_comm.mpi);
}

MPI_TEST(recommend, empty_places_are_marked, 2) {
    int32_t item[USERS * PLACES];
    float score[USERS * PLACES];
    struct h5_file file;
    enter();
    MPI_REQUIRE(start_job(job_recommend, (const char *[]){"recommend", "run", "-i", "histories.tsv",
                                                          "-k", "20", "-o", "top.h5", NULL}) ==
                STATUS_OK);
    MPI_REQUIRE(h5_open(&file, "top.h5") == STATUS_OK);
    MPI_EXPECT(!h5_exists(&file, "/top/B/item"));
    MPI_REQUIRE(h5_read(&file, "/top/A/item", H5_I32, 0, USERS, item) == STATUS_OK);
    MPI_REQUIRE(h5_read(&file, "/top/A/score", H5_F32, 0, USERS, score) == STATUS_OK);
    for (int i = 0; i < USERS * PLACES; i++) {
        bool listed = i < ITEMS - 2; /* but for the two of the history */
        MPI_EXPECT(listed ? item[i] >= 0 && item[i] < ITEMS : item[i] == -1, "item %d is %d", i,
                   item[i]);
        MPI_EXPECT(listed ? score[i] > 0 : isnan(score[i]), "score %d is %g", i, (double)score[i]);
    }
    h5_close(&file);
    folder_leave();
}

MPI_TEST_MAIN(models_register())
