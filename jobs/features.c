#include "core/log.h"
#include "core/mem.h"
#include "io/dataset.h"
#include "io/npy.h"
#include "io/sha256.h"
#include "io/table.h"
#include "jobs/args.h"
#include "jobs/job.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME = 64, BLOCK_BYTES = 1 << 22 };
static const double HALF_MAX = 65504, UNIT_TOLERANCE = 1e-3;

struct request {
    const char *data, *name, *from, *mask;
    bool half, overwrite;
};

/* ---- command line ---- */

enum { KEY_NAME = 0x100, KEY_FROM, KEY_MASK, KEY_DTYPE, KEY_OVERWRITE };

static const char doc[] =
    "Add a feature table to a data set.\v"
    "The table has one row per item, in the order of the items, and is stored as it is; models "
    "normalise rows when they load them. Rows that are all zero, or 0 in the mask, are marked as "
    "missing.";

static const struct argp_option options[] = {
    {"name", KEY_NAME, "NAME", 0, "Name of the table: text, image, ...", 0},
    {"from", KEY_FROM, "SOURCE", 0, "FILE.npy, FILE.h5:DATASET, or FILE.h5 with one dataset", 0},
    {"mask", KEY_MASK, "FILE.npy", 0, "One u1 or bool per item, 0: the row is missing", 0},
    {"dtype", KEY_DTYPE, "TYPE", 0, "Store as f32 (default) or f16", 0},
    {"overwrite", KEY_OVERWRITE, NULL, 0, "Replace a table of that name", 0},
    {0}};

static bool name_allowed(const char *name) {
    size_t n = strlen(name);
    return n > 0 && n < NAME && strcmp(name, "id") != 0 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n &&
           !(n >= 5 && !strcmp(name + n - 5, "_mask"));
}

static error_t check_request(const struct argp_state *state, const struct request *r) {
    const char *missing = !r->data   ? "the data set, data.h5"
                          : !r->name ? "--name NAME"
                          : !r->from ? "--from SOURCE"
                                     : NULL;
    if (missing)
        argp_error(state, "missing %s", missing);
    else if (!name_allowed(r->name))
        argp_error(state,
                   "--name: '%.100s' is not made of letters, digits, _ and -, or is reserved "
                   "(id, ..._mask)",
                   r->name);
    else if (!strcmp(r->from, "titles"))
        argp_error(state,
                   "--from titles: the text encoder is not in this version; encode the titles "
                   "elsewhere and give --from FILE.npy");
    else
        return 0;
    return EINVAL;
}

