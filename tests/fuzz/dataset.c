/* Data set files that are sound HDF5 and unsound data sets. The input is a list of pairs of bytes,
 * (what, value), each a departure from a good file: another rank, type or extent of a dataset, a
 * wrong number in it, an attribute of another value or missing. Damaged HDF5 is the target h5's. */
#include "io/dataset.h"
#include "io/h5_writer.h"
#include "tests/fuzz/alone.h"
#include <string.h>

enum { NUMBERS = 9, MOST = 64 };

struct table {
    const char *name;
    enum h5_type type;
    int rank;
    int64_t dim[2], count; /* of the good file */
    double value[MOST];
};

static const struct table good[NUMBERS] = {
    {"/items/domain", H5_U8, 1, {4, 1}, 4, {0, 0, 1, 1}},
    {"/sequences/train/items", H5_I32, 1, {5, 1}, 5, {0, 2, 1, 3, 0}},
    {"/sequences/train/offsets", H5_I64, 1, {3, 1}, 3, {0, 3, 5}},
    {"/sequences/valid/items", H5_I32, 1, {2, 1}, 2, {0, 2}},
    {"/sequences/valid/offsets", H5_I64, 1, {2, 1}, 2, {0, 2}},
    {"/sequences/test/items", H5_I32, 1, {2, 1}, 2, {3, 1}},
    {"/sequences/test/offsets", H5_I64, 1, {2, 1}, 2, {0, 2}},
    {"/features/x", H5_F32, 2, {4, 3}, 12, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
    {"/features/x_mask", H5_U8, 1, {4, 1}, 4, {1, 1, 0, 1}}};

static const double strange[8] = {-1, 0, 1, 4, 2147483647., -2147483648., 1e18, 255};

/* The file as it is to be written. */
struct plan {
    struct table table[NUMBERS];
    bool missing[NUMBERS];
    int64_t schema, max_len;
    bool has_schema, has_max_len, has_keys;
    int64_t keys;
};

static void depart(struct plan *plan, uint8_t what, uint8_t value) {
    struct table *t = &plan->table[what % NUMBERS];
    static const enum h5_type types[6] = {H5_F32, H5_F64, H5_I32, H5_I64, H5_U8, H5_F16};
    switch (what / NUMBERS % 9) {
    case 0:
        t->value[value % MOST] = strange[value / MOST + (value & 4)];
        break;
    case 1:
        t->value[value % 4] = strange[value / 4 % 8];
        break;
    case 2:
        t->dim[0] = value % 32;
        break;
    case 3:
        t->dim[1] = value % 8;
        break;
    case 4:
        t->rank = value % 3;
        break;
    case 5:
        t->type = types[value % 6];
        break;
    case 6:
        plan->missing[what % NUMBERS] = true;
        break;
    case 7:
        plan->schema = value & 1 ? value : 1;
        plan->has_schema = !(value & 2);
        plan->max_len = value & 4 ? (int64_t)strange[value / 8 % 8] : 15;
        plan->has_max_len = !(value & 128);
        break;
    default:
        plan->has_keys = value & 1;
        plan->keys = value / 2 % 8;
    }
}

static enum status write_table(struct h5_writer *w, const struct table *t) {
    int64_t n = 1;
    double value[MOST * 8] = {0};
    for (int i = 0; i < t->rank; i++)
        n *= t->dim[i];
    memcpy(value, t->value, sizeof t->value);
    TRY(h5_writer_declare(w, t->name, t->type, t->rank, t->dim));
    return n > 0 ? h5_writer_write(w, t->name, H5_F64, 0, t->rank ? t->dim[0] : 1, value)
                 : STATUS_OK;
}

static enum status fill(struct h5_writer *w, const struct plan *plan) {
    static const char *const key[8] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    if (plan->has_schema)
        TRY(h5_writer_put_int(w, "/", "schema", plan->schema));
    if (plan->has_max_len)
        TRY(h5_writer_put_int(w, "/", "max_len", plan->max_len));
    for (int i = 0; i < NUMBERS; i++)
        if (!plan->missing[i])
            TRY(write_table(w, &plan->table[i]));
    if (!plan->has_keys)
        return STATUS_OK;
    TRY(h5_writer_declare(w, "/items/key", H5_TEXT, 1, &plan->keys));
    return h5_writer_write_strings(w, "/items/key", 0, plan->keys, key);
}

static void read_all(const struct comm *comm, const struct dataset *dataset) {
    struct h5_strings keys;
    int dim;
    for (int s = 0; s < SPLITS; s++) {
        struct sequences q;
        REQUIRE(dataset_read_sequences(comm, dataset, (enum split)s, 0, dataset->counts[s], &q) ==
                STATUS_OK);
        for (int64_t i = 0; i < dataset->events[s]; i++)
            REQUIRE(q.items[i] >= 0 && q.items[i] < dataset->items);
        sequences_free(&q);
    }
    if (dataset_read_keys(comm, dataset, 0, dataset->items, &keys) == STATUS_OK) {
        REQUIRE(keys.count == dataset->items);
        h5_strings_free(&keys);
    }
    if (dataset_feature_dim(comm, dataset, "x", &dim) != STATUS_OK)
        return;
    real *rows = mem_alloc(dataset->items * dim, sizeof *rows);
    if (dataset_read_feature(comm, dataset, "x", 0, dataset->items, rows) != STATUS_OK)
        fputs("unreadable\n", stderr);
    mem_free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct plan plan = {.schema = 1,
                        .max_len = 15,
                        .has_schema = true,
                        .has_max_len = true,
                        .has_keys = true,
                        .keys = 4};
    struct h5_writer writer;
    struct dataset dataset;
    (void)alone_begin();
    memcpy(plan.table, good, sizeof good);
    for (size_t i = 0; i + 1 < size; i += 2)
        depart(&plan, data[i], data[i + 1]);
    REQUIRE(h5_writer_create(&writer, &alone, alone_path, H5_SERIAL) == STATUS_OK);
    if (h5_writer_commit(&writer, fill(&writer, &plan)) != STATUS_OK)
        return 0;
    enum status status = dataset_open(&alone, alone_path, &dataset);
    REQUIRE(size > 1 || status == STATUS_OK);
    if (status == STATUS_OK) {
        read_all(&alone, &dataset);
        dataset_close(&dataset);
    }
    REQUIRE(mem_live() == 0);
    return 0;
}
