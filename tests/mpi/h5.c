#include "core/log.h"
#include "io/dataset.h"
#include "io/dataset_content.h"
#include "io/dataset_write.h"
#include "io/h5_file.h"
#include "io/h5_writer.h"
#include "partition/range.h"
#include "tests/mpitest.h"
#include <hdf5.h>
#include <sys/stat.h>

static char path[128];

/* The same new path on all ranks. */
static void enter(void) {
    char folder[64] = "/tmp/cdsr-test-XXXXXX";
    if (test_comm.rank == 0)
        MPI_REQUIRE(mkdtemp(folder));
    comm_bcast(&test_comm, folder, sizeof folder);
    snprintf(path, sizeof path, "%s/file.h5", folder);
    log_set_level(LOG_ERROR);
}

/* Nothing but the file itself may be left behind. */
static void leave(void) {
    MPI_Barrier(test_comm.mpi);
    if (test_comm.rank == 0) {
        unlink(path);
        *strrchr(path, '/') = '\0';
        MPI_EXPECT(rmdir(path) == 0, "something is left in %s", path);
    }
}

static bool exists(void) {
    MPI_Barrier(test_comm.mpi);
    return access(path, F_OK) == 0;
}

enum { ROWS = 1001, WIDTH = 7 };

static enum status write_rows(struct h5_writer *w) {
    struct range r = range_of(ROWS, test_comm.size, test_comm.rank);
    float *rows = mem_alloc((r.hi - r.lo) * WIDTH, sizeof *rows);
    for (int64_t i = 0; i < (r.hi - r.lo) * WIDTH; i++)
        rows[i] = (float)(r.lo * WIDTH + i);
    enum status status = h5_writer_write(w, "/param/x.y", H5_F32, r.lo, r.hi, rows);
    mem_free(rows);
    return status;
}

static enum status build(struct h5_writer *w) {
    static const int64_t dim[2] = {ROWS, WIDTH};
    double scalar = 2.5;
    TRY(h5_writer_declare(w, "/param/x.y", H5_F64, 2, dim));
    TRY(h5_writer_declare(w, "/param/scale", H5_F64, 0, NULL));
    TRY(h5_writer_put_text(w, "/state", "config", "model: {}\n"));
    TRY(h5_writer_put_int(w, "/state", "step", 12));
    TRY(h5_writer_reserve(w));
    TRY(write_rows(w));
    return test_comm.rank ? STATUS_OK : h5_writer_write(w, "/param/scale", H5_F64, 0, 1, &scalar);
}

static enum status write_file(enum status mine) {
    struct h5_writer w;
    TRY(h5_writer_create(&w, &test_comm, path, H5_PARALLEL));
    enum status status = build(&w);
    return h5_writer_commit(&w, status ? status : mine);
}

MPI_TEST(h5, all_ranks_write_one_file, 4) {
    struct h5_file file;
    int64_t step = 0, wrong = 0;
    double scalar = 0;
    char *config = NULL;
    double *rows = mem_alloc(ROWS * WIDTH, sizeof *rows);
    enter();
    MPI_REQUIRE(write_file(STATUS_OK) == STATUS_OK);
    MPI_REQUIRE(h5_open(&file, path) == STATUS_OK);
    MPI_REQUIRE(h5_read(&file, "/param/x.y", H5_F64, 1, ROWS, rows) == STATUS_OK);
    for (int64_t i = 0; i < (ROWS - 1) * WIDTH; i++)
        wrong += rows[i] != (double)(i + WIDTH);
    MPI_EXPECT(wrong == 0, "%lld values differ", (long long)wrong);
    MPI_EXPECT(h5_read(&file, "/param/scale", H5_F64, 0, 1, &scalar) == STATUS_OK && scalar == 2.5);
    MPI_EXPECT(h5_get_int(&file, "/state", "step", &step) == STATUS_OK && step == 12);
    MPI_REQUIRE(h5_get_text(&file, "/state", "config", &config) == STATUS_OK);
    MPI_EXPECT(!strcmp(config, "model: {}\n"));
    mem_free(config);
    mem_free(rows);
    h5_close(&file);
    leave();
}

