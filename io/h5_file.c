/* Nothing in a file is believed. open_dataset is the gate that every read of a dataset passes: it
 * follows hard links only and refuses types, filters and storage that are not ours, and extents
 * that the bytes in the file cannot bear. The sections are: the file, datasets of numbers,
 * strings, attributes, groups. */
#include "io/h5_file.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/h5_probe.h"
#include <errno.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    DEFLATE_RATIO = 1100, /* deflate never compresses more than 1032 times */
    DEPTH = 4             /* of groups that are searched */
};

/* ---- file ---- */

static hid_t read_access(void) {
    hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fapl_sec2(fapl);
    H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG);
    H5Pset_file_locking(fapl, 0, 1);
    return fapl;
}

/* The system's view first: HDF5 does not say why it cannot open. */
static enum status check_readable(const char *path, int64_t *bytes) {
    struct stat info;
    if (stat(path, &info) != 0)
        return log_error(STATUS_IO, "%s: cannot be read: %s; check the path", path,
                         strerror(errno));
    if (!S_ISREG(info.st_mode))
        return log_error(STATUS_INPUT, "%s: is not a regular file; name an HDF5 file", path);
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return log_error(STATUS_IO, "%s: cannot be read: %s; check its permissions", path,
                         strerror(errno));
    fclose(stream);
    *bytes = info.st_size;
    return STATUS_OK;
}

enum status h5_open(struct h5_file *file, const char *path) {
    int64_t bytes = 0;
    *file = (struct h5_file){0};
    h5_prepare();
    TRY(check_readable(path, &bytes));
    TRY(h5_probe(path));
    hid_t fapl = read_access();
    hid_t id = H5Fopen(path, H5F_ACC_RDONLY, fapl);
    H5Pclose(fapl);
    if (id < 0)
        return log_error(STATUS_INPUT,
                         "%s: is not a complete HDF5 file: %s; make it again or copy it again",
                         path, h5_reason());
    *file = (struct h5_file){id, mem_string(path), bytes};
    return STATUS_OK;
}

void h5_close(struct h5_file *file) {
    if (file->path)
        H5Fclose(file->id);
    mem_free(file->path);
    *file = (struct h5_file){0};
}

bool h5_exists(const struct h5_file *file, const char *name) {
    return h5_hard_links(file->id, name);
}

/* ---- datasets ---- */

static enum status bad(const struct h5_file *file, const char *name, const char *what) {
    return log_error(STATUS_INPUT, "%s: %s: %s; make the file again", file->path, name, what);
}

/* What to call a filter that the file may not name. */
static const char *filter_name(H5Z_filter_t filter, const char *stored) {
    return filter == H5Z_FILTER_SZIP          ? "szip"
           : filter == H5Z_FILTER_NBIT        ? "nbit"
           : filter == H5Z_FILTER_SCALEOFFSET ? "scaleoffset"
           : stored[0]                        ? stored
                                              : "without a name";
}

static const char *unsafe_filters(hid_t plist) {
    static char why[160];
    int n = H5Pget_nfilters(plist);
    if (n < 0)
        return "its filters cannot be read";
    for (int i = 0; i < n; i++) {
        unsigned flags, config;
        size_t values = 0;
        char name[64] = "";
        H5Z_filter_t filter = H5Pget_filter2(plist, (unsigned)i, &flags, &values, NULL,
                                             sizeof name - 1, name, &config);
        if (filter == H5Z_FILTER_DEFLATE || filter == H5Z_FILTER_SHUFFLE ||
            filter == H5Z_FILTER_FLETCHER32)
            continue;
        snprintf(why, sizeof why,
                 "is stored with the filter %s (%d), which is not read; remove it: h5repack -f "
                 "NONE OLD.h5 NEW.h5",
                 filter_name(filter, name), (int)filter);
        return why;
    }
    return NULL;
}

/* Why the storage of a dataset is refused, or NULL. */
static const char *unsafe_storage(hid_t dataset) {
    hid_t plist = H5Dget_create_plist(dataset);
    const char *why = NULL;
    if (plist < 0)
        return "its properties cannot be read";
    H5D_layout_t layout = H5Pget_layout(plist);
    if (layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED && layout != H5D_COMPACT)
        why = "is a virtual dataset";
    else if (H5Pget_external_count(plist) != 0)
        why = "is stored in an external file";
    else
        why = unsafe_filters(plist);
    H5Pclose(plist);
    return why;
}

