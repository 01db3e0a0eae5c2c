/* A table from a file: rows are matched with items by order or by key, read block by block, looked at
 * (missing, zero, not representable, not finite), reduced by PCA where --dim asks for it, and written
 * with their mask. */
#include "jobs/features/import.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/h5_file.h"
#include "io/h5_writer.h"
#include "io/key_rows.h"
#include "io/npy.h"
#include "io/table.h"
#include "jobs/features/feature_table.h"
#include "mpi/pca.h"
#include "partition/range.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK_BYTES = 1 << 22, MASK_BLOCK = 1 << 16 };
static const double HALF_MAX = 65504, HALF_MIN = 0x1p-14, UNIT_TOLERANCE = 1e-3;

/* A value that cannot be imported. */
struct flaw {
    int64_t item, row, column;
    double value;
};

/* What becomes of an item's row: those that are zero, or whose values float or f16 cannot hold,
 * count as missing. */
enum fate { FATE_PRESENT, FATE_ZERO, FATE_LOST, FATE_FLAWED, FATES };

struct import {
    const struct comm *comm;
    const struct dataset *dataset;
    const struct import_request *request;
    struct table table;
    int64_t *row_of; /* [N] row of an item, -1: none; NULL: row i is item i */
    struct key_counts keys;
    struct range mine;    /* items whose rows this rank reads and writes */
    int64_t block;        /* rows read at once */
    float *rows;          /* [block, width] */
    unsigned char *mask;  /* [mine] */
    double *exact;        /* [width] a row as the source has it */
    int64_t fates[FATES]; /* rows of the items that have one; at first this rank's */
    int64_t missing;
    double least, mean, most; /* norms of the rows present */
    char sha256[SHA256_TEXT];
    struct pca pca; /* where the request has it */
    int64_t next;   /* item that next_present gives first */
    float *reduced; /* [block, pca] */
};

/* ---- looking at the source; rank 0 ---- */

static void import_paths(const struct import *m, struct feature_paths *paths) {
    feature_paths(paths, m->request->name);
    if (!m->request->vocabulary)
        return;
    snprintf(paths->table, sizeof paths->table, "%s", paths->tags);
    snprintf(paths->mask, sizeof paths->mask, "%s_mask", paths->tags);
}

static enum status expand(const struct import *m, struct string_list *sources) {
    struct feature_paths paths;
    import_paths(m, &paths);
    TRY(feature_check_name(m->dataset, &paths, m->request->name, m->request->overwrite));
    for (int64_t i = 0; i < m->request->from.count; i++)
        TRY(table_expand(string_at(&m->request->from, i), sources));
    return STATUS_OK;
}

/* The source as messages name it. */
static void describe(const struct import *m, char text[256]) {
    const struct string_list *sources = &m->table.sources;
    if (sources->count == 1)
        snprintf(text, 256, "%.250s", string_at(sources, 0));
    else
        snprintf(text, 256, "%.100s to %.100s (%lld files)", string_at(sources, 0),
                 string_at(sources, sources->count - 1), (long long)sources->count);
}

static enum status check_shape(const struct import *m) {
    int64_t rows = m->table.rows, width = m->table.width;
    char source[256];
    describe(m, source);
    if (width < 1 || width > INT32_MAX)
        return log_error(STATUS_INPUT, "%s: has %lld columns; a table has at least one", source,
                         (long long)width);
    if (m->request->pca > width)
        return log_error(STATUS_INPUT, "%s: has %lld columns, fewer than --pca %lld; lower it",
                         source, (long long)width, (long long)m->request->pca);
    if (!m->request->keys && rows != m->dataset->items)
        return log_error(
            STATUS_INPUT,
            m->request->vocabulary
                ? "%s: has %lld rows of %lld columns, but %s has %lld tags; give one row per "
                  "tag, in the order of /tags/vocabulary"
                : "%s: has %lld rows of %lld columns, but %s has %lld items; give one row per "
                  "item, in the order of the items, or --keys",
            source, (long long)rows, (long long)width, m->dataset->path,
            (long long)m->dataset->items);
    return STATUS_OK;
}

