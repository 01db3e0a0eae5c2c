/* Training on files that were changed behind the program's back. */
#include "core/log.h"
#include "core/models/model.h"
#include "core/models/registry.h"
#include "jobs/engine/stepper.h"
#include "jobs/job.h"
#include "tests/mpitest.h"
#include <hdf5.h>
#include <math.h>

static enum status make_data(const char *path) {
    return start_job(job_synth,
                     (const char *[]){"synth", "--items-a=30", "--items-b=30", "--users=60",
                                      "--features=text:8", "-o", path, NULL});
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
    MPI_REQUIRE(make_data(data) == STATUS_OK, "synth");
    if (test_comm.rank == 0)
        put_nan(data);
    MPI_Barrier(test_comm.mpi);
    MPI_EXPECT(start_job(job_train, (const char *[]){"train", "/dev/null", path, config,
                                                     "model.dim=8", "model.heads=2", NULL}) ==
                   STATUS_INPUT,
               "status");
    snprintf(command, sizeof command, "rm -r %s", dir);
    if (test_comm.rank == 0)
        MPI_EXPECT(system(command) == 0, "rm");
}

/* Exchange the keys of two items. */
static void swap_keys(const char *path, int64_t a, int64_t b) {
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, H5T_VARIABLE);
    H5Tset_cset(text, H5T_CSET_UTF8);
    hid_t set = H5Dopen2(file, "items/key", H5P_DEFAULT);
    char *key[60], *first;
    MPI_REQUIRE(H5Dread(set, text, H5S_ALL, H5S_ALL, H5P_DEFAULT, key) >= 0, "read");
    first = key[a], key[a] = key[b], key[b] = first;
    MPI_REQUIRE(H5Dwrite(set, text, H5S_ALL, H5S_ALL, H5P_DEFAULT, key) >= 0, "write");
    for (int i = 0; i < 60; i++)
        H5free_memory(key[i]);
    H5Tclose(text);
    H5Dclose(set);
    H5Fclose(file);
}

static void drop_hash(const char *path) {
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    MPI_REQUIRE(H5Adelete(file, "items_hash") >= 0, "items_hash");
    H5Fclose(file);
}

/* The items_hash that an open gives; the file is closed, because the test changes it. */
static enum status read_hash(const char *path, char hash[65]) {
    struct dataset dataset;
    TRY(dataset_open(&test_comm, path, &dataset));
    memcpy(hash, dataset.items_hash, sizeof dataset.items_hash);
    dataset_close(&dataset);
    MPI_Barrier(test_comm.mpi);
    return STATUS_OK;
}

/* A file whose keys changed places is refused; where it does not say its hash, as data sets of
 * before, the hash is that of the keys. */
MPI_TEST(train, items_have_their_hash, 2) {
    char dir[64] = "/tmp/cdsr-train-XXXXXX", data[128], command[128];
    char whole[65], before[65], swapped[65];
    if (test_comm.rank == 0)
        MPI_REQUIRE(mkdtemp(dir), "mkdtemp");
    comm_bcast(&test_comm, dir, sizeof dir);
    snprintf(data, sizeof data, "%s/data.h5", dir);
    MPI_REQUIRE(make_data(data) == STATUS_OK, "synth");
    MPI_REQUIRE(read_hash(data, whole) == STATUS_OK, "whole");
    if (test_comm.rank == 0)
        swap_keys(data, 3, 7);
    MPI_Barrier(test_comm.mpi);
    log_hold();
    MPI_EXPECT(read_hash(data, swapped) == STATUS_INPUT, "swapped");
    const char *line = log_release();
    MPI_EXPECT(test_comm.rank > 0 || strstr(line, "/items/key does not have its items_hash"), "%s",
               line);
    if (test_comm.rank == 0)
        drop_hash(data);
    MPI_Barrier(test_comm.mpi);
    MPI_REQUIRE(read_hash(data, swapped) == STATUS_OK, "no hash");
    MPI_EXPECT(strcmp(swapped, whole), "other items, another hash");
    if (test_comm.rank == 0)
        swap_keys(data, 3, 7);
    MPI_Barrier(test_comm.mpi);
    MPI_REQUIRE(read_hash(data, before) == STATUS_OK, "no hash, first order");
    MPI_EXPECT(!strcmp(before, whole), "%s", before);
    MPI_Barrier(test_comm.mpi);
    snprintf(command, sizeof command, "rm -r %s", dir);
    if (test_comm.rank == 0)
        MPI_EXPECT(system(command) == 0, "rm");
}

static void tell_rank(void *writer, double notes[STEPPER_NOTES]) {
    (void)writer;
    notes[0] = 1;
    notes[STEPPER_NOTES - 1] = test_comm.rank;
}

/* One parameter of one rank is not a number: the step ends with a line of that rank, and changes
 * nothing. The notes that travel with its losses arrive all the same. */
MPI_TEST(train, names_tensor_step_and_rank_of_a_nan, 3) {
    char dir[64] = "/tmp/cdsr-train-XXXXXX", data[128], command[128];
    struct config config;
    struct run run;
    struct stepper stepper;
    struct phases phases;
    double loss[LOSS_TERMS];
    if (test_comm.rank == 0)
        MPI_REQUIRE(mkdtemp(dir), "mkdtemp");
    comm_bcast(&test_comm, dir, sizeof dir);
    snprintf(data, sizeof data, "%s/data.h5", dir);
    MPI_REQUIRE(make_data(data) == STATUS_OK, "synth");
    options_defaults(&config);
    snprintf(config.data.path, sizeof config.data.path, "%s", data);
    config.model.dim = 8;
    MPI_REQUIRE(model_configure(&config) == STATUS_OK, "configuration");
    MPI_REQUIRE(run_open(&run, &test_comm, &config, NULL, true) == STATUS_OK, "run");
    MPI_REQUIRE(stepper_open(&stepper, &run) == STATUS_OK, "stepper");
    loader_epoch(&stepper.loader, 0);
    struct param *p = params_find(&run.model.params, "embed.id");
    real before = p->tensor.x[0];
    if (test_comm.rank == 1)
        for (int64_t i = 13; i < param_size(p); i++)
            p->tensor.x[i] = NAN;
    stepper.write_notes = tell_rank;
    phases_start(&phases, PHASE_INPUT);
    stepper_load(&stepper, 0);
    log_hold();
    enum status status = stepper_compute(&stepper, 7, config.train.lr, &phases, loss);
    const char *line = log_release();
    MPI_EXPECT(status == STATUS_FAIL, "status %d", status);
    MPI_EXPECT(test_comm.rank == 1
                   ? strstr(line, "step 7, rank 1: element 13 of embed.id is not") != NULL
                   : !line[0],
               "%s", line);
    MPI_EXPECT(p->tensor.x[0] == before, "the parameters stay");
    MPI_EXPECT(stepper.notes[0] == 3 && stepper.notes[STEPPER_NOTES - 1] == 0 + 1 + 2, "%g %g",
               stepper.notes[0], stepper.notes[STEPPER_NOTES - 1]);
    stepper_close(&stepper);
    run_close(&run);
    snprintf(command, sizeof command, "rm -r %s", dir);
    if (test_comm.rank == 0)
        MPI_EXPECT(system(command) == 0, "rm");
}

MPI_TEST_MAIN(models_register())