static const char *read_extent(hid_t dataset, struct h5_extent *extent) {
    hid_t space = H5Dget_space(dataset);
    hsize_t dim[2] = {1, 1};
    extent->rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    bool simple = space >= 0 && H5Sget_simple_extent_type(space) != H5S_NULL;
    bool ok = simple && extent->rank >= 0 && extent->rank <= 2 &&
              H5Sget_simple_extent_dims(space, dim, NULL) >= 0;
    if (space >= 0)
        H5Sclose(space);
    if (!ok || dim[0] > INT64_MAX / 16 || dim[1] > INT64_MAX / 16)
        return "is neither a scalar, a vector nor a table";
    extent->rows = (int64_t)dim[0];
    extent->width = (int64_t)dim[1];
    return NULL;
}

static const char *read_class(hid_t type, struct h5_extent *extent) {
    extent->size = (int)H5Tget_size(type);
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        extent->kind = H5_INTEGER;
        return extent->size <= 8 ? NULL : "has integers wider than 64 bits";
    case H5T_FLOAT:
        extent->kind = H5_FLOAT;
        return extent->size <= 8 ? NULL : "has floating-point numbers wider than 64 bits";
    case H5T_STRING:
        extent->kind = H5_STRING;
        return NULL;
    default:
        return "holds neither numbers nor strings";
    }
}

/* The elements that the extent promises must stand in the file: refuses sparse giants before
 * anything is allocated for them. */
static const char *check_bytes(const struct h5_file *file, hid_t dataset, hid_t type,
                               const struct h5_extent *extent) {
    int64_t size = (int64_t)H5Tget_size(type), need;
    if (__builtin_mul_overflow(extent->rows, extent->width, &need) ||
        __builtin_mul_overflow(need, size, &need))
        return "its extent overflows";
    hid_t plist = H5Dget_create_plist(dataset);
    bool packed = H5Pget_nfilters(plist) > 0;
    H5Pclose(plist);
    hsize_t stored = H5Dget_storage_size(dataset);
    int64_t have = stored < (hsize_t)file->bytes ? (int64_t)stored : file->bytes;
    if (have < need / (packed ? DEFLATE_RATIO : 1))
        return "its extent is larger than the data stored";
    haddr_t at = H5Dget_offset(dataset);
    if (at != HADDR_UNDEF && (int64_t)at > file->bytes - need)
        return "its data lie behind the end of the file";
    return NULL;
}

/* Open a dataset with all checks. */
static enum status open_dataset(const struct h5_file *file, const char *name, hid_t *dataset,
                                struct h5_extent *extent) {
    if (!h5_exists(file, name))
        return bad(file, name, "is missing (soft and external links are not followed)");
    hid_t id = H5Dopen2(file->id, name, H5P_DEFAULT);
    if (id < 0)
        return bad(file, name, "is not a readable dataset");
    hid_t type = H5Dget_type(id);
    const char *why = type < 0 ? "its type cannot be read" : unsafe_storage(id);
    if (!why)
        why = read_extent(id, extent);
    if (!why)
        why = read_class(type, extent);
    if (!why)
        why = check_bytes(file, id, type, extent);
    if (type >= 0)
        H5Tclose(type);
    if (why) {
        H5Dclose(id);
        return bad(file, name, why);
    }
    *dataset = id;
    return STATUS_OK;
}

enum status h5_extent(const struct h5_file *file, const char *name, struct h5_extent *extent) {
    hid_t dataset = -1;
    struct h5_extent found = {0};
    TRY(open_dataset(file, name, &dataset, &found));
    H5Dclose(dataset);
    *extent = found;
    return STATUS_OK;
}

/* "a scalar", "[140]", "[140, *]": a negative number stands for any. */
static void shape_text(int rank, int64_t rows, int64_t width, char text[64]) {
    char number[2][24] = {"*", "*"};
    if (rows >= 0)
        snprintf(number[0], sizeof number[0], "%lld", (long long)rows);
    if (width >= 0)
        snprintf(number[1], sizeof number[1], "%lld", (long long)width);
    if (rank == 0)
        snprintf(text, 64, "a scalar");
    else if (rank == 1)
        snprintf(text, 64, "[%s]", number[0]);
    else
        snprintf(text, 64, "[%s, %s]", number[0], number[1]);
}

