/* A table is a list of sources, of which one is open at a time. Names come first: patterns become
 * lists of files, in the order of the numbers in their names. Then one file is opened by its form,
 * all are joined under one width, and rows are read by their number in the whole: neighbours at
 * once, or any, which are sorted first so that neighbours among them are read at once too. */
#include "io/table.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/h5_sum.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n > m && !strcmp(text + n - m, end);
}

/* Where in `source` the path ends: at the colon before the name of a dataset, or at the end. */
static size_t path_length(const char *source) {
    static const char *const ends[] = {".h5:", ".hdf5:"};
    for (int i = 0; i < 2; i++) {
        const char *end = strstr(source, ends[i]);
        if (end)
            return (size_t)(end - source) + strlen(ends[i]) - 1;
    }
    return strlen(source);
}

/* ---- names ---- */

static int by_version(const void *a, const void *b) {
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

/* The files that match, each with the name of the dataset behind it. */
static enum status add_matches(const char *pattern, const char *dataset,
                               struct string_list *sources) {
    glob_t found = {0};
    int outcome = glob(pattern, GLOB_NOSORT, NULL, &found);
    enum status status = STATUS_OK;
    if (outcome != 0)
        status = log_error(STATUS_IO, "%s: %s; check the path", pattern,
                           outcome == GLOB_NOMATCH ? "matches no file" : "cannot be searched");
    else
        qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, by_version);
    for (size_t i = 0; status == STATUS_OK && i < found.gl_pathc; i++) {
        size_t room = strlen(found.gl_pathv[i]) + strlen(dataset) + 1;
        char *source = mem_alloc((int64_t)room, 1);
        snprintf(source, room, "%s%s", found.gl_pathv[i], dataset);
        string_list_add(sources, source);
        mem_free(source);
    }
    globfree(&found);
    return status;
}

enum status table_expand(const char *pattern, struct string_list *sources) {
    size_t length = path_length(pattern);
    char *path = mem_string(pattern);
    path[length] = '\0';
    enum status status = STATUS_OK;
    if (strpbrk(path, "*?[") && access(path, F_OK) != 0)
        status = add_matches(path, pattern + length, sources);
    else
        string_list_add(sources, pattern);
    mem_free(path);
    return status;
}

/* ---- one file ---- */

static enum status open_npy(struct table_part *p) {
    TRY(npy_open(&p->numbers, p->path));
    if (p->numbers.rank != 2 || p->numbers.type == NUMBER_U8)
        return log_error(STATUS_INPUT, "%s: is not a table of f2, f4 or f8 with rows and columns",
                         p->path);
    return STATUS_OK;
}

/* "a, b, c and 5 more", as many as fit. */
static void list_names(const struct string_list *names, char *list, size_t size) {
    size_t used = 0;
    int64_t i = 0;
    for (list[0] = '\0'; i < names->count; i++) {
        const char *name = string_at(names, i);
        if (used + strlen(name) + 32 > size)
            break;
        used += (size_t)snprintf(list + used, size - used, "%s%s", used ? ", " : "", name);
    }
    if (i < names->count)
        snprintf(list + used, size - used, " and %lld more", (long long)(names->count - i));
}

/* The only dataset of the group; otherwise the user is told which there are. */
static enum status only_dataset(const struct table_part *p, const char *group, bool named,
                                char **only) {
    struct string_list names = {0};
    char list[512];
    enum status status = h5_datasets(&p->file, group, &names);
    list_names(&names, list, sizeof list);
    if (status == STATUS_OK && names.count == 1 && !named)
        *only = mem_string(string_at(&names, 0));
    else if (status == STATUS_OK && names.count == 0)
        status = log_error(STATUS_INPUT, "%s: %s: has no dataset; save the table as one", p->path,
                           group);
    else if (status == STATUS_OK)
        status =
            log_error(STATUS_INPUT, "%s: %s; say which as %s:DATASET: %s", p->path,
                      named ? "what is named is a group" : "has several datasets", p->path, list);
    string_list_free(&names);
    return status;
}

static enum status open_h5(struct table_part *p) {
    struct h5_extent extent = {0};
    TRY(h5_open(&p->file, p->path));
    if (!p->dataset)
        TRY(only_dataset(p, "/", false, &p->dataset));
    else if (h5_is_group(&p->file, p->dataset))
        return only_dataset(p, p->dataset, true, NULL);
    TRY(h5_extent(&p->file, p->dataset, &extent));
    if (extent.kind == H5_FLOAT && extent.rank == 2) {
        p->rows = extent.rows;
        p->width = extent.width;
        return STATUS_OK;
    }
    return log_error(STATUS_INPUT,
                     "%s: %s: %s; a table has rows and columns of floating-point numbers: write "
                     "it again from X.astype('f4')",
                     p->path, p->dataset,
                     extent.kind == H5_INTEGER  ? "holds integers"
                     : extent.kind == H5_STRING ? "holds strings"
                     : extent.rank == 1         ? "is a vector"
                                                : "is a single number");
}

