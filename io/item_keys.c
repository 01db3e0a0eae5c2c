#include "io/item_keys.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/mem.h"
#include "partition/range.h"
#include <string.h>

enum { BLOCK = 1 << 16, BYTES = 0, OFFSETS = 1 };

const char *const item_key_tables[ITEM_KEY_TABLES] = {"/items/key_bytes", "/items/key_offsets"};

int64_t item_keys_bytes(const struct item_keys *keys) {
    int64_t n = keys->here.count;
    const char *last = n ? keys->here.text[n - 1] : NULL;
    return last ? last - keys->here.bytes + (int64_t)strlen(last) + 1 : 0;
}

enum status item_keys_read(const struct comm *comm, const struct dataset *dataset,
                           struct item_keys *keys) {
    struct range mine = range_of(dataset->items, comm->size, comm->rank);
    *keys = (struct item_keys){0};
    if (!dataset->items_hash[0])
        return STATUS_OK;
    TRY(dataset_read_keys(comm, dataset, mine.lo, mine.hi, &keys->here));
    memcpy(keys->domain_items, dataset->domain_items, sizeof keys->domain_items);
    keys->lo = mine.lo;
    keys->hi = mine.hi;
    int64_t bytes = item_keys_bytes(keys);
    keys->total = bytes;
    comm_sum_i64(comm, &keys->total, 1);
    MPI_Exscan(&bytes, &keys->before, 1, MPI_INT64_T, MPI_SUM, comm->mpi);
    keys->before = comm->rank ? keys->before : 0; /* the scan leaves it undefined there */
    return STATUS_OK;
}

void item_keys_free(struct item_keys *keys) {
    h5_strings_free(&keys->here);
    *keys = (struct item_keys){0};
}

/* ---- writing ---- */

/* Offsets of the items here; the rank that has the last item has the end too. */
static int64_t offsets_here(const struct item_keys *keys) {
    int64_t n = keys->here.count;
    return n + (n > 0 && keys->hi == item_keys_count(keys));
}

static void fill_offsets(const struct item_keys *keys, int64_t lo, int64_t hi, int64_t *offsets) {
    const struct h5_strings *here = &keys->here;
    for (int64_t k = lo; k < hi; k++)
        offsets[k - lo] =
            k < here->count ? keys->before + (here->text[k] - here->bytes) : keys->total;
}

enum status item_keys_declare(struct h5_writer *writer, const struct item_keys *keys) {
    int64_t offsets = item_keys_count(keys) + 1;
    if (offsets == 1)
        return STATUS_OK;
    TRY(h5_writer_declare(writer, item_key_tables[BYTES], H5_U8, 1, &keys->total));
    return h5_writer_declare(writer, item_key_tables[OFFSETS], H5_I64, 1, &offsets);
}

enum status item_keys_write(struct h5_writer *writer, const struct item_keys *keys) {
    int64_t n = offsets_here(keys), *block = mem_alloc(BLOCK, sizeof *block);
    enum status status = STATUS_OK;
    for (int64_t lo = 0; lo < n && status == STATUS_OK; lo += BLOCK) {
        int64_t hi = lo + BLOCK < n ? lo + BLOCK : n;
        fill_offsets(keys, lo, hi, block);
        status = h5_writer_write(writer, item_key_tables[OFFSETS], H5_I64, keys->lo + lo,
                                 keys->lo + hi, block);
    }
    mem_free(block);
    if (status == STATUS_OK && n > 0)
        status = h5_writer_write(writer, item_key_tables[BYTES], H5_U8, keys->before,
                                 keys->before + item_keys_bytes(keys), keys->here.bytes);
    return status;
}

void item_keys_hash(const struct item_keys *keys, uint64_t sum[ITEM_KEY_TABLES]) {
    int64_t n = offsets_here(keys), *block = mem_alloc(BLOCK, sizeof *block);
    for (int64_t lo = 0; lo < n; lo += BLOCK) {
        int64_t hi = lo + BLOCK < n ? lo + BLOCK : n;
        fill_offsets(keys, lo, hi, block);
        sum[OFFSETS] += hash_elements(block, sizeof *block, hi - lo, keys->lo + lo);
    }
    mem_free(block);
    sum[BYTES] += hash_elements(keys->here.bytes, 1, item_keys_bytes(keys), keys->before);
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