enum status h5_expect(const struct h5_file *file, const char *name, enum h5_class kind, int rank,
                      int64_t rows, int64_t width) {
    static const char *const kinds[] = {"integers", "floating-point numbers", "strings"};
    struct h5_extent e = {0};
    TRY(h5_extent(file, name, &e));
    if (e.kind != kind)
        return log_error(STATUS_INPUT, "%s: %s: holds %s, not %s; make the file again", file->path,
                         name, kinds[e.kind], kinds[kind]);
    if (e.rank != rank || (rows >= 0 && e.rows != rows) || (width >= 0 && e.width != width)) {
        char is[64], wanted[64];
        shape_text(e.rank, e.rows, e.width, is);
        shape_text(rank, rows, width, wanted);
        return log_error(STATUS_INPUT, "%s: %s: is %s where %s is expected; make the file again",
                         file->path, name, is, wanted);
    }
    return STATUS_OK;
}

static hid_t rows_of(hid_t dataset, int rank, int64_t lo, int64_t rows, int64_t width) {
    hid_t space = H5Dget_space(dataset);
    hsize_t start[2] = {(hsize_t)lo, 0}, count[2] = {(hsize_t)rows, (hsize_t)width};
    if (rank > 0 && rows > 0)
        H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    else if (rows == 0)
        H5Sselect_none(space);
    return space;
}

static herr_t read_rows(hid_t dataset, const struct h5_extent *e, hid_t memory_type, int64_t lo,
                        int64_t rows, void *out) {
    hsize_t count[2] = {(hsize_t)rows, (hsize_t)e->width};
    hid_t memory = H5Screate_simple(2, count, NULL);
    hid_t space = rows_of(dataset, e->rank, lo, rows, e->width);
    herr_t got = H5Dread(dataset, memory_type, memory, space, H5P_DEFAULT, out);
    H5Sclose(space);
    H5Sclose(memory);
    return got;
}

/* Open `name`, check its class and that it has the rows [lo, hi). */
static enum status open_rows(const struct h5_file *file, const char *name, enum h5_type type,
                             int64_t lo, int64_t hi, hid_t *dataset, struct h5_extent *extent) {
    enum h5_class want = type == H5_TEXT                    ? H5_STRING
                         : type == H5_F32 || type == H5_F64 ? H5_FLOAT
                                                            : H5_INTEGER;
    TRY(open_dataset(file, name, dataset, extent));
    const char *why = NULL;
    if (extent->kind != want)
        why = "holds values of another type";
    else if (lo < 0 || hi < lo || hi > extent->rows)
        why = "has too few rows";
    if (!why)
        return STATUS_OK;
    H5Dclose(*dataset);
    return bad(file, name, why);
}

/* What the system does not refuse is damaged. */
static enum status unreadable(const struct h5_file *file, const char *name) {
    return log_error(strcmp(h5_reason(), "file read failed") ? STATUS_INPUT : STATUS_IO,
                     "%s: %s: cannot be read: %s; check the disk or copy the file again",
                     file->path, name, h5_reason());
}

enum status h5_read(const struct h5_file *file, const char *name, enum h5_type type, int64_t lo,
                    int64_t hi, void *out) {
    hid_t dataset = -1;
    struct h5_extent extent = {0};
    TRY(open_rows(file, name, type, lo, hi, &dataset, &extent));
    hid_t memory_type = h5_memory_type(type);
    herr_t got = hi > lo ? read_rows(dataset, &extent, memory_type, lo, hi - lo, out) : 0;
    H5Tclose(memory_type);
    H5Dclose(dataset);
    return got < 0 ? unreadable(file, name) : STATUS_OK;
}

/* ---- strings ---- */

static struct h5_strings pack_strings(char *const *text, int64_t count) {
    struct h5_strings out = {.count = count};
    int64_t bytes = 0, at = 0;
    for (int64_t i = 0; i < count; i++)
        bytes += (text[i] ? (int64_t)strlen(text[i]) : 0) + 1;
    out.text = mem_alloc(count, sizeof *out.text);
    out.bytes = mem_alloc(bytes, 1);
    for (int64_t i = 0; i < count; i++) {
        const char *from = text[i] ? text[i] : "";
        size_t n = strlen(from) + 1;
        out.text[i] = memcpy(out.bytes + at, from, n);
        at += (int64_t)n;
    }
    return out;
}

