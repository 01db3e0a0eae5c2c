#include "jobs/features/import.h"
#include "core/log.h"
#include "io/dataset.h"
#include "io/h5_sum.h"
#include "jobs/job.h"
#include "tests/mpi/folder.h"
#include <fcntl.h>

enum { WIDTH = 5 };

/* The same new folder on all ranks, and in it a data set of 30 + 20 items, data.h5. */
static void enter(struct dataset *dataset) {
    static char *argv[] = {"synth",      "--items-a", "30",      "--items-b", "20",
                           "--users",    "50",        "--quiet", "-o",        "data.h5",
                           "--features", "own:3",     "--tags",  NULL};
    folder_enter();
    int shown = dup(STDOUT_FILENO);
    MPI_REQUIRE(freopen("/dev/null", "w", stdout));
    MPI_REQUIRE(job_synth(&test_comm, 13, argv) == STATUS_OK);
    fflush(stdout);
    dup2(shown, STDOUT_FILENO);
    close(shown);
    MPI_REQUIRE(dataset_open(&test_comm, "data.h5", dataset) == STATUS_OK);
    log_set_level(LOG_ERROR);
}

static void leave(struct dataset *dataset) {
    dataset_close(dataset);
    folder_leave();
}

/* Row r of the whole table has r + 1 + column / 8 in every column. */
static float value(int64_t row, int64_t column) {
    return (float)row + 1 + (float)column / 8;
}

static void put_rows(FILE *stream, int64_t lo, int64_t hi) {
    for (int64_t i = lo; i < hi; i++)
        for (int64_t j = 0; j < WIDTH; j++) {
            float v = value(i, j);
            fwrite(&v, sizeof v, 1, stream);
        }
}

/* Rank 0: the rows [lo, hi). */
static void put_npy(const char *path, int64_t lo, int64_t hi) {
    char header[128];
    FILE *stream = fopen(path, "wb");
    int n = snprintf(header, sizeof header,
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %d), }\n",
                     (long long)(hi - lo), WIDTH);
    MPI_REQUIRE(stream);
    fwrite("\x93NUMPY\x01\x00", 1, 8, stream);
    fputc(n, stream);
    fputc(0, stream);
    fwrite(header, 1, (size_t)n, stream);
    put_rows(stream, lo, hi);
    fclose(stream);
}

static void put_safetensors(const char *path, int64_t rows) {
    char header[128];
    FILE *stream = fopen(path, "wb");
    int n = snprintf(header, sizeof header,
                     "{\"t\":{\"dtype\":\"F32\",\"shape\":[%lld,%d],\"data_offsets\":[0,%lld]}}",
                     (long long)rows, WIDTH, (long long)rows * WIDTH * 4);
    MPI_REQUIRE(stream);
    for (int i = 0; i < 8; i++)
        fputc(i ? 0 : n, stream);
    fwrite(header, 1, (size_t)n, stream);
    put_rows(stream, 0, rows);
    fclose(stream);
}

/* Row of item i in the file of keys: every third item has none, the others stand backwards. */
static int64_t row_of(int64_t item) {
    return item % 3 == 2 ? -1 : 33 - item / 3 * 2 - item % 3;
}

static void put_keys(const struct dataset *dataset) {
    struct h5_strings keys;
    MPI_REQUIRE(dataset_read_keys(&test_comm, dataset, 0, dataset->items, &keys) == STATUS_OK);
    if (test_comm.rank == 0) {
        FILE *stream = fopen("keys.txt", "w");
        MPI_REQUIRE(stream);
        for (int64_t row = 0; row < 34; row++)
            for (int64_t i = 0; i < dataset->items; i++)
                if (row_of(i) == row)
                    fprintf(stream, "%s\n", keys.text[i]);
        fclose(stream);
    }
    h5_strings_free(&keys);
}

/* An open data set does not show what is put to its file: it is opened again. */
static void import_it(struct dataset *dataset, struct import_request *request, const char *from) {
    int shown = dup(STDOUT_FILENO), nowhere = open("/dev/null", O_WRONLY);
    MPI_Barrier(test_comm.mpi);
    string_list_add(&request->from, from);
    dup2(nowhere, STDOUT_FILENO);
    MPI_EXPECT(import_table(&test_comm, dataset, request) == STATUS_OK, "%s", from);
    fflush(stdout);
    dup2(shown, STDOUT_FILENO);
    close(shown);
    close(nowhere);
    string_list_free(&request->from);
    dataset_close(dataset);
    MPI_REQUIRE(dataset_open(&test_comm, "data.h5", dataset) == STATUS_OK);
}

