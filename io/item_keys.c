/* The keys of the items stand in a file as one table of bytes, each key with its NUL, and one of
 * offsets. A rank reads the keys of its block of items from the data set, learns how many bytes
 * the ranks before it have, and writes both tables from there. The last section reads keys of a
 * checkpoint back and checks that offsets and NULs fit. */
#include "io/item_keys.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/h5_sum.h"
#include "partition/range.h"
#include <string.h>

enum { BLOCK = 1 << 16, BYTES = 0, OFFSETS = 1 };

const char *const item_key_tables[ITEM_KEY_TABLES] = {"/items/key_bytes", "/items/key_offsets"};

/* The keys of the items [lo, hi) behind those that are here. */
static enum status append(const struct comm *comm, const struct dataset *dataset, int64_t lo,
                          int64_t hi, struct item_keys *keys) {
    struct h5_strings block;
    TRY(dataset_read_keys(comm, dataset, lo, hi, &block));
    int64_t bytes = 0;
    for (int64_t i = 0; i < block.count; i++)
        bytes += (int64_t)strlen(block.text[i]) + 1;
    keys->bytes = mem_resize(keys->bytes, keys->size + bytes, 1);
    for (int64_t i = 0; i < block.count; i++) {
        char *end = stpcpy(keys->bytes + keys->size, block.text[i]);
        keys->size = end + 1 - keys->bytes;
    }
    h5_strings_free(&block);
    return STATUS_OK;
}

/* Rank 0 has one of the largest blocks of items: the others read as many pieces, some of them
 * empty. */
static enum status read_pieces(const struct comm *comm, const struct dataset *dataset,
                               struct item_keys *keys) {
    int64_t most = range_of(dataset->items, comm->size, 0).hi;
    for (int64_t at = 0; at < most; at += BLOCK) {
        int64_t lo = keys->lo + at < keys->hi ? keys->lo + at : keys->hi;
        TRY(append(comm, dataset, lo, lo + BLOCK < keys->hi ? lo + BLOCK : keys->hi, keys));
    }
    return STATUS_OK;
}

enum status item_keys_read(const struct comm *comm, const struct dataset *dataset,
                           struct item_keys *keys) {
    struct range mine = range_of(dataset->items, comm->size, comm->rank);
    *keys = (struct item_keys){.lo = mine.lo, .hi = mine.hi};
    if (!dataset->items_hash[0])
        return STATUS_OK;
    memcpy(keys->domain_items, dataset->domain_items, sizeof keys->domain_items);
    enum status status = read_pieces(comm, dataset, keys);
    if (status != STATUS_OK) {
        item_keys_free(keys);
        return status;
    }
    int64_t *offsets = mem_alloc(comm->size + 1, sizeof *offsets);
    comm_offsets(comm, keys->size, offsets);
    keys->before = offsets[comm->rank];
    keys->total = offsets[comm->size];
    mem_free(offsets);
    return STATUS_OK;
}

void item_keys_free(struct item_keys *keys) {
    mem_free(keys->bytes);
    *keys = (struct item_keys){0};
}

/* ---- writing ---- */

/* A walk over the offsets that are here, block by block; the rank that has the last item has the
 * end too. */
struct walk {
    const struct item_keys *keys;
    int64_t *offset; /* [BLOCK] of rows [lo, hi) of the table */
    int64_t lo, hi;
    int64_t at; /* in keys->bytes, of row hi */
};

static bool next_offsets(struct walk *w) {
    const struct item_keys *keys = w->keys;
    bool has_end = keys->size > 0 && keys->hi == item_keys_count(keys);
    int64_t end = (keys->size ? keys->hi : keys->lo) + has_end;
    w->lo = w->hi;
    w->hi = w->lo + BLOCK < end ? w->lo + BLOCK : end;
    for (int64_t i = w->lo; i < w->hi; i++) {
        w->offset[i - w->lo] = keys->before + w->at;
        w->at += i < keys->hi ? (int64_t)strlen(keys->bytes + w->at) + 1 : 0;
    }
    return w->hi > w->lo;
}