/* A memory type for strings of `type`: the library does not convert between character sets. */
static hid_t matching_text_type(hid_t type) {
    hid_t memory_type = h5_memory_type(H5_TEXT);
    H5Tset_cset(memory_type, H5Tget_cset(type));
    return memory_type;
}

static herr_t read_variable(hid_t dataset, const struct h5_extent *extent, hid_t type, int64_t lo,
                            int64_t rows, struct h5_strings *out) {
    char **text = mem_zero(rows, sizeof *text);
    hid_t memory_type = matching_text_type(type);
    herr_t got = read_rows(dataset, extent, memory_type, lo, rows, text);
    if (got >= 0)
        *out = pack_strings(text, rows);
    for (int64_t i = 0; i < rows; i++)
        H5free_memory(text[i]);
    mem_free(text);
    H5Tclose(memory_type);
    return got;
}

static herr_t read_fixed(hid_t dataset, const struct h5_extent *extent, hid_t type, int64_t lo,
                         int64_t rows, struct h5_strings *out) {
    hid_t memory_type = H5Tcopy(type);
    size_t size = H5Tget_size(type) + 1; /* room for the NUL of a full or space-padded string */
    H5Tset_size(memory_type, size);
    H5Tset_strpad(memory_type, H5T_STR_NULLTERM);
    char *block = mem_zero(rows, size), **text = mem_alloc(rows, sizeof *text);
    herr_t got = read_rows(dataset, extent, memory_type, lo, rows, block);
    for (int64_t i = 0; i < rows; i++)
        text[i] = block + (size_t)i * size;
    if (got >= 0)
        *out = pack_strings(text, rows);
    mem_free(text);
    mem_free(block);
    H5Tclose(memory_type);
    return got;
}

enum status h5_read_strings(const struct h5_file *file, const char *name, int64_t lo, int64_t hi,
                            struct h5_strings *out) {
    hid_t dataset = -1;
    struct h5_extent extent = {0};
    *out = (struct h5_strings){0};
    TRY(open_rows(file, name, H5_TEXT, lo, hi, &dataset, &extent));
    hid_t type = H5Dget_type(dataset);
    herr_t got = 0;
    if (extent.rank != 1)
        got = -1;
    else if (hi > lo)
        got = (H5Tis_variable_str(type) > 0 ? read_variable : read_fixed)(dataset, &extent, type,
                                                                          lo, hi - lo, out);
    H5Tclose(type);
    H5Dclose(dataset);
    return got < 0 ? unreadable(file, name) : STATUS_OK;
}

void h5_strings_free(struct h5_strings *strings) {
    mem_free(strings->text);
    mem_free(strings->bytes);
    *strings = (struct h5_strings){0};
}

/* ---- attributes ---- */

bool h5_has_attribute(const struct h5_file *file, const char *object, const char *name) {
    return h5_exists(file, object) && H5Aexists_by_name(file->id, object, name, H5P_DEFAULT) > 0;
}

/* Open an attribute of one element and the wanted class. */
static enum status open_attribute(const struct h5_file *file, const char *object, const char *name,
                                  H5T_class_t want, hid_t *attribute) {
    hid_t id = -1, space = -1, type = -1;
    const char *why = NULL;
    if (!h5_has_attribute(file, object, name) ||
        (id = H5Aopen_by_name(file->id, object, name, H5P_DEFAULT, H5P_DEFAULT)) < 0)
        why = "is missing";
    else if ((space = H5Aget_space(id)) < 0 || H5Sget_simple_extent_npoints(space) != 1)
        why = "is not a single value";
    else if ((type = H5Aget_type(id)) < 0 || H5Tget_class(type) != want)
        why = "has another type";
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    if (!why) {
        *attribute = id;
        return STATUS_OK;
    }
    if (id >= 0)
        H5Aclose(id);
    return log_error(STATUS_INPUT, "%s: attribute '%s' of %s: %s; make the file again", file->path,
                     name, object, why);
}

static enum status get_number(const struct h5_file *file, const char *object, const char *name,
                              H5T_class_t class, hid_t type, void *value) {
    hid_t id = -1;
    TRY(open_attribute(file, object, name, class, &id));
    herr_t got = H5Aread(id, type, value);
    H5Aclose(id);
    return got < 0 ? unreadable(file, name) : STATUS_OK;
}