static enum status read_keys(struct import *m) {
    struct h5_strings items = {0};
    enum status status =
        h5_read_strings(&m->dataset->file, "/items/key", 0, m->dataset->items, &items);
    if (status == STATUS_OK)
        status = key_rows_read(m->request->keys, &items, m->table.rows, m->request->ignore_unknown,
                               m->row_of, &m->keys);
    h5_strings_free(&items);
    return status;
}

/* The bytes of the mask, one per row of the table. */
static enum status read_mask_rows(const struct import *m, struct numbers *file,
                                  unsigned char *mask) {
    if (file->rank != 1 || file->type != NUMBER_U8 || file->rows != m->table.rows)
        return log_error(STATUS_INPUT, "%s: is not a vector of %lld u1 or bool, one per row",
                         m->request->mask, (long long)m->table.rows);
    enum status status = STATUS_OK;
    float *block = mem_alloc(MASK_BLOCK, sizeof *block);
    for (int64_t lo = 0; lo < file->rows && status == STATUS_OK; lo += MASK_BLOCK) {
        int64_t hi = lo + MASK_BLOCK < file->rows ? lo + MASK_BLOCK : file->rows;
        status = numbers_read(file, lo, hi, block);
        for (int64_t i = lo; i < hi && status == STATUS_OK; i++)
            mask[i] = block[i - lo] != 0;
    }
    mem_free(block);
    return status;
}

/* Take their rows from the items that the mask tells missing. */
static enum status apply_mask(struct import *m) {
    struct numbers file;
    TRY(npy_open(&file, m->request->mask));
    unsigned char *mask = mem_zero(m->table.rows, 1);
    enum status status = read_mask_rows(m, &file, mask);
    for (int64_t i = 0; i < m->dataset->items && status == STATUS_OK; i++)
        if (m->row_of[i] >= 0 && !mask[m->row_of[i]])
            m->row_of[i] = -1;
    mem_free(mask);
    numbers_close(&file);
    return status;
}

static enum status find_rows(struct import *m) {
    for (int64_t i = 0; i < m->dataset->items; i++)
        m->row_of[i] = i;
    if (m->request->keys)
        TRY(read_keys(m));
    return m->request->mask ? apply_mask(m) : STATUS_OK;
}

/* ---- opening; collective ---- */

/* The list of rank 0 on all ranks. */
static void share_list(const struct comm *comm, struct string_list *list) {
    struct string_list all = *list;
    comm_bcast(comm, &all, sizeof all);
    char *bytes = mem_alloc(all.used, 1);
    if (comm->rank == 0)
        memcpy(bytes, list->bytes, (size_t)all.used);
    comm_bcast(comm, bytes, all.used);
    for (int64_t at = 0; comm->rank != 0 && at < all.used; at += (int64_t)strlen(bytes + at) + 1)
        string_list_add(list, bytes + at);
    mem_free(bytes);
}

/* Rank 0 goes ahead, so that what all would find is said once. */
static enum status open_table(struct import *m) {
    const struct comm *comm = m->comm;
    struct string_list sources = {0};
    enum status status = COMM_ON_ROOT(comm, expand(m, &sources));
    for (int turn = 0; turn < 2 && status == STATUS_OK; turn++) {
        if (turn == 0)
            share_list(comm, &sources);
        if ((comm->rank == 0) == (turn == 0))
            status = table_open(&m->table, &sources, m->request->tensor);
        status = comm_agree(comm, status);
    }
    string_list_free(&sources);
    return status;
}

static enum status open_source(struct import *m) {
    const struct comm *comm = m->comm;
    int64_t items = m->dataset->items;
    TRY(open_table(m));
    TRY(COMM_ON_ROOT(comm, check_shape(m)));
    if (m->request->keys || m->request->mask) {
        m->row_of = mem_alloc(items, sizeof *m->row_of);
        if (m->request->keys)
            TRY(dataset_verify(comm, m->dataset, "/items/key"));
        TRY(COMM_ON_ROOT(comm, find_rows(m)));
        comm_bcast(comm, m->row_of, items * (int64_t)sizeof *m->row_of);
    }
    m->mine = range_of(items, comm->size, comm->rank);
    m->block = BLOCK_BYTES / (m->table.width * (int64_t)sizeof *m->rows) + 1;
    if (m->block > m->mine.hi - m->mine.lo)
        m->block = m->mine.hi - m->mine.lo;
    m->rows = mem_alloc(m->block * m->table.width, sizeof *m->rows);
    m->mask = mem_alloc(m->mine.hi - m->mine.lo, 1);
    m->exact = mem_alloc(m->table.width, sizeof *m->exact);
    return STATUS_OK;
}

