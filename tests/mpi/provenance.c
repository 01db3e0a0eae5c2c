/* What an object of a file says of its origin: kept, read back, bounded and distrusted. */
#include "io/provenance.h"
#include "core/log.h"
#include "tests/mpi/folder.h"
#include <fcntl.h>
#include <hdf5.h>

/* A new file with the group /made, to which `put` gives attributes. */
static void make(enum status (*put)(struct h5_writer *w, void *context), void *context) {
    struct h5_writer w;
    MPI_REQUIRE(h5_writer_create(&w, &test_comm, "x.h5", H5_PARALLEL) == STATUS_OK);
    enum status status = put(&w, context);
    if (status == STATUS_OK)
        status = h5_writer_reserve(&w);
    MPI_REQUIRE(h5_writer_commit(&w, status) == STATUS_OK);
}

/* The record of /made, and how many lines were said meanwhile on this rank. */
static json_t *record_of(int *lines) {
    struct h5_file file;
    char name[32];
    int said = dup(2), c;
    snprintf(name, sizeof name, "said-%d", test_comm.rank);
    int log = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    MPI_REQUIRE(said >= 0 && log >= 0 && dup2(log, 2) == 2);
    enum status status = h5_open(&file, "x.h5");
    json_t *record = status == STATUS_OK ? provenance_read(&file, "/made") : NULL;
    h5_close(&file);
    dup2(said, 2);
    close(said);
    close(log);
    MPI_REQUIRE(status == STATUS_OK);
    FILE *stream = fopen(name, "r");
    for (*lines = 0; (c = fgetc(stream)) != EOF;)
        *lines += c == '\n';
    fclose(stream);
    return record;
}

static const char *text_of(const json_t *record, const char *name) {
    const char *text = json_string_value(json_object_get(record, name));
    return text ? text : "";
}

static enum status put_known(struct h5_writer *w, void *source) {
    TRY(h5_writer_put_text(w, "/made", "encoder", "lsa"));
    TRY(h5_writer_put_text(w, "/made", "provenance", "lsa of \"x\""));
    TRY(h5_writer_put_text(w, "/made", "sources", "one\ntwo\n"));
    TRY(h5_writer_put_text(w, "/made", "checksum", "no matter"));
    TRY(h5_writer_put_int(w, "/made", "terms", -7));
    TRY(h5_writer_put_double(w, "/made", "share", 0.25));
    return provenance_put(w, "/made", source);
}

MPI_TEST(provenance, all_of_it_is_read_back, 3) {
    int lines;
    folder_enter();
    json_t *source =
        json_pack("{s:s, s:i, s:{s:s}}", "model", "m", "answered", 3, "from", "a", "ä");
    make(put_known, source);
    json_t *record = record_of(&lines);
    MPI_EXPECT(lines == 0);
    MPI_EXPECT(json_object_size(record) == 6);
    MPI_EXPECT(!strcmp(text_of(record, "encoder"), "lsa"));
    MPI_EXPECT(!strcmp(provenance_line(record), "lsa of \"x\""));
    MPI_EXPECT(json_integer_value(json_object_get(record, "terms")) == -7);
    MPI_EXPECT(json_real_value(json_object_get(record, "share")) == 0.25);
    MPI_EXPECT(json_array_size(json_object_get(record, "sources")) == 2);
    MPI_EXPECT(json_equal(json_object_get(record, "from"), source));
    MPI_EXPECT(provenance_is_record(record));
    json_decref(record);
    json_decref(source);
    folder_leave();
}

static enum status put_one(struct h5_writer *w, void *text) {
    TRY(h5_writer_put_text(w, "/made", "encoder", "lsa"));
    return h5_writer_put_text(w, "/made", "source_attributes", text);
}