enum status h5_get_int(const struct h5_file *file, const char *object, const char *name,
                       int64_t *value) {
    return get_number(file, object, name, H5T_INTEGER, H5T_NATIVE_INT64, value);
}

enum status h5_get_double(const struct h5_file *file, const char *object, const char *name,
                          double *value) {
    return get_number(file, object, name, H5T_FLOAT, H5T_NATIVE_DOUBLE, value);
}

static herr_t read_text(hid_t attribute, hid_t type, char **value) {
    if (H5Tis_variable_str(type) > 0) {
        char *text = NULL;
        hid_t memory_type = matching_text_type(type);
        herr_t got = H5Aread(attribute, memory_type, &text);
        H5Tclose(memory_type);
        if (got >= 0)
            *value = mem_string(text ? text : "");
        H5free_memory(text);
        return got;
    }
    char *text = mem_zero((int64_t)H5Tget_size(type) + 1, 1);
    herr_t got = H5Aread(attribute, type, text);
    if (got >= 0)
        *value = mem_string(text);
    mem_free(text);
    return got;
}

enum status h5_get_text(const struct h5_file *file, const char *object, const char *name,
                        char **value) {
    hid_t id = -1;
    TRY(open_attribute(file, object, name, H5T_STRING, &id));
    hid_t type = H5Aget_type(id);
    herr_t got = read_text(id, type, value);
    H5Tclose(type);
    H5Aclose(id);
    return got < 0 ? unreadable(file, name) : STATUS_OK;
}

/* ---- groups ---- */

static herr_t collect(hid_t group, const char *name, const H5L_info_t *info, void *data) {
    struct h5_strings *names = data;
    (void)group;
    if (info->type != H5L_TYPE_HARD)
        return 0;
    if ((names->count & (names->count - 1)) == 0) /* full at 0 and at every power of two */
        names->text = mem_resize(names->text, 2 * names->count + 1, sizeof *names->text);
    names->text[names->count++] = mem_string(name);
    return 0;
}

enum status h5_members(const struct h5_file *file, const char *group, struct h5_strings *names) {
    struct h5_strings found = {0};
    *names = found;
    if (!h5_exists(file, group))
        return STATUS_OK;
    hid_t id = H5Gopen2(file->id, group, H5P_DEFAULT);
    if (id < 0)
        return bad(file, group, "is not a group");
    herr_t got = H5Literate(id, H5_INDEX_NAME, H5_ITER_INC, NULL, collect, &found);
    H5Gclose(id);
    if (got >= 0)
        *names = pack_strings(found.text, found.count);
    for (int64_t i = 0; i < found.count; i++)
        mem_free(found.text[i]);
    mem_free(found.text);
    return got < 0 ? unreadable(file, group) : STATUS_OK;
}

bool h5_is_group(const struct h5_file *file, const char *name) {
    H5O_info_t info;
    return h5_exists(file, name) &&
           H5Oget_info_by_name2(file->id, name, &info, H5O_INFO_BASIC, H5P_DEFAULT) >= 0 &&
           info.type == H5O_TYPE_GROUP;
}

static bool is_dataset(const struct h5_file *file, const char *name) {
    H5O_info_t info;
    return H5Oget_info_by_name2(file->id, name, &info, H5O_INFO_BASIC, H5P_DEFAULT) >= 0 &&
           info.type == H5O_TYPE_DATASET;
}

/* Hard links may lead in a circle: groups below `depth` more are left out. */
static enum status add_datasets(const struct h5_file *file, const char *group, int depth,
                                struct string_list *paths) {
    struct h5_strings names;
    enum status status = h5_members(file, group, &names);
    for (int64_t i = 0; status == STATUS_OK && i < names.count; i++) {
        char path[1024];
        const char *slash = strcmp(group, "/") ? "/" : "";
        if (snprintf(path, sizeof path, "%s%s%s", group, slash, names.text[i]) >= (int)sizeof path)
            continue;
        if (is_dataset(file, path))
            string_list_add(paths, path + (path[0] == '/'));
        else if (depth > 0 && h5_is_group(file, path))
            status = add_datasets(file, path, depth - 1, paths);
    }
    h5_strings_free(&names);
    return status;
}

enum status h5_datasets(const struct h5_file *file, const char *group, struct string_list *paths) {
    return add_datasets(file, group, DEPTH, paths);
}
