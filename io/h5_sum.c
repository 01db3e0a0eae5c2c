#include "io/h5_sum.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/rng.h"
#include "partition/range.h"
#include <hdf5.h>
#include <string.h>

enum { BLOCK = 1 << 20, STRINGS = 1 << 14 }; /* numbers, strings at once */

/* Bytes of a number, by enum h5_type. */
static const size_t size_of[] = {2, 4, 8, 4, 8, 1};

/* The type whose elements are hashed. */
static enum h5_type summed_type(enum h5_type stored) {
    switch (stored) {
    case H5_F16:
        return H5_F32;
    case H5_U8:
        return H5_I32;
    default:
        return stored;
    }
}

static uint64_t sum_strings(const char *const *text, int64_t n, int64_t first) {
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += rng_bits(rng_hash(text[i] ? text[i] : ""), (uint64_t)(first + i));
    return sum;
}

/* ---- in memory ---- */

static void convert(hid_t from, hid_t to, int64_t n, void *block) {
    H5Tconvert(from, to, (size_t)n, block, NULL, H5P_DEFAULT);
    H5Tclose(from);
    H5Tclose(to);
}

uint64_t h5_sum_data(enum h5_type stored, enum h5_type given, const void *data, int64_t n,
                     int64_t first) {
    enum h5_type summed = summed_type(stored);
    uint64_t sum = 0;
    if (stored == H5_TEXT)
        return sum_strings(data, n, first);
    if (given == stored && stored == summed)
        return hash_elements(data, size_of[summed], n, first);
    void *block = mem_alloc(n < BLOCK ? n : BLOCK, sizeof(double));
    for (int64_t lo = 0; lo < n; lo += BLOCK) {
        int64_t count = n - lo < BLOCK ? n - lo : BLOCK;
        memcpy(block, (const char *)data + (size_t)lo * size_of[given],
               (size_t)count * size_of[given]);
        convert(h5_memory_type(given), h5_file_type(stored), count, block);
        convert(h5_file_type(stored), h5_memory_type(summed), count, block);
        sum += hash_elements(block, size_of[summed], count, first + lo);
    }
    mem_free(block);
    return sum;
}

/* ---- in a file ---- */

static enum status sum_text_rows(const struct h5_file *file, const char *name, int64_t lo,
                                 int64_t hi, uint64_t *sum) {
    for (; lo < hi; lo += STRINGS) {
        struct h5_strings text;
        TRY(h5_read_strings(file, name, lo, hi - lo < STRINGS ? hi : lo + STRINGS, &text));
        *sum += sum_strings((const char *const *)text.text, text.count, lo);
        h5_strings_free(&text);
    }
    return STATUS_OK;
}

static enum status sum_number_rows(const struct h5_file *file, const char *name,
                                   const struct h5_extent *e, int64_t lo, int64_t hi,
                                   uint64_t *sum) {
    bool wide = e->size > 4;
    enum h5_type type = e->kind == H5_FLOAT ? wide ? H5_F64 : H5_F32 : wide ? H5_I64 : H5_I32;
    int64_t rows = e->width > 0 && e->width < BLOCK ? BLOCK / e->width : 1;
    enum status status = STATUS_OK;
    rows = rows < hi - lo ? rows : hi - lo;
    void *block = mem_alloc(rows * e->width, size_of[type]);
    for (; lo < hi && status == STATUS_OK; lo += rows) {
        int64_t end = lo + rows < hi ? lo + rows : hi;
        status = h5_read(file, name, type, lo, end, block);
        if (status == STATUS_OK)
            *sum += hash_elements(block, size_of[type], (end - lo) * e->width, lo * e->width);
    }
    mem_free(block);
    return status;
}

enum status h5_sum_rows(const struct h5_file *file, const char *name, int64_t lo, int64_t hi,
                        uint64_t *sum) {
    struct h5_extent extent = {0};
    *sum = 0;
    TRY(h5_extent(file, name, &extent));
    return extent.kind == H5_STRING ? sum_text_rows(file, name, lo, hi, sum)
                                    : sum_number_rows(file, name, &extent, lo, hi, sum);
}

static enum status damaged(const char *path, const char *name) {
    return log_error(STATUS_INPUT,
                     "%s: %s: does not have its checksum: the file was damaged or changed; copy it "
                     "again or make it again (who changed it removes the attribute '%s')",
                     path, name, H5_CHECKSUM);
}

/* The sum over this rank's share of the rows. */
static enum status sum_share(const struct comm *comm, const struct h5_file *file, const char *name,
                             uint64_t *sum) {
    struct h5_extent extent = {0};
    TRY(h5_extent(file, name, &extent));
    struct range mine = range_of(extent.rows, comm->size, comm->rank);
    return h5_sum_rows(file, name, mine.lo, mine.hi, sum);
}

enum status h5_verify(const struct comm *comm, const struct h5_file *file, const char *name) {
    uint64_t sum = 0;
    int64_t stored = 0;
    bool has = h5_has_attribute(file, name, H5_CHECKSUM);
    enum status status = has ? h5_get_int(file, name, H5_CHECKSUM, &stored) : STATUS_OK;
    if (has && status == STATUS_OK)
        status = sum_share(comm, file, name, &sum);
    TRY(comm_agree(comm, status));
    comm_sum_u64(comm, &sum, 1);
    if (has && sum != (uint64_t)stored)
        status = comm->rank ? STATUS_INPUT : damaged(file->path, name);
    return comm_agree(comm, status);
}

enum status h5_verify_alone(const struct h5_file *file, const char *name) {
    struct h5_extent extent = {0};
    uint64_t sum = 0;
    int64_t stored = 0;
    if (!h5_has_attribute(file, name, H5_CHECKSUM))
        return STATUS_OK;
    TRY(h5_get_int(file, name, H5_CHECKSUM, &stored));
    TRY(h5_extent(file, name, &extent));
    TRY(h5_sum_rows(file, name, 0, extent.rows, &sum));
    return sum == (uint64_t)stored ? STATUS_OK : damaged(file->path, name);
}