MPI_TEST(h5, one_rank_failing_leaves_the_old_file, 4) {
    struct h5_file file;
    enter();
    enum status mine = test_comm.rank == 2 ? STATUS_FAIL : STATUS_OK;
    MPI_EXPECT(write_file(mine) == STATUS_FAIL);
    MPI_EXPECT(!exists());
    MPI_REQUIRE(write_file(STATUS_OK) == STATUS_OK);
    MPI_EXPECT(write_file(mine) == STATUS_FAIL);
    MPI_REQUIRE(h5_open(&file, path) == STATUS_OK);
    MPI_EXPECT(h5_exists(&file, "/param/scale") && !h5_exists(&file, "/param/none"));
    h5_close(&file);
    leave();
}

MPI_TEST(h5, unwritable_is_an_error_everywhere, 3) {
    struct h5_writer w;
    MPI_EXPECT(h5_writer_create(&w, &test_comm, "/absent/x.h5", H5_PARALLEL) == STATUS_IO);
    MPI_EXPECT(h5_writer_create(&w, &test_comm, "/absent/x.h5", H5_SERIAL) == STATUS_IO);
}

/* Files as another program may make them. */
static hid_t foreign(void) {
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    MPI_REQUIRE(file >= 0);
    return file;
}

static void declare_foreign(hid_t file, const char *name, hid_t type, hsize_t n, hid_t plist) {
    hid_t space = H5Screate_simple(1, &n, NULL);
    hid_t id = H5Dcreate2(file, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    MPI_REQUIRE(id >= 0);
    H5Dclose(id);
    H5Sclose(space);
}

static void make_hostile(void) {
    hid_t file = foreign(), plist = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk = 16;
    declare_foreign(file, "plain", H5T_STD_I32LE, 4, H5P_DEFAULT);
    H5Lcreate_soft("/plain", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("/etc/passwd", "/x", file, "external_link", H5P_DEFAULT, H5P_DEFAULT);
    declare_foreign(file, "sparse", H5T_STD_I64LE, (hsize_t)1 << 50, H5P_DEFAULT);
    H5Pset_external(plist, "/etc/passwd", 0, 16);
    declare_foreign(file, "external", H5T_STD_I32LE, 4, plist);
    H5Pclose(plist);
    plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 1, &chunk);
    H5Pset_scaleoffset(plist, H5Z_SO_INT, 4);
    declare_foreign(file, "filtered", H5T_STD_I32LE, 64, plist);
    H5Pclose(plist);
    H5Gclose(H5Gcreate2(file, "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Fclose(file);
}

MPI_TEST(h5, refuses_hostile_files, 1) {
    static const char *const names[] = {"soft",     "external_link", "sparse", "external",
                                        "filtered", "group",         "none"};
    struct h5_file file;
    struct h5_extent extent;
    enter();
    make_hostile();
    MPI_REQUIRE(h5_open(&file, path) == STATUS_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        MPI_EXPECT(h5_extent(&file, names[i], &extent) == STATUS_INPUT, "%s", names[i]);
    log_hold();
    MPI_EXPECT(h5_extent(&file, "filtered", &extent) == STATUS_INPUT);
    const char *line = log_release();
    MPI_EXPECT(strstr(line, "the filter scaleoffset (6)") && strstr(line, "h5repack"), "%s", line);
    h5_close(&file);
    leave();
}

/* 0, 1, 2, ... with the library's own checksums, in two chunks. */
static void make_fletcher(void) {
    int32_t numbers[32];
    hid_t file = foreign(), plist = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk = 16;
    for (int i = 0; i < 32; i++)
        numbers[i] = i;
    H5Pset_chunk(plist, 1, &chunk);
    H5Pset_fletcher32(plist);
    declare_foreign(file, "x", H5T_STD_I32LE, 32, plist);
    H5Pclose(plist);
    hid_t id = H5Dopen2(file, "x", H5P_DEFAULT);
    MPI_REQUIRE(H5Dwrite(id, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers) >= 0);
    H5Dclose(id);
    H5Fclose(file);
}

MPI_TEST(h5, reads_fletcher32, 1) {
    struct h5_file file;
    int32_t numbers[4];
    enter();
    make_fletcher();
    MPI_REQUIRE(h5_open(&file, path) == STATUS_OK);
    MPI_REQUIRE(h5_read(&file, "x", H5_I32, 14, 18, numbers) == STATUS_OK);
    MPI_EXPECT(numbers[0] == 14 && numbers[3] == 17);
    h5_close(&file);
    leave();
}

static void put_strings(hid_t file) {
    static const char *const variable[3] = {"a", "", "\xC3\xA9"};
    static const char fixed[3][4] = {"abcd", "x   ", ""};
    hsize_t n = 3;
    hid_t space = H5Screate_simple(1, &n, NULL), type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    hid_t id = H5Dcreate2(file, "v", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, variable);
    H5Dclose(id);
    H5Tclose(type);
    type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, 4);
    H5Tset_strpad(type, H5T_STR_SPACEPAD);
    id = H5Dcreate2(file, "f", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, fixed);
    H5Dclose(id);
    H5Tclose(type);
    H5Sclose(space);
}

MPI_TEST(h5, reads_strings_of_both_kinds, 1) {
    struct h5_file file;
    struct h5_strings text, names;
    enter();
    hid_t id = foreign();
    put_strings(id);
    H5Fclose(id);
    MPI_REQUIRE(h5_open(&file, path) == STATUS_OK);
    MPI_REQUIRE(h5_read_strings(&file, "v", 1, 3, &text) == STATUS_OK);
    MPI_EXPECT(text.count == 2 && !strcmp(text.text[0], "") && !strcmp(text.text[1], "\xC3\xA9"));
    h5_strings_free(&text);
    MPI_REQUIRE(h5_read_strings(&file, "f", 0, 2, &text) == STATUS_OK);
    MPI_EXPECT(!strcmp(text.text[0], "abcd") && !strcmp(text.text[1], "x"));
    h5_strings_free(&text);
    MPI_REQUIRE(h5_members(&file, "/", &names) == STATUS_OK);
    MPI_EXPECT(names.count == 2 && !strcmp(names.text[0], "f"));
    h5_strings_free(&names);
    h5_close(&file);
    leave();
}

MPI_TEST(h5, refuses_what_is_not_complete, 1) {
    struct h5_file file;
    struct stat info;
    enter();
    MPI_EXPECT(h5_open(&file, path) == STATUS_IO);
    hid_t id = foreign();
    declare_foreign(id, "x", H5T_STD_I32LE, 4, H5P_DEFAULT);
    put_strings(id);
    H5Fclose(id);
    MPI_REQUIRE(stat(path, &info) == 0 && truncate(path, info.st_size / 2) == 0);
    MPI_EXPECT(h5_open(&file, path) == STATUS_INPUT);
    leave();
}

/* ---- data sets ---- */

enum { SEQUENCES = 11 };

/* Sequence s of a split has s + 2 events: s, s + 1, ... modulo the items. */
static void fill(struct dataset_content *content) {
    static const char *const keys[] = {"a", "b", "c", "d", "e"};
    *content = (struct dataset_content){.name = mem_string("made"),
                                        .protocol = mem_string("test"),
                                        .labels = {mem_string("Film"), mem_string("Book")},
                                        .max_len = 9,
                                        .domain_items = {2, 3}};
    for (int i = 0; i < 5; i++) {
        string_list_add(&content->keys, keys[i]);
        string_list_add(&content->titles, i == 3 ? "" : keys[4 - i]);
    }
    for (int split = 0; split < SPLITS; split++)
        for (int s = 0; s < SEQUENCES - split; s++) {
            int32_t items[SEQUENCES + 2];
            int64_t times[SEQUENCES + 2];
            for (int t = 0; t < s + 2; t++)
                items[t] = (s + t) % 5, times[t] = t;
            split_content_add(&content->split[split], "u", s + 2, items, times);
        }
}

static void check_range(const struct dataset *dataset, enum split split, struct range r) {
    struct sequences q;
    MPI_REQUIRE(dataset_read_sequences(&test_comm, dataset, split, r.lo, r.hi, &q) == STATUS_OK);
    MPI_EXPECT(q.count == r.hi - r.lo && q.offsets[0] == 0);
    for (int64_t i = 0; i < q.count; i++) {
        MPI_EXPECT(q.offsets[i + 1] - q.offsets[i] == r.lo + i + 2);
        for (int64_t t = q.offsets[i]; t < q.offsets[i + 1]; t++)
            MPI_EXPECT(q.items[t] == (r.lo + i + t - q.offsets[i]) % 5);
    }
    sequences_free(&q);
}

MPI_TEST(dataset, every_rank_reads_its_range, 3) {
    struct dataset_content content = {0};
    struct dataset dataset;
    struct h5_strings text;
    enter();
    if (test_comm.rank == 0)
        fill(&content);
    MPI_REQUIRE(dataset_write(&test_comm, path, &content) == STATUS_OK);
    dataset_content_free(&content);
    MPI_REQUIRE(dataset_open(&test_comm, path, &dataset) == STATUS_OK);
    MPI_EXPECT(dataset.items == 5 && dataset.domain_items[0] == 2 && dataset.max_len == 9);
    MPI_EXPECT(!strcmp(dataset.labels[1], "Book") && strlen(dataset.content_hash) == 64);
    for (int split = 0; split < SPLITS; split++) {
        MPI_EXPECT(dataset.counts[split] == SEQUENCES - split);
        check_range(&dataset, (enum split)split,
                    range_of(dataset.counts[split], 3, test_comm.rank));
        check_range(&dataset, (enum split)split, (struct range){test_comm.rank, test_comm.rank});
    }
    MPI_REQUIRE(dataset_read_titles(&test_comm, &dataset, test_comm.rank, 5, &text) == STATUS_OK);
    MPI_EXPECT(text.count == 5 - test_comm.rank && !strcmp(text.text[4 - test_comm.rank], "a"));
    h5_strings_free(&text);
    dataset_close(&dataset);
    leave();
}

/* The second domain may be empty, the first may not. */
MPI_TEST(dataset, of_one_domain, 2) {
    struct dataset dataset;
    enter();
    for (int domain = 0; domain < 2; domain++) {
        struct dataset_content content = {0};
        if (test_comm.rank == 0) {
            fill(&content);
            content.domain_items[domain] = 5;
            content.domain_items[1 - domain] = 0;
        }
        MPI_REQUIRE(dataset_write(&test_comm, path, &content) == STATUS_OK);
        dataset_content_free(&content);
        enum status status = dataset_open(&test_comm, path, &dataset);
        MPI_EXPECT(status == (domain ? STATUS_INPUT : STATUS_OK));
        if (status == STATUS_OK) {
            MPI_EXPECT(dataset.domain_items[0] == 5 && dataset.domain_items[1] == 0);
            dataset_close(&dataset);
        }
    }
    leave();
}

/* Change one value of a written data set. */
static void damage(const char *name, int64_t row, int32_t value) {
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t id = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(id);
    hsize_t at = (hsize_t)row, one = 1;
    hid_t memory = H5Screate_simple(1, &one, NULL);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, &at, NULL, &one, NULL);
    MPI_REQUIRE(H5Dwrite(id, H5T_NATIVE_INT32, memory, space, H5P_DEFAULT, &value) >= 0);
    H5Sclose(memory);
    H5Sclose(space);
    H5Dclose(id);
    H5Fclose(file);
}

MPI_TEST(dataset, damage_is_found, 2) {
    static const struct {
        const char *name;
        int64_t row;
        int32_t value;
    } cases[] = {{"/sequences/train/items", 3, 5},  {"/sequences/train/items", 3, -1},
                 {"/sequences/train/items", 0, 4}, /* allowed, but not what was hashed */
                 {"/sequences/test/offsets", 1, 0}, {"/sequences/test/offsets", 1, 1},
                 {"/sequences/test/offsets", 0, 1}, {"/sequences/valid/offsets", 10, 1000},
                 {"/items/domain", 0, 1},           {"/items/domain", 4, 2}};
    struct dataset dataset;
    enter();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dataset_content content = {0};
        if (test_comm.rank == 0)
            fill(&content);
        MPI_REQUIRE(dataset_write(&test_comm, path, &content) == STATUS_OK);
        dataset_content_free(&content);
        if (test_comm.rank == 0)
            damage(cases[i].name, cases[i].row, cases[i].value);
        MPI_EXPECT(dataset_open(&test_comm, path, &dataset) == STATUS_INPUT, "case %zu", i);
    }
    leave();
}

MPI_TEST_MAIN()
