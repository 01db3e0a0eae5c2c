#include "io/table.h"
#include "core/log.h"
#include "core/mem.h"
#include <string.h>

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n > m && !strcmp(text + n - m, end);
}

static enum status open_npy(struct table *t) {
    TRY(npy_open(&t->numbers, t->path));
    if (t->numbers.rank != 2 || t->numbers.type == NUMBER_U8)
        return log_error(STATUS_INPUT, "%s: is not a table of f2, f4 or f8 with rows and columns",
                         t->path);
    t->rows = t->numbers.rows;
    t->width = t->numbers.width;
    return STATUS_OK;
}

/* The only member of the root group. */
static enum status only_dataset(struct table *t) {
    struct h5_strings names;
    TRY(h5_members(&t->file, "/", &names));
    if (names.count == 1)
        t->dataset = mem_string(names.text[0]);
    h5_strings_free(&names);
    if (t->dataset)
        return STATUS_OK;
    return log_error(STATUS_INPUT, "%s: has not one dataset; say which as %s:DATASET", t->path,
                     t->path);
}

static enum status open_h5(struct table *t) {
    struct h5_extent extent = {0};
    TRY(h5_open(&t->file, t->path));
    if (!t->dataset)
        TRY(only_dataset(t));
    TRY(h5_expect(&t->file, t->dataset, H5_FLOAT, 2, -1, -1));
    TRY(h5_extent(&t->file, t->dataset, &extent));
    t->rows = extent.rows;
    t->width = extent.width;
    return STATUS_OK;
}

/* Where the path ends and the name of the dataset begins. */
static void split_source(struct table *t, const char *source) {
    static const char *const ends[] = {".h5:", ".hdf5:"};
    t->path = mem_string(source);
    for (int i = 0; i < 2; i++) {
        char *end = strstr(t->path, ends[i]);
        if (!end)
            continue;
        end += strlen(ends[i]);
        end[-1] = '\0';
        t->dataset = mem_string(end);
        return;
    }
}

enum status table_open(struct table *table, const char *source) {
    *table = (struct table){0};
    split_source(table, source);
    enum status status;
    if (ends_with(table->path, ".npy"))
        status = open_npy(table);
    else if (ends_with(table->path, ".h5") || ends_with(table->path, ".hdf5"))
        status = open_h5(table);
    else
        status = log_error(STATUS_INPUT,
                           "%s: is none of FILE.npy, FILE.h5, FILE.h5:DATASET; convert it to .npy",
                           source);
    if (status != STATUS_OK)
        table_close(table);
    return status;
}

void table_close(struct table *table) {
    numbers_close(&table->numbers);
    h5_close(&table->file);
    mem_free(table->path);
    mem_free(table->dataset);
    *table = (struct table){0};
}

enum status table_read(struct table *table, int64_t lo, int64_t hi, float *out) {
    if (table->file.path)
        return h5_read(&table->file, table->dataset, H5_F32, lo, hi, out);
    return numbers_read(&table->numbers, lo, hi, out);
}
