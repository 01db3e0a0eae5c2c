#include "io/config.h"
#include "core/models/model.h"
#include "core/models/registry.h"
#include "tests/mpitest.h"

/* Rank 0 writes the file; all know its name. */
static void write_file(char path[64], const char *text) {
    strcpy(path, "/tmp/cdsr-config-XXXXXX.yaml");
    if (test_comm.rank == 0) {
        int fd = mkstemps(path, 5);
        MPI_REQUIRE(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
        close(fd);
    }
    comm_bcast(&test_comm, path, 64);
}

static void remove_file(const char *path) {
    MPI_Barrier(test_comm.mpi);
    if (test_comm.rank == 0)
        unlink(path);
}

MPI_TEST(config, reaches_all_ranks, 3) {
    char path[64], expected[64], *pairs[] = {"train.lr=0.5", "train.batch=7"};
    struct config config;
    write_file(path, "train: {lr: 0.25, epochs: 3}\n");
    MPI_REQUIRE(config_load(&test_comm, path, pairs, 2, &config) == STATUS_OK);
    MPI_EXPECT(config.train.lr == 0.5 && config.train.epochs == 3 && config.train.batch == 7);
    snprintf(expected, sizeof expected, "runs/%.*s", (int)strlen(path) - 5 - 5, path + 5);
    MPI_EXPECT(!strcmp(config.run.dir, expected), "%s", config.run.dir);
    MPI_EXPECT(comm_same(&test_comm, options_hash(&config)));
    remove_file(path);
}

MPI_TEST(config, defaults_without_a_file, 2) {
    struct config config;
    MPI_REQUIRE(config_load(&test_comm, NULL, NULL, 0, &config) == STATUS_OK);
    MPI_EXPECT(config.train.epochs == 100 && !strcmp(config.run.dir, "runs/run"));
}

MPI_TEST(config, given_directory_stays, 2) {
    char *pairs[] = {"run.dir=here"};
    struct config config;
    MPI_REQUIRE(config_load(&test_comm, NULL, pairs, 1, &config) == STATUS_OK);
    MPI_EXPECT(!strcmp(config.run.dir, "here"), "%s", config.run.dir);
}

MPI_TEST(config, fails_on_all_ranks, 3) {
    static char large[(1 << 16) + 8];
    char path[64], *pairs[] = {"model.name=unknown"};
    struct config config;
    memset(large, '#', sizeof large - 1);
    MPI_EXPECT(config_load(&test_comm, "/nonexistent/x.yaml", NULL, 0, &config) == STATUS_IO);
    MPI_EXPECT(config_load(&test_comm, "/tmp", NULL, 0, &config) == STATUS_IO);
    MPI_EXPECT(config_load(&test_comm, NULL, pairs, 1, &config) == STATUS_INPUT);
    write_file(path, "train: {lrr: 1}\n");
    MPI_EXPECT(config_load(&test_comm, path, NULL, 0, &config) == STATUS_INPUT);
    remove_file(path);
    write_file(path, large);
    MPI_EXPECT(config_load(&test_comm, path, NULL, 0, &config) == STATUS_INPUT);
    remove_file(path);
}

MPI_TEST_MAIN(models_register())