static struct walk walk_new(const struct item_keys *keys) {
    return (struct walk){keys, mem_alloc(BLOCK, sizeof(int64_t)), keys->lo, keys->lo, 0};
}

enum status item_keys_declare(struct h5_writer *writer, const struct item_keys *keys) {
    int64_t offsets = item_keys_count(keys) + 1;
    if (offsets == 1)
        return STATUS_OK;
    TRY(h5_writer_declare(writer, item_key_tables[BYTES], H5_U8, 1, &keys->total));
    return h5_writer_declare(writer, item_key_tables[OFFSETS], H5_I64, 1, &offsets);
}

enum status item_keys_write(struct h5_writer *writer, const struct item_keys *keys) {
    struct walk w = walk_new(keys);
    enum status status = STATUS_OK;
    while (status == STATUS_OK && next_offsets(&w))
        status = h5_writer_write(writer, item_key_tables[OFFSETS], H5_I64, w.lo, w.hi, w.offset);
    mem_free(w.offset);
    if (status == STATUS_OK && keys->size > 0)
        status = h5_writer_write(writer, item_key_tables[BYTES], H5_U8, keys->before,
                                 keys->before + keys->size, keys->bytes);
    return status;
}

void item_keys_hash(const struct item_keys *keys, uint64_t sum[ITEM_KEY_TABLES]) {
    struct walk w = walk_new(keys);
    while (next_offsets(&w))
        sum[OFFSETS] += h5_sum_data(H5_I64, H5_I64, w.offset, w.hi - w.lo, w.lo);
    mem_free(w.offset);
    sum[BYTES] += h5_sum_data(H5_U8, H5_U8, keys->bytes, keys->size, keys->before);
}

/* ---- reading ---- */

static enum status malformed(const struct h5_file *file, int64_t item) {
    return log_error(STATUS_INPUT, "%s: the key of item %lld is malformed: the file was damaged",
                     file->path, (long long)item);
}

/* The keys [0, n) of `out` begin at at[0 .. n - 1] and end before at[n]. */
static enum status cut_keys(const struct h5_file *file, int64_t first, const int64_t *at,
                            struct h5_strings *out) {
    for (int64_t i = 0; i < out->count; i++) {
        int64_t from = at[i] - at[0], length = at[i + 1] - at[i];
        out->text[i] = out->bytes + from;
        if (out->bytes[from + length - 1] || (int64_t)strlen(out->text[i]) != length - 1)
            return malformed(file, first + i);
    }
    return STATUS_OK;
}

static enum status load(const struct h5_file *file, int64_t lo, int64_t hi, int64_t *at,
                        struct h5_strings *out) {
    struct h5_extent extent = {0};
    TRY(h5_expect(file, item_key_tables[OFFSETS], H5_INTEGER, 1, -1, 1));
    TRY(h5_expect(file, item_key_tables[BYTES], H5_INTEGER, 1, -1, 1));
    TRY(h5_read(file, item_key_tables[OFFSETS], H5_I64, lo, hi + 1, at));
    TRY(h5_extent(file, item_key_tables[BYTES], &extent));
    if (at[0] < 0 || at[hi - lo] > extent.rows)
        return malformed(file, lo);
    for (int64_t i = 0; i < hi - lo; i++)
        if (at[i + 1] <= at[i])
            return malformed(file, lo + i);
    out->count = hi - lo;
    out->text = mem_alloc(out->count, sizeof *out->text);
    out->bytes = mem_alloc(at[hi - lo] - at[0], 1);
    TRY(h5_read(file, item_key_tables[BYTES], H5_U8, at[0], at[hi - lo], out->bytes));
    return cut_keys(file, lo, at, out);
}

enum status item_keys_load(const struct h5_file *file, int64_t lo, int64_t hi,
                           struct h5_strings *out) {
    int64_t *at = mem_alloc(hi - lo + 1, sizeof *at);
    *out = (struct h5_strings){0};
    enum status status = load(file, lo, hi, at, out);
    if (status != STATUS_OK)
        h5_strings_free(out);
    mem_free(at);
    return status;
}