static int64_t row_of(const struct import *m, int64_t item) {
    return m->row_of ? m->row_of[item] : item;
}

/* The rows of the items [lo, hi), zeros for those without. */
static enum status read_items(struct import *m, int64_t lo, int64_t hi) {
    return m->row_of ? table_gather(&m->table, m->row_of + lo, hi - lo, m->rows)
                     : table_read(&m->table, lo, hi, m->rows);
}

/* ---- checking the values; each rank its items ---- */

/* An item's row into m->exact. Float makes infinite or zero what is too large or too small for it:
 * such a row is read again. */
static enum status take_row(struct import *m, int64_t item, const float *row) {
    double largest = 0;
    for (int64_t j = 0; j < m->table.width; j++) {
        m->exact[j] = (double)row[j];
        largest = fmax(largest, fabs(m->exact[j]));
    }
    if (row_of(m, item) < 0 || (largest > 0 && isfinite(largest)))
        return STATUS_OK;
    return table_read_exact(&m->table, row_of(m, item), m->exact);
}

/* A row whose largest value is no normal number of the type has lost its digits. */
static enum fate judge_row(const struct import *m, double *norm, struct flaw *flaw) {
    bool half = m->request->half;
    double square = 0, largest = 0, least = half && !m->request->whiten ? HALF_MIN : FLT_MIN;
    for (int64_t j = 0; j < m->table.width; j++) {
        double x = m->exact[j];
        if (!isfinite(x) || (half && fabs(x) > HALF_MAX)) {
            flaw->column = j;
            flaw->value = x;
            return FATE_FLAWED;
        }
        largest = fmax(largest, fabs(x));
        square += x * x;
    }
    *norm = sqrt(square);
    if (largest == 0)
        return FATE_ZERO;
    return largest < least || largest > FLT_MAX ? FATE_LOST : FATE_PRESENT;
}

static void count_norm(struct import *m, double norm) {
    m->least = norm < m->least ? norm : m->least;
    m->most = norm > m->most ? norm : m->most;
    m->mean += norm;
}

/* Up to the first flaw. */
static enum status check_mine(struct import *m, struct flaw *flaw) {
    for (int64_t lo = m->mine.lo; lo < m->mine.hi; lo += m->block) {
        int64_t hi = lo + m->block < m->mine.hi ? lo + m->block : m->mine.hi;
        TRY(read_items(m, lo, hi));
        for (int64_t i = lo; i < hi; i++) {
            double norm = 0;
            TRY(take_row(m, i, m->rows + (i - lo) * m->table.width));
            enum fate fate = judge_row(m, &norm, flaw);
            if (fate == FATE_FLAWED) {
                flaw->item = i;
                flaw->row = row_of(m, i);
                return STATUS_OK;
            }
            m->mask[i - m->mine.lo] = fate == FATE_PRESENT;
            m->missing += fate != FATE_PRESENT;
            m->fates[fate] += row_of(m, i) >= 0;
            if (fate == FATE_PRESENT)
                count_norm(m, norm);
        }
    }
    return STATUS_OK;
}

static enum status report_flaw(const struct import *m, const struct flaw *flaw) {
    const char *source;
    int64_t row;
    table_place(&m->table, flaw->row, &source, &row);
    if (!isfinite(flaw->value))
        return log_error(STATUS_INPUT,
                         "%s: row %lld, column %lld is %s; replace it, or mark the row as missing "
                         "with --mask",
                         source, (long long)row, (long long)flaw->column,
                         isnan(flaw->value) ? "NaN" : "infinite");
    return log_error(STATUS_INPUT,
                     "%s: row %lld, column %lld is %g, more than f16 can hold; use "
                     "--dtype f32",
                     source, (long long)row, (long long)flaw->column, flaw->value);
}