/* Item i has row row[i] of the whole table, zeros where that is negative. */
static void compare(const struct dataset *dataset, const char *name, int64_t (*row)(int64_t)) {
    real rows[50 * WIDTH];
    int dim = 0;
    MPI_REQUIRE(dataset_feature_dim(&test_comm, dataset, name, &dim) == STATUS_OK && dim == WIDTH);
    MPI_REQUIRE(dataset_read_feature(&test_comm, dataset, name, 0, 50, rows) == STATUS_OK);
    for (int64_t i = 0; i < 50; i++)
        for (int64_t j = 0; j < WIDTH; j++) {
            float wanted = row(i) < 0 ? 0 : value(row(i), j);
            MPI_EXPECT((float)rows[i * WIDTH + j] == wanted, "%s: item %lld", name, (long long)i);
        }
}

/* Every dataset of data.h5 has a checksum, the right one. */
static void expect_sums(void) {
    struct string_list names = {0};
    struct h5_file file;
    MPI_REQUIRE(h5_open(&file, "data.h5") == STATUS_OK);
    MPI_REQUIRE(h5_datasets(&file, "/", &names) == STATUS_OK);
    for (int64_t i = 0; i < names.count; i++) {
        const char *name = string_at(&names, i);
        MPI_EXPECT(h5_has_attribute(&file, name, H5_CHECKSUM), "%s", name);
        MPI_EXPECT(h5_verify(&test_comm, &file, name) == STATUS_OK, "%s", name);
        MPI_EXPECT(h5_verify_alone(&file, name) == STATUS_OK, "%s", name);
    }
    MPI_EXPECT(names.count > 15, "%ld datasets", (long)names.count);
    h5_close(&file);
    string_list_free(&names);
}

/* Files are named without folders and without the dataset in them. */
static void expect_source(const char *name, const char *wanted) {
    struct h5_file file;
    char *text = NULL;
    MPI_REQUIRE(h5_open(&file, "data.h5") == STATUS_OK);
    MPI_REQUIRE(h5_get_text(&file, name, "source", &text) == STATUS_OK);
    MPI_EXPECT(!strcmp(text, wanted), "%s is from %s", name, text);
    mem_free(text);
    h5_close(&file);
}

static int64_t same(int64_t item) {
    return item;
}

static void import_all(void) {
    struct dataset dataset;
    struct import_request plain = {.name = "plain"}, half = {.name = "half", .half = true},
                          keyed = {.name = "keyed", .keys = "keys.txt"};
    enter(&dataset);
    if (test_comm.rank == 0) {
        put_npy("part-1.npy", 0, 7);
        put_npy("part-2.npy", 7, 7);
        put_npy("part-10.npy", 7, 50);
        put_npy("a.npy", 0, 11);
        put_npy("b.npy", 11, 34);
        put_safetensors("t.safetensors", 50);
    }
    put_keys(&dataset);
    import_it(&dataset, &plain, "part-*.npy");
    compare(&dataset, "plain", same);
    expect_source("/features/plain", "part-1.npy to part-10.npy (3 files)");
    import_it(&dataset, &half, "t.safetensors");
    compare(&dataset, "half", same);
    import_it(&dataset, &keyed, "[ab].npy");
    compare(&dataset, "keyed", row_of);
    compare(&dataset, "plain", same);
    plain.overwrite = true; /* takes the place of the old table in the file */
    import_it(&dataset, &plain, "data.h5:/features/half");
    compare(&dataset, "plain", same);
    compare(&dataset, "keyed", row_of);
    expect_source("/features/plain", "data.h5");
    expect_source("/features/half", "t.safetensors");
    expect_sums();
    leave(&dataset);
}

MPI_TEST(import, one_rank, 1) {
    import_all();
}

MPI_TEST(import, three_ranks, 3) {
    import_all();
}

MPI_TEST(import, eight_ranks, 8) {
    import_all();
}

MPI_TEST_MAIN()