/* What makes an array of a file of another kind, as Python says it. */
static const char *reading_of(const char *path) {
    static const struct {
        const char *end, *reading;
    } known[] = {{".npz", "numpy.load('%s')['NAME']"},
                 {".pt", "torch.load('%s').float().numpy()"},
                 {".pth", "torch.load('%s').float().numpy()"},
                 {".pkl", "pickle.load(open('%s', 'rb'))"},
                 {".pickle", "pickle.load(open('%s', 'rb'))"},
                 {".csv", "numpy.loadtxt('%s', delimiter=',')"},
                 {".tsv", "numpy.loadtxt('%s', delimiter='\\t')"},
                 {".txt", "numpy.loadtxt('%s')"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (ends_with(path, known[i].end))
            return known[i].reading;
    return "X";
}

static enum status foreign(const char *path) {
    const char *reading = reading_of(path), *name = strstr(reading, "%s");
    int before = name ? (int)(name - reading) : (int)strlen(reading);
    return log_error(STATUS_INPUT,
                     "%s: is none of FILE.npy, FILE.safetensors, FILE.h5, FILE.h5:DATASET; convert "
                     "it: numpy.save('table.npy', %.*s%s%s)",
                     path, before, reading, name ? path : "", name ? name + 2 : "");
}

static enum status open_by_name(struct table_part *p, const char *tensor) {
    bool tensors = ends_with(p->path, ".safetensors");
    if (ends_with(p->path, ".h5") || ends_with(p->path, ".hdf5"))
        TRY(open_h5(p));
    else if (tensors)
        TRY(safetensors_open(&p->numbers, p->path, tensor));
    else if (ends_with(p->path, ".npy"))
        TRY(open_npy(p));
    else
        return foreign(p->path);
    if (p->numbers.path) {
        p->rows = p->numbers.rows;
        p->width = p->numbers.width;
    }
    if (tensor && !tensors)
        return log_error(STATUS_INPUT, "%s: --tensor is for .safetensors files; leave it out",
                         p->path);
    return STATUS_OK;
}

static void close_part(struct table_part *p) {
    numbers_close(&p->numbers);
    h5_close(&p->file);
    mem_free(p->path);
    mem_free(p->dataset);
    *p = (struct table_part){0};
}

static enum status open_part(struct table_part *p, const char *source, const char *tensor) {
    size_t length = path_length(source);
    *p = (struct table_part){.path = mem_string(source)};
    if (source[length])
        p->dataset = mem_string(source + length + 1);
    p->path[length] = '\0';
    enum status status = open_by_name(p, tensor);
    if (status != STATUS_OK)
        close_part(p);
    return status;
}

/* ---- all files ---- */

/* Make source `i` the open one. */
static enum status turn_to(struct table *t, int64_t i) {
    if (t->part.path && t->at == i)
        return STATUS_OK;
    close_part(&t->part);
    t->at = i;
    return open_part(&t->part, string_at(&t->sources, i), t->tensor);
}

static enum status join(struct table *t) {
    for (int64_t i = 0; i < t->sources.count; i++) {
        TRY(turn_to(t, i));
        if (i == 0)
            t->width = t->part.width;
        if (t->part.width != t->width)
            return log_error(
                STATUS_INPUT,
                "%s: has %lld columns, but %s has %lld; the parts of a table have one width",
                string_at(&t->sources, i), (long long)t->part.width, string_at(&t->sources, 0),
                (long long)t->width);
        t->first[i] = t->rows;
        if (__builtin_add_overflow(t->rows, t->part.rows, &t->rows))
            return log_error(STATUS_INPUT, "%s: has too many rows with those before it",
                             string_at(&t->sources, i));
    }
    t->first[t->sources.count] = t->rows;
    return STATUS_OK;
}

static void add_source(struct table *t, const char *source) {
    char *path = mem_string(source);
    path[path_length(source)] = '\0';
    string_list_add(&t->sources, source);
    string_list_add(&t->files, path);
    mem_free(path);
}

enum status table_open(struct table *table, const struct string_list *sources, const char *tensor) {
    *table = (struct table){.tensor = tensor ? mem_string(tensor) : NULL};
    table->first = mem_zero(sources->count + 1, sizeof *table->first);
    for (int64_t i = 0; i < sources->count; i++)
        add_source(table, string_at(sources, i));
    enum status status = join(table);
    if (status != STATUS_OK)
        table_close(table);
    return status;
}

void table_close(struct table *table) {
    close_part(&table->part);
    string_list_free(&table->sources);
    string_list_free(&table->files);
    mem_free(table->first);
    mem_free(table->tensor);
    *table = (struct table){0};
}

/* The source that has row `row`, 0 <= row < rows. */
static int64_t source_of(const struct table *t, int64_t row) {
    int64_t lo = 0, hi = t->sources.count;
    while (hi - lo > 1) {
        int64_t middle = lo + (hi - lo) / 2;
        if (t->first[middle] <= row)
            lo = middle;
        else
            hi = middle;
    }
    return lo;
}

void table_place(const struct table *table, int64_t row, const char **source,
                 int64_t *row_of_source) {
    int64_t i = source_of(table, row);
    *source = string_at(&table->sources, i);
    *row_of_source = row - table->first[i];
}

static enum status read_part(struct table_part *p, int64_t lo, int64_t hi, float *out) {
    if (p->file.path)
        return h5_read(&p->file, p->dataset, H5_F32, lo, hi, out);
    return numbers_read(&p->numbers, lo, hi, out);
}

enum status table_read_exact(struct table *table, int64_t row, double *out) {
    int64_t i = source_of(table, row), at = row - table->first[i];
    struct table_part *p = &table->part;
    TRY(turn_to(table, i));
    if (p->file.path)
        return h5_read(&p->file, p->dataset, H5_F64, at, at + 1, out);
    return numbers_read_exact(&p->numbers, at, out);
}

enum status table_read(struct table *table, int64_t lo, int64_t hi, float *out) {
    if (lo < 0 || hi < lo || hi > table->rows)
        return log_error(STATUS_FAIL, "rows %lld to %lld of the table are not there", (long long)lo,
                         (long long)hi);
    while (lo < hi) {
        int64_t i = source_of(table, lo), first = table->first[i];
        int64_t end = table->first[i + 1] < hi ? table->first[i + 1] : hi;
        TRY(turn_to(table, i));
        if (table->part.width != table->width || table->part.rows != table->first[i + 1] - first)
            return log_error(STATUS_INPUT, "%s: changed while it was read; import it again",
                             string_at(&table->sources, i));
        TRY(read_part(&table->part, lo - first, end - first, out));
        out += (end - lo) * table->width;
        lo = end;
    }
    return STATUS_OK;
}

/* ---- rows in any order ---- */

struct wish {
    int64_t row, slot;
};

static int by_row(const void *a, const void *b) {
    const struct wish *s = a, *t = b;
    return s->row < t->row ? -1 : s->row > t->row;
}

/* The wishes in the order of the rows; gives their number. */
static int64_t order_wishes(const int64_t *row, int64_t n, struct wish *wishes) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        if (row[i] >= 0)
            wishes[count++] = (struct wish){row[i], i};
    qsort(wishes, (size_t)count, sizeof *wishes, by_row);
    return count;
}

static enum status grant(struct table *t, const struct wish *wishes, int64_t count, float *rows,
                         float *out) {
    size_t bytes = (size_t)t->width * sizeof *out;
    for (int64_t lo = 0, hi; lo < count; lo = hi) {
        for (hi = lo + 1; hi < count && wishes[hi].row == wishes[hi - 1].row + 1;)
            hi++;
        TRY(table_read(t, wishes[lo].row, wishes[lo].row + hi - lo, rows));
        for (int64_t i = lo; i < hi; i++)
            memcpy(out + wishes[i].slot * t->width, rows + (i - lo) * t->width, bytes);
    }
    return STATUS_OK;
}

enum status table_gather(struct table *table, const int64_t *row, int64_t n, float *out) {
    struct wish *wishes = mem_alloc(n, sizeof *wishes);
    int64_t count = order_wishes(row, n, wishes);
    float *rows = mem_alloc(count * table->width, sizeof *rows);
    memset(out, 0, (size_t)(n * table->width) * sizeof *out);
    enum status status = grant(table, wishes, count, rows, out);
    mem_free(rows);
    mem_free(wishes);
    return status;
}

enum status table_verify(struct table *table) {
    for (int64_t i = 0; i < table->sources.count; i++) {
        TRY(turn_to(table, i));
        if (table->part.file.path)
            TRY(h5_verify_alone(&table->part.file, table->part.dataset));
    }
    return STATUS_OK;
}

enum status table_sha256(const struct table *table, char text[SHA256_TEXT]) {
    struct sha256 hash;
    enum status status = STATUS_OK;
    sha256_begin(&hash);
    for (int64_t i = 0; i < table->files.count && status == STATUS_OK; i++)
        status = sha256_add_file(&hash, string_at(&table->files, i));
    sha256_end(&hash, text);
    return status;
}