static error_t set_dtype(const struct argp_state *state, const char *text, struct request *r) {
    r->half = !strcmp(text, "f16");
    if (r->half || !strcmp(text, "f32"))
        return 0;
    argp_error(state, "--dtype: '%.100s' is not one of f32, f16", text);
    return EINVAL;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *r = state->input;
    switch (key) {
    case KEY_NAME:
        r->name = arg;
        return 0;
    case KEY_FROM:
        r->from = arg;
        return 0;
    case KEY_MASK:
        r->mask = arg;
        return 0;
    case KEY_DTYPE:
        return set_dtype(state, arg, r);
    case KEY_OVERWRITE:
        r->overwrite = true;
        return 0;
    case ARGP_KEY_ARG:
        if (r->data) {
            argp_error(state, "more than one data set: '%.100s'", arg);
            return EINVAL;
        }
        r->data = arg;
        return 0;
    case ARGP_KEY_END:
        return check_request(state, r);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- looking at the source ---- */

struct import {
    const struct request *request;
    const struct dataset *dataset;
    struct table table;
    int64_t block;       /* rows read at once */
    float *rows;         /* [block, width] */
    unsigned char *mask; /* [N] */
    int64_t missing;
    double least, mean, most; /* norms of the rows present */
    char sha256[SHA256_TEXT];
};

static enum status read_mask(struct import *m) {
    const char *path = m->request->mask;
    struct numbers npy;
    TRY(npy_open(&npy, path));
    enum status status = STATUS_OK;
    if (npy.rank != 1 || npy.type != NUMBER_U8 || npy.rows != m->dataset->items)
        status = log_error(STATUS_INPUT, "%s: is not a vector of %lld u1 or bool, one per item",
                           path, (long long)m->dataset->items);
    for (int64_t lo = 0; lo < npy.rows && status == STATUS_OK; lo += m->block) {
        int64_t hi = lo + m->block < npy.rows ? lo + m->block : npy.rows;
        status = numbers_read(&npy, lo, hi, m->rows);
        for (int64_t i = lo; i < hi && status == STATUS_OK; i++)
            m->mask[i] = m->rows[i - lo] != 0;
    }
    numbers_close(&npy);
    return status;
}

static enum status check_value(const struct import *m, int64_t row, int64_t column, float value) {
    if (!isfinite(value))
        return log_error(STATUS_INPUT,
                         "%s: row %lld, column %lld is %s; replace it, or mark the row as missing "
                         "with --mask",
                         m->request->from, (long long)row, (long long)column,
                         isnan(value) ? "NaN" : "infinite");
    if (m->request->half && fabsf(value) > HALF_MAX)
        return log_error(STATUS_INPUT,
                         "%s: row %lld, column %lld is %g, more than f16 can hold; use "
                         "--dtype f32",
                         m->request->from, (long long)row, (long long)column, (double)value);
    return STATUS_OK;
}

static enum status check_row(struct import *m, int64_t i, const float *row) {
    double square = 0;
    if (!m->mask[i])
        return STATUS_OK;
    for (int64_t j = 0; j < m->table.width; j++) {
        TRY(check_value(m, i, j, row[j]));
        square += (double)row[j] * (double)row[j];
    }
    double norm = sqrt(square);
    m->mask[i] = norm > 0;
    if (norm > 0) {
        m->least = norm < m->least ? norm : m->least;
        m->most = norm > m->most ? norm : m->most;
        m->mean += norm;
    }
    return STATUS_OK;
}

static enum status check_rows(struct import *m) {
    int64_t n = m->dataset->items;
    m->least = INFINITY;
    for (int64_t lo = 0; lo < n; lo += m->block) {
        int64_t hi = lo + m->block < n ? lo + m->block : n;
        TRY(table_read(&m->table, lo, hi, m->rows));
        for (int64_t i = lo; i < hi; i++)
            TRY(check_row(m, i, m->rows + (i - lo) * m->table.width));
    }
    for (int64_t i = 0; i < n; i++)
        m->missing += !m->mask[i];
    if (m->missing == n)
        return log_error(STATUS_INPUT, "%s: all rows are zero or masked; nothing to import",
                         m->request->from);
    m->mean /= (double)(n - m->missing);
    return STATUS_OK;
}

static enum status check_name(const struct import *m) {
    struct h5_file file;
    char path[NAME + 16];
    snprintf(path, sizeof path, "/features/%s", m->request->name);
    TRY(h5_open(&file, m->dataset->path));
    bool there = h5_exists(&file, path);
    h5_close(&file);
    if (there && !m->request->overwrite)
        return log_error(STATUS_INPUT,
                         "%s: has a table '%s' already; name another or give "
                         "--overwrite",
                         m->dataset->path, m->request->name);
    return STATUS_OK;
}

static enum status check_source(struct import *m) {
    TRY(check_name(m));
    TRY(table_open(&m->table, m->request->from));
    if (m->table.rows != m->dataset->items || m->table.width < 1 || m->table.width > INT32_MAX)
        return log_error(
            STATUS_INPUT,
            "%s: has %lld rows of %lld columns, but %s has %lld items; give one row per "
            "item, in the order of the items",
            m->request->from, (long long)m->table.rows, (long long)m->table.width, m->dataset->path,
            (long long)m->dataset->items);
    m->block = BLOCK_BYTES / (m->table.width * (int64_t)sizeof *m->rows) + 1;
    m->rows = mem_alloc(m->block * m->table.width, sizeof *m->rows);
    m->mask = mem_alloc(m->dataset->items, 1);
    memset(m->mask, 1, (size_t)m->dataset->items);
    if (m->request->mask)
        TRY(read_mask(m));
    TRY(check_rows(m));
    return sha256_file(m->table.path, m->sha256);
}

/* ---- writing ---- */

static enum status put_attributes(const struct import *m, struct h5_writer *w, const char *path) {
    const char *slash = strrchr(m->table.path, '/');
    bool unit = m->least > 1 - UNIT_TOLERANCE && m->most < 1 + UNIT_TOLERANCE;
    TRY(h5_writer_put_text(w, path, "encoder", "import"));
    TRY(h5_writer_put_text(w, path, "source", slash ? slash + 1 : m->table.path));
    TRY(h5_writer_put_text(w, path, "source_sha256", m->sha256));
    TRY(h5_writer_put_text(w, path, "revision", m->sha256));
    return h5_writer_put_int(w, path, "normalised", unit);
}

static enum status write_rows(struct import *m, struct h5_writer *w, const char *path) {
    int64_t n = m->dataset->items, width = m->table.width;
    for (int64_t lo = 0; lo < n; lo += m->block) {
        int64_t hi = lo + m->block < n ? lo + m->block : n;
        TRY(table_read(&m->table, lo, hi, m->rows));
        for (int64_t i = lo; i < hi; i++)
            if (!m->mask[i])
                memset(m->rows + (i - lo) * width, 0, (size_t)width * sizeof *m->rows);
        TRY(h5_writer_write(w, path, H5_F32, lo, hi, m->rows));
    }
    return STATUS_OK;
}

static enum status write_table(struct import *m, struct h5_writer *w) {
    int64_t extent[2] = {m->dataset->items, m->table.width};
    char path[NAME + 16], mask[NAME + 24];
    snprintf(path, sizeof path, "/features/%s", m->request->name);
    snprintf(mask, sizeof mask, "%s_mask", path);
    TRY(h5_writer_remove(w, path));
    TRY(h5_writer_remove(w, mask));
    TRY(h5_writer_declare(w, path, m->request->half ? H5_F16 : H5_F32, 2, extent));
    TRY(put_attributes(m, w, path));
    TRY(write_rows(m, w, path));
    if (m->missing == 0)
        return STATUS_OK;
    TRY(h5_writer_declare(w, mask, H5_U8, 1, extent));
    return h5_writer_write(w, mask, H5_U8, 0, extent[0], m->mask);
}

static enum status import(struct comm *comm, struct import *m) {
    struct h5_writer writer;
    TRY(comm_agree(comm, comm->rank == 0 ? check_source(m) : STATUS_OK));
    TRY(h5_writer_edit(&writer, comm, m->dataset->path));
    enum status status = comm->rank == 0 ? write_table(m, &writer) : STATUS_OK;
    TRY(h5_writer_commit(&writer, status));
    if (comm->rank == 0)
        printf("%s: table %s, %lld rows of %lld columns, %lld missing; norms %.4g to %.4g, mean "
               "%.4g\n",
               m->dataset->path, m->request->name, (long long)m->dataset->items,
               (long long)m->table.width, (long long)m->missing, m->least, m->most, m->mean);
    return STATUS_OK;
}

enum status job_features(struct comm *comm, int argc, char **argv) {
    static const struct argp argp = {options, parse, "data.h5", doc, NULL, NULL, NULL};
    struct request request = {0};
    struct dataset dataset;
    bool done;
    TRY(args_parse(comm, &argp, argc, argv, &request, &done));
    if (done)
        return STATUS_OK;
    TRY(dataset_open(comm, request.data, &dataset));
    struct import m = {.request = &request, .dataset = &dataset};
    enum status status = import(comm, &m);
    table_close(&m.table);
    mem_free(m.rows);
    mem_free(m.mask);
    dataset_close(&dataset);
    return status;
}
