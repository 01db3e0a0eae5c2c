/* Training on files that were changed behind the program's back. */
#include "jobs/job.h"
#include "tests/mpitest.h"
#include <hdf5.h>
#include <math.h>

static enum status run(job_fn *job, const char *const *args) {
    char text[16][256], *argv[17];
    int n = 0;
    for (; args[n]; n++) {
        snprintf(text[n], sizeof text[n], "%s", args[n]);
        argv[n] = text[n];
    }
    argv[n] = NULL;
    return job(&test_comm, n, argv);
}

static void put_nan(const char *path) {
    float nan = NAN;
    hsize_t at[2] = {7, 3}, one[2] = {1, 1};
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t set = H5Dopen2(file, "features/text", H5P_DEFAULT), space = H5Dget_space(set);
    hid_t memory = H5Screate_simple(2, one, NULL);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, at, NULL, one, NULL);
    MPI_REQUIRE(H5Dwrite(set, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, &nan) >= 0, "write");
    H5Sclose(memory);
    H5Sclose(space);
    H5Dclose(set);
    H5Fclose(file);
}

/* A NaN in a feature table is bad input on every rank, before any step. */
MPI_TEST(train, refuses_nan_in_a_table, 4) {
    char dir[64] = "/tmp/cdsr-train-XXXXXX", data[128], config[128], path[192], command[128];
    if (test_comm.rank == 0)
        MPI_REQUIRE(mkdtemp(dir), "mkdtemp");
    comm_bcast(&test_comm, dir, sizeof dir);
    snprintf(data, sizeof data, "%s/data.h5", dir);
    snprintf(config, sizeof config, "run.dir=%s/run", dir);
    snprintf(path, sizeof path, "data.path=%s", data);
    MPI_REQUIRE(
        run(job_synth, (const char *[]){"synth", "--items-a=30", "--items-b=30", "--users=60",
                                        "--features=text:8", "-o", data, NULL}) == STATUS_OK,
        "synth");
    if (test_comm.rank == 0)
        put_nan(data);
    MPI_Barrier(test_comm.mpi);
    MPI_EXPECT(run(job_train, (const char *[]){"train", "/dev/null", path, config, "model.dim=8",
                                               "model.heads=2", NULL}) == STATUS_INPUT,
               "status");
    snprintf(command, sizeof command, "rm -r %s", dir);
    if (test_comm.rank == 0)
        MPI_EXPECT(system(command) == 0, "rm");
}

MPI_TEST_MAIN()
