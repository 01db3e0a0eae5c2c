/* Damaged HDF5 files, bit by bit: the look that another process takes at them (io/h5_probe.h) comes
 * before every crash of libhdf5, and what passes has the content that was written. */
#include "core/hash.h"
#include "core/log.h"
#include "core/rng.h"
#include "io/checkpoint.h"
#include "io/dataset.h"
#include "io/h5_probe.h"
#include "io/table.h"
#include "jobs/job.h"
#include "tests/mpi/flip.h"
#include "tests/mpitest.h"
#include <fcntl.h>
#include <hdf5.h>
#include <sys/stat.h>

static char folder[64];

static void enter(void) {
    strcpy(folder, "/tmp/cdsr-test-XXXXXX");
    MPI_REQUIRE(mkdtemp(folder) && chdir(folder) == 0);
    log_set_level(LOG_ERROR);
    h5_probe_by(CDSR_PROGRAM);
}

static void leave(void) {
    char command[96];
    h5_probe_by(NULL);
    MPI_EXPECT(chdir("/") == 0);
    snprintf(command, sizeof command, "rm -r %s", folder);
    MPI_EXPECT(system(command) == 0);
}

static void make_dataset(void) {
    static char *argv[] = {"synth",      "--items-a", "6",      "--items-b", "5",  "--users", "9",
                           "--features", "own:3",     "--tags", "--quiet",   "-o", "data.h5", NULL};
    int shown = dup(STDOUT_FILENO), nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    MPI_REQUIRE(job_synth(&test_comm, 13, argv) == STATUS_OK);
    fflush(stdout);
    dup2(shown, STDOUT_FILENO);
    close(shown);
    close(nowhere);
}

/* ---- what a program reads, as one number ---- */

static uint64_t hash_bytes(const void *bytes, int64_t n, uint64_t seed) {
    uint64_t hash = rng_bits((uint64_t)n, seed);
    for (int64_t i = 0; i < n; i++)
        hash = rng_bits(hash, ((const unsigned char *)bytes)[i]);
    return hash;
}

static uint64_t hash_texts(struct h5_strings *texts, uint64_t seed) {
    uint64_t hash = seed;
    for (int64_t i = 0; i < texts->count; i++)
        hash = rng_bits(hash, rng_hash(texts->text[i]));
    h5_strings_free(texts);
    return hash;
}

static enum status hash_sequences(const struct dataset *d, uint64_t *hash) {
    for (int split = 0; split < SPLITS; split++) {
        struct sequences s;
        TRY(dataset_read_sequences(&test_comm, d, (enum split)split, 0, d->counts[split], &s));
        *hash = hash_bytes(s.offsets, (s.count + 1) * (int64_t)sizeof *s.offsets, *hash);
        *hash = hash_bytes(s.items, s.offsets[s.count] * (int64_t)sizeof *s.items, *hash);
        sequences_free(&s);
    }
    return STATUS_OK;
}

static enum status hash_tags(const struct dataset *d, uint64_t *hash) {
    struct tag_rows tags;
    TRY(dataset_read_tags(&test_comm, d, 0, d->items, &tags));
    int64_t n = tags.offsets[tags.count];
    *hash = hash_bytes(tags.offsets, (tags.count + 1) * (int64_t)sizeof *tags.offsets, *hash);
    *hash = hash_bytes(tags.tags, n * (int64_t)sizeof *tags.tags, *hash);
    *hash = hash_bytes(tags.weights, n * (int64_t)sizeof *tags.weights, *hash);
    *hash = hash_texts(&tags.vocabulary, *hash);
    tag_rows_free(&tags);
    return STATUS_OK;
}

static enum status hash_feature(const struct dataset *d, uint64_t *hash) {
    int dim;
    TRY(dataset_feature_dim(&test_comm, d, "own", &dim));
    real *rows = mem_alloc(d->items * dim, sizeof *rows);
    enum status status = dataset_read_feature(&test_comm, d, "own", 0, d->items, rows);
    if (status == STATUS_OK)
        *hash = hash_bytes(rows, d->items * dim * (int64_t)sizeof *rows, *hash);
    mem_free(rows);
    return status;
}

static enum status hash_content(const struct dataset *d, uint64_t *hash) {
    struct h5_strings texts;
    *hash = hash_bytes(d->name, (int64_t)strlen(d->name), (uint64_t)d->max_len);
    *hash = rng_bits(*hash, rng_hash(d->labels[0]) + rng_hash(d->labels[1]));
    TRY(hash_sequences(d, hash));
    TRY(hash_feature(d, hash));
    TRY(dataset_read_keys(&test_comm, d, 0, d->items, &texts));
    *hash = hash_texts(&texts, *hash);
    TRY(dataset_read_titles(&test_comm, d, 0, d->items, &texts));
    *hash = hash_texts(&texts, *hash);
    return hash_tags(d, hash);
}

static enum status read_dataset(const char *path, uint64_t *hash) {
    struct dataset d;
    TRY(dataset_open(&test_comm, path, &d));
    enum status status = hash_content(&d, hash);
    dataset_close(&d);
    return status;
}