/* A line is said, and what is sound stays. */
MPI_TEST(provenance, damaged_source, 1) {
    static char deep[] = "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}}";
    static char *const damaged[] = {"",
                                    "{",
                                    "[]",
                                    "\"text\"",
                                    "{\"a\": 1, \"a\": 2}",
                                    "{\"a\": \"\\u0007\"}",
                                    "{\"a\\n\": 1}",
                                    "{\"a\": true}",
                                    "{\"a\": [[1]]}",
                                    "{\"a\": [1]}",
                                    "{} {}",
                                    "{\"a\": \"\xff\"}",
                                    deep};
    int lines;
    folder_enter();
    log_set_level(LOG_WARN);
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        make(put_one, damaged[i]);
        json_t *record = record_of(&lines);
        MPI_EXPECT(lines == 1, "case %zu: %d lines", i, lines);
        MPI_EXPECT(json_object_size(record) == 2, "case %zu", i);
        MPI_EXPECT(!strcmp(text_of(record, "encoder"), "lsa"), "case %zu", i);
        MPI_EXPECT(json_is_null(json_object_get(record, "from")), "case %zu", i);
        json_decref(record);
    }
    folder_leave();
}

static enum status put_much(struct h5_writer *w, void *text) {
    char name[32];
    TRY(h5_writer_put_text(w, "/made", "a", text));
    TRY(h5_writer_put_text(w, "/made", "b", "\a"));
    for (int i = 0; i < 2 * PROVENANCE_ATTRIBUTES; i++) {
        snprintf(name, sizeof name, "number %d", i);
        TRY(h5_writer_put_int(w, "/made", name, i));
    }
    return STATUS_OK;
}

MPI_TEST(provenance, number_and_length_are_bounded, 1) {
    int lines;
    folder_enter();
    log_set_level(LOG_WARN);
    char *text = mem_zero(PROVENANCE_TEXT + 2, 1);
    memset(text, '"', PROVENANCE_TEXT);
    make(put_much, text);
    json_t *record = record_of(&lines);
    MPI_EXPECT(lines == 1, "%d lines", lines);
    MPI_EXPECT(json_object_size(record) == PROVENANCE_ATTRIBUTES);
    MPI_EXPECT(strlen(text_of(record, "a")) == PROVENANCE_TEXT);
    MPI_EXPECT(json_is_null(json_object_get(record, "b")));
    json_decref(record);
    text[PROVENANCE_TEXT] = '"';
    make(put_much, text);
    record = record_of(&lines);
    MPI_EXPECT(lines == 2, "%d lines", lines);
    MPI_EXPECT(json_is_null(json_object_get(record, "a")));
    json_decref(record);
    mem_free(text);
    folder_leave();
}

/* Records of the greatest length, one within the other, stay within what an attribute holds; the
 * inner ones are left out and the outermost stays. */
MPI_TEST(provenance, a_chain_is_bounded, 1) {
    int lines;
    folder_enter();
    log_set_level(LOG_WARN);
    char *text = mem_zero(PROVENANCE_TEXT + 1, 1);
    memset(text, '"', PROVENANCE_TEXT);
    json_t *record = json_object();
    for (int depth = 0; depth < 4; depth++) {
        json_t *outer = json_pack("{s:s, s:o}", "text", text, "from", record);
        make(put_known, outer);
        record = record_of(&lines);
        MPI_EXPECT(lines == 0, "depth %d", depth);
        MPI_EXPECT(strlen(text_of(json_object_get(record, "from"), "text")) == PROVENANCE_TEXT,
                   "depth %d", depth);
        json_decref(outer);
    }
    json_decref(record);
    mem_free(text);
    folder_leave();
}

/* Attributes that are no single value of a number or text are passed over. */
MPI_TEST(provenance, arrays_are_no_attributes, 1) {
    int lines;
    int64_t values[2] = {1, 2};
    hsize_t two = 2;
    folder_enter();
    hid_t file = H5Fcreate("x.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t group = H5Gcreate2(file, "/made", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(1, &two, NULL);
    hid_t a = H5Acreate2(group, "pair", H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(a, H5T_NATIVE_INT64, values);
    H5Aclose(a);
    H5Sclose(space);
    H5Gclose(group);
    H5Fclose(file);
    json_t *record = record_of(&lines);
    MPI_EXPECT(lines == 0 && json_object_size(record) == 0);
    json_decref(record);
    folder_leave();
}

MPI_TEST_MAIN()