/* Of the flaws that the ranks found, the one of the first item is reported. */
static enum status check_values(struct import *m) {
    struct flaw flaw = {.item = m->dataset->items};
    m->least = INFINITY;
    TRY(comm_agree(m->comm, check_mine(m, &flaw)));
    double ends[3] = {(double)flaw.item, m->least, -m->most};
    comm_min_f64(m->comm, ends, 3);
    if (ends[0] < (double)m->dataset->items)
        return comm_agree(m->comm,
                          (double)flaw.item == ends[0] ? report_flaw(m, &flaw) : STATUS_OK);
    m->least = ends[1];
    m->most = -ends[2];
    comm_sum_i64(m->comm, &m->missing, 1);
    comm_sum_i64(m->comm, m->fates, FATES);
    comm_sum_f64(m->comm, &m->mean, 1);
    m->mean /= (double)(m->dataset->items - m->missing);
    return STATUS_OK;
}

static const char *type_name(const struct import *m) {
    return m->request->half ? "f16" : "f32";
}

static enum status finish_check(struct import *m) {
    char source[256];
    describe(m, source);
    if (m->missing == m->dataset->items)
        return log_error(
            STATUS_INPUT,
            "%s: all rows are zero, masked or not representable in %s; nothing to import", source,
            type_name(m));
    TRY(table_verify(&m->table));
    return table_sha256(&m->table, m->sha256);
}

/* ---- principal components ---- */

/* Rows [lo, hi) without the missing ones, in place. */
static int64_t pack_present(struct import *m, int64_t lo, int64_t hi) {
    int64_t n = 0, width = m->table.width;
    for (int64_t i = lo; i < hi; i++)
        if (m->mask[i - m->mine.lo]) {
            memmove(m->rows + n * width, m->rows + (i - lo) * width,
                    (size_t)width * sizeof *m->rows);
            n++;
        }
    return n;
}

/* A pca_next_fn. */
static enum status next_present(void *state, const float **rows, int64_t *n) {
    struct import *m = state;
    *rows = m->rows;
    *n = 0;
    while (*n == 0 && m->next < m->mine.hi) {
        int64_t lo = m->next, hi = lo + m->block < m->mine.hi ? lo + m->block : m->mine.hi;
        TRY(read_items(m, lo, hi));
        m->next = hi;
        *n = pack_present(m, lo, hi);
    }
    if (*n == 0)
        m->next = m->mine.lo;
    return STATUS_OK;
}

static enum status reduce(struct import *m) {
    const struct import_request *r = m->request;
    if (r->pca == 0)
        return STATUS_OK;
    m->next = m->mine.lo;
    m->reduced = mem_alloc(m->block * r->pca, sizeof *m->reduced);
    return pca_fit(m->comm, (int)m->table.width, (int)r->pca, r->whiten, next_present, m, &m->pca);
}

/* m->rows of the items [lo, hi) as they are stored: the missing ones are zero. */
static const float *stored_rows(struct import *m, int64_t lo, int64_t hi) {
    int64_t dim = m->request->pca ? m->request->pca : m->table.width;
    float *rows = m->request->pca ? m->reduced : m->rows;
    if (m->request->pca)
        pca_apply(&m->pca, m->rows, hi - lo, m->reduced);
    for (int64_t i = lo; i < hi; i++)
        if (!m->mask[i - m->mine.lo])
            memset(rows + (i - lo) * dim, 0, (size_t)dim * sizeof *rows);
    return rows;
}

/* ---- writing ---- */

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The files as the attribute names them: without folders, which mean nothing elsewhere. */
static void source_text(const struct import *m, char text[512]) {
    const struct string_list *files = &m->table.files;
    int n = snprintf(text, 512, "%.200s", base_name(string_at(files, 0)));
    if (files->count > 1)
        snprintf(text + n, 512 - (size_t)n, " to %.200s (%lld files)",
                 base_name(string_at(files, files->count - 1)), (long long)files->count);
}

static enum status put_attributes(const struct import *m, struct h5_writer *w, const char *path) {
    bool unit = m->least > 1 - UNIT_TOLERANCE && m->most < 1 + UNIT_TOLERANCE;
    char source[512];
    source_text(m, source);
    TRY(h5_writer_put_text(w, path, "encoder", "import"));
    TRY(h5_writer_put_text(w, path, "source", source));
    TRY(h5_writer_put_text(w, path, "source_sha256", m->sha256));
    TRY(h5_writer_put_text(w, path, "revision", m->sha256));
    if (m->request->pca) {
        TRY(h5_writer_put_int(w, path, "pca_of", m->table.width));
        TRY(h5_writer_put_double(w, path, "explained_share", pca_share(&m->pca)));
        TRY(h5_writer_put_int(w, path, "whitened", m->request->whiten));
    }
    return h5_writer_put_int(w, path, "normalised", unit && !m->request->pca);
}