/* A file of others: its tables, as 'features' reads them. */
static enum status read_table(const char *path, uint64_t *hash) {
    struct string_list sources = {0};
    struct table table;
    string_list_add(&sources, path);
    enum status status = table_open(&table, &sources, NULL);
    string_list_free(&sources);
    if (status != STATUS_OK)
        return status;
    if (table.rows * table.width < 1000) {
        float *rows = mem_alloc(table.rows * table.width, sizeof *rows);
        status = table_read(&table, 0, table.rows, rows);
        *hash = hash_bytes(rows, table.rows * table.width * (int64_t)sizeof *rows, 1);
        mem_free(rows);
    }
    table_close(&table);
    return status;
}

static enum status read_state(const char *path, uint64_t *hash) {
    struct checkpoint_state s = {0};
    TRY(checkpoint_verify(&test_comm, path));
    TRY(checkpoint_read_state(&test_comm, path, &s));
    *hash = rng_bits(rng_hash(s.config), rng_hash(s.dataset_hash) + (uint64_t)s.step);
    checkpoint_state_free(&s);
    return STATUS_OK;
}

/* ---- damage ---- */

/* The bytes that are not zero: where a bit may matter. */
static int64_t list_bytes(const char *path, int64_t **place) {
    struct stat info;
    FILE *file = fopen(path, "rb");
    int64_t n = 0;
    MPI_REQUIRE(file && fstat(fileno(file), &info) == 0, "%s", path);
    *place = mem_alloc(info.st_size, sizeof **place);
    for (int64_t at = 0; at < info.st_size; at++)
        if (fgetc(file))
            (*place)[n++] = at;
    fclose(file);
    return n;
}

/* Flip `flips` bits of the file, one after the other. Where another process comes back from it,
 * `read` does too, and gives STATUS_INPUT or, if `whole`, what it gave before. */
static void damage(const char *path, int flips, bool whole,
                   enum status (*read_it)(const char *, uint64_t *)) {
    uint64_t before = 0, after = 0;
    int64_t *place, n = list_bytes(path, &place), found = 0;
    MPI_REQUIRE(read_it(path, &before) == STATUS_OK, "%s", path);
    for (int k = 0; k < flips; k++) {
        int64_t at = place[(int64_t)k * n / flips];
        int bit = (int)(rng_bits(8, (uint64_t)at) % 8);
        flip(path, at, bit);
        log_hold();
        enum status status = read_it(path, &after);
        const char *line = log_release();
        MPI_EXPECT(status == STATUS_INPUT || status == STATUS_OK, "byte %ld bit %d: %s", (long)at,
                   bit, line);
        MPI_EXPECT(status != STATUS_OK || !whole || after == before, "byte %ld bit %d", (long)at,
                   bit);
        MPI_EXPECT(status == STATUS_OK || line[0], "byte %ld bit %d: no line", (long)at, bit);
        found += status == STATUS_INPUT;
        flip(path, at, bit);
    }
    MPI_EXPECT(read_it(path, &after) == STATUS_OK && after == before, "the bits are back");
    MPI_EXPECT(found > 0, "%s", path);
    mem_free(place);
}

#ifdef __SANITIZE_ADDRESS__
enum { FLIPS = 12 }; /* a process takes ten times as long to begin */
#else
enum { FLIPS = 100 };
#endif

MPI_TEST(damage, no_flipped_bit_of_a_data_set_passes, 1, .timeout = 200) {
    enter();
    make_dataset();
    damage("data.h5", FLIPS, true, read_dataset);
    leave();
}

MPI_TEST(damage, no_flipped_bit_of_a_checkpoint_passes, 1, .timeout = 200) {
    struct params params = {0};
    struct checkpoint_state state = {.step = 12,
                                     .epoch = 3,
                                     .cursor = 4,
                                     .best = {{9, 2, 0.125}, {6, 1, 0.25}},
                                     .stale = 1,
                                     .config = (char *)"run: {}",
                                     .dataset_hash = (char *)"01",
                                     .items_hash = (char *)"02",
                                     .domain_items = {2, 3},
                                     .plateau = {1, 0}};
    char bytes[] = "a\0b\0c\0d\0e";
    struct item_keys keys = {{2, 3}, 0, 5, bytes, sizeof bytes, 0, sizeof bytes};
    enter();
    params_add(&params, 2, 5, 3, PARAM_NORMAL, 1, "w");
    params_allocate(&params, 1, 1);
    MPI_REQUIRE(checkpoint_write(&test_comm, "step-12.h5", &params, &keys, &state) == STATUS_OK);
    params_free(&params);
    damage("step-12.h5", FLIPS, true, read_state);
    leave();
}

/* As h5py writes by default: groups of HDF5 1.6, a chunked and packed table, no checksums. */
static void make_old(void) {
    hid_t file = H5Fcreate("old.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t group = H5Gcreate2(file, "a", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    hsize_t dim[2] = {11, 3}, chunk[2] = {4, 3};
    float rows[33] = {0};
    for (int i = 0; i < 33; i++)
        rows[i] = (float)i + 1;
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(2, dim, NULL);
    H5Pset_chunk(plist, 2, chunk);
    H5Pset_shuffle(plist);
    H5Pset_deflate(plist, 4);
    hid_t id = H5Dcreate2(group, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    MPI_REQUIRE(H5Dwrite(id, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) >= 0);
    H5Dclose(id);
    H5Sclose(space);
    H5Pclose(plist);
    H5Gclose(group);
    H5Fclose(file);
}

MPI_TEST(damage, no_flipped_bit_of_an_old_file_crashes, 1, .timeout = 200) {
    enter();
    make_old();
    damage("old.h5", FLIPS, false, read_table);
    leave();
}

MPI_TEST_MAIN()