static enum status write_mine(struct import *m, struct h5_writer *w, const char *path) {
    for (int64_t lo = m->mine.lo; lo < m->mine.hi; lo += m->block) {
        int64_t hi = lo + m->block < m->mine.hi ? lo + m->block : m->mine.hi;
        TRY(read_items(m, lo, hi));
        TRY(h5_writer_write(w, path, H5_F32, lo, hi, stored_rows(m, lo, hi)));
    }
    return STATUS_OK;
}

/* Collective up to the reservation; then each rank for itself, until the commit. */
static enum status write_table(struct import *m, struct h5_writer *w) {
    struct feature_paths paths;
    int64_t width = m->request->pca ? m->request->pca : m->table.width;
    bool masked = m->missing > 0 && !m->request->vocabulary;
    import_paths(m, &paths);
    TRY(feature_declare(w, &paths, m->dataset->items, width, m->request->half, masked));
    TRY(put_attributes(m, w, paths.table));
    TRY(h5_writer_reserve(w));
    TRY(write_mine(m, w, paths.table));
    if (!masked)
        return STATUS_OK;
    return h5_writer_write(w, paths.mask, H5_U8, m->mine.lo, m->mine.hi, m->mask);
}

static void print_outcome(const struct import *m) {
    const struct import_request *r = m->request;
    if (r->keys)
        printf("%s: %lld of %lld items have a row; %lld of %lld keys are no item's\n", r->keys,
               (long long)m->keys.covered, (long long)m->dataset->items, (long long)m->keys.unknown,
               (long long)m->table.rows);
    printf("%s: table %s, %lld rows of %lld columns, %lld missing", m->dataset->path, r->name,
           (long long)m->dataset->items, (long long)m->table.width, (long long)m->missing);
    if (m->fates[FATE_ZERO] + m->fates[FATE_LOST] > 0)
        printf(" (%lld zero, %lld not representable in %s)", (long long)m->fates[FATE_ZERO],
               (long long)m->fates[FATE_LOST], type_name(m));
    printf("; norms %.4g to %.4g, mean %.4g\n", m->least, m->most, m->mean);
    if (r->pca)
        printf("pca: %lld of %lld columns%s, explained variance %.4f\n", (long long)r->pca,
               (long long)m->table.width, r->whiten ? ", whitened" : "", pca_share(&m->pca));
}

static enum status import(struct import *m) {
    const struct comm *comm = m->comm;
    struct h5_writer writer;
    TRY(open_source(m));
    TRY(check_values(m));
    TRY(COMM_ON_ROOT(comm, finish_check(m)));
    comm_bcast(comm, m->sha256, sizeof m->sha256);
    TRY(reduce(m));
    TRY(h5_writer_edit(&writer, comm, m->dataset->path, H5_PARALLEL));
    TRY(h5_writer_commit(&writer, write_table(m, &writer)));
    if (comm->rank == 0)
        print_outcome(m);
    return STATUS_OK;
}

static enum status count_tags(const struct comm *comm, const struct dataset *dataset,
                              int64_t *count) {
    struct tag_rows none;
    TRY(dataset_read_tags(comm, dataset, 0, 0, &none));
    *count = none.vocabulary.count;
    tag_rows_free(&none);
    return STATUS_OK;
}

enum status import_table(const struct comm *comm, const struct dataset *dataset,
                         const struct import_request *request) {
    struct dataset tags = *dataset; /* whose rows are of tags; the strings stay the caller's */
    struct import m = {
        .comm = comm, .dataset = request->vocabulary ? &tags : dataset, .request = request};
    if (request->vocabulary)
        TRY(count_tags(comm, dataset, &tags.items));
    enum status status = import(&m);
    table_close(&m.table);
    mem_free(m.row_of);
    pca_free(&m.pca);
    mem_free(m.rows);
    mem_free(m.reduced);
    mem_free(m.mask);
    mem_free(m.exact);
    return status;
}
