/* The header is a JSON object, which is parsed whole and checked before a tensor is looked for:
 * every entry has a known form and, sorted by their places, the tensors fill the rest of the file
 * without gap or overlap. Then the table that is asked for, or the only one, is handed to
 * io/numbers.h as a stretch of the file. */
#include "io/safetensors.h"
#include "core/log.h"
#include "core/mem.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX = 8, HEADER_LIMIT = 1 << 24 };

static enum status bad(const struct safetensors *h, const char *what) {
    return log_error(STATUS_INPUT, "%s: %s; save it again with the safetensors library", h->path,
                     what);
}

static enum status bad_tensor(const struct safetensors *h, const char *name, const char *what) {
    return log_error(STATUS_INPUT,
                     "%s: tensor '%.100s' %s; save it again with the safetensors "
                     "library",
                     h->path, name, what);
}

/* ---- one tensor ---- */

/* Bits of an element; 0: a type this reader does not know, whose size is not checked. */
static int64_t dtype_bits(const char *dtype) {
    static const struct {
        const char *name;
        int bits;
    } known[] = {{"F32", 32}, {"F16", 16}, {"BF16", 16},   {"F64", 64},   {"BOOL", 8}, {"U8", 8},
                 {"I8", 8},   {"U16", 16}, {"I16", 16},    {"U32", 32},   {"I32", 32}, {"U64", 64},
                 {"I64", 64}, {"C64", 64}, {"F8_E4M3", 8}, {"F8_E5M2", 8}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(dtype, known[i].name))
            return known[i].bits;
    return 0;
}

/* The integer `value` in [0, INT64_MAX]; -1 for anything else. */
static int64_t natural(const json_t *value) {
    return json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value)
                                                                    : -1;
}

static const char *check_shape(const struct safetensors_entry *t) {
    int64_t bytes = dtype_bits(t->dtype) / 8;
    bool overflows = false;
    for (size_t i = 0; i < json_array_size(t->shape); i++) {
        int64_t n = natural(json_array_get(t->shape, i));
        if (n < 0)
            return "has a shape that is not of integers >= 0";
        overflows = overflows || __builtin_mul_overflow(bytes, n, &bytes);
    }
    if (overflows)
        return "has a shape that overflows";
    if (dtype_bits(t->dtype) && bytes != t->end - t->begin)
        return "has data_offsets that do not fit its dtype and shape";
    return NULL;
}

static const char *check_tensor(const struct safetensors *h, const json_t *entry,
                                struct safetensors_entry *t) {
    const json_t *offsets = json_object_get(entry, "data_offsets");
    t->dtype = json_string_value(json_object_get(entry, "dtype"));
    t->shape = json_object_get(entry, "shape");
    if (!t->dtype || !json_is_array(t->shape) || json_array_size(offsets) != 2)
        return "is not {\"dtype\": text, \"shape\": [...], \"data_offsets\": [begin, end]}";
    t->begin = natural(json_array_get(offsets, 0));
    t->end = natural(json_array_get(offsets, 1));
    if (t->begin < 0 || t->end < t->begin)
        return "has data_offsets that are not ascending integers >= 0";
    if (t->end > h->bytes)
        return "has data_offsets past the end of the file";
    return check_shape(t);
}

static enum status read_tensors(struct safetensors *h) {
    const char *name;
    json_t *entry;
    h->entries = mem_alloc((int64_t)json_object_size(h->json), sizeof *h->entries);
    json_object_foreach(h->json, name, entry) {
        if (!strcmp(name, "__metadata__"))
            continue;
        struct safetensors_entry *t = &h->entries[h->count++];
        t->name = name;
        const char *why = check_tensor(h, entry, t);
        if (why)
            return bad_tensor(h, name, why);
    }
    return STATUS_OK;
}

/* ---- all tensors ---- */

static int by_place(const void *a, const void *b) {
    const struct safetensors_entry *s = a, *t = b;
    if (s->begin != t->begin)
        return s->begin < t->begin ? -1 : 1;
    return s->end < t->end ? -1 : s->end > t->end;
}

static enum status check_places(const struct safetensors *h) {
    int64_t at = 0;
    qsort(h->entries, (size_t)h->count, sizeof *h->entries, by_place);
    for (int64_t i = 0; i < h->count; i++) {
        const struct safetensors_entry *t = &h->entries[i];
        if (t->begin < at)
            return bad_tensor(h, t->name, "overlaps another one");
        if (t->begin > at)
            return bad_tensor(h, t->name, "begins behind a gap");
        at = t->end;
    }
    return at == h->bytes ? STATUS_OK : bad(h, "it has bytes behind its last tensor");
}

static enum status parse(struct safetensors *h, const char *text, size_t length) {
    json_error_t error;
    if (length == 0 || text[0] != '{')
        return bad(h, "its header is not a JSON object");
    h->json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!h->json)
        return log_error(STATUS_INPUT,
                         "%s: its header is not JSON: %s at byte %d; save it again with the "
                         "safetensors library",
                         h->path, error.text, error.position);
    TRY(read_tensors(h));
    return check_places(h);
}

/* Length and JSON text; `bytes` is the size of the file. */
static enum status read_header(struct safetensors *h, int64_t bytes) {
    unsigned char p[PREFIX];
    uint64_t length = 0;
    if (fread(p, 1, PREFIX, h->stream) != PREFIX)
        return bad(h, "it is not a .safetensors file: it has no header");
    for (int i = PREFIX; i-- > 0;)
        length = length << 8 | p[i];
    if (length > (uint64_t)(bytes - PREFIX))
        return bad(h, "it is truncated, or not a .safetensors file: its header ends past its end");
    if (length > HEADER_LIMIT)
        return bad(h, "its header is too long");
    h->start = PREFIX + (int64_t)length;
    h->bytes = bytes - h->start;
    char *text = mem_alloc((int64_t)length, 1);
    enum status status = fread(text, 1, length, h->stream) == length
                             ? parse(h, text, length)
                             : bad(h, "it became shorter while it was read");
    mem_free(text);
    return status;
}

/* ---- the tensor wanted ---- */

static bool is_table(const struct safetensors_entry *t) {
    return json_array_size(t->shape) == 2;
}

/* "a, b, c" of the two-dimensional tensors, as many as fit. */
static void list_tables(const struct safetensors *h, char *list, size_t size) {
    size_t used = 0;
    list[0] = '\0';
    for (int64_t i = 0; i < h->count; i++)
        if (is_table(&h->entries[i]) && used + strlen(h->entries[i].name) + 3 < size)
            used += (size_t)snprintf(list + used, size - used, "%s%s", used ? ", " : "",
                                     h->entries[i].name);
}

static enum status choose(const struct safetensors *h, const char *name,
                          const struct safetensors_entry **chosen) {
    char list[512];
    int64_t fitting = 0;
    for (int64_t i = 0; i < h->count; i++)
        if (name ? !strcmp(h->entries[i].name, name) : is_table(&h->entries[i])) {
            *chosen = &h->entries[i];
            fitting++;
        }
    if (fitting == 1)
        return STATUS_OK;
    list_tables(h, list, sizeof list);
    if (name)
        return log_error(STATUS_INPUT, "%s: has no tensor '%.100s'; it has tables: %s", h->path,
                         name, list[0] ? list : "none");
    return log_error(STATUS_INPUT, "%s: has %s; %s%s", h->path,
                     fitting ? "several tables" : "no table of rows and columns",
                     fitting ? "choose one with --tensor: " : "save one",
                     fitting ? list : " of shape [rows, columns]");
}

/* Whose rows are along the first of the dimensions. */
static enum status describe(const struct safetensors *h, const struct safetensors_entry *t,
                            struct numbers *numbers) {
    int64_t dims = (int64_t)json_array_size(t->shape), width = 1;
    enum number_type type = NUMBER_F32;
    if (!strcmp(t->dtype, "F16"))
        type = NUMBER_F16;
    else if (!strcmp(t->dtype, "BF16"))
        type = NUMBER_BF16;
    else if (strcmp(t->dtype, "F32") != 0)
        return log_error(STATUS_INPUT,
                         "%s: tensor '%.100s' is of type %.20s; convert it to F32, F16 or BF16",
                         h->path, t->name, t->dtype);
    for (int64_t i = 1; i < dims; i++)
        width *= natural(json_array_get(t->shape, (size_t)i));
    *numbers = (struct numbers){.stream = h->stream,
                                .path = h->path,
                                .type = type,
                                .rank = dims > 1 ? 2 : 1,
                                .rows = natural(json_array_get(t->shape, 0)),
                                .width = width,
                                .start = h->start + t->begin};
    return STATUS_OK;
}

static enum status describe_table(const struct safetensors *h, const struct safetensors_entry *t,
                                  struct numbers *numbers) {
    if (is_table(t))
        return describe(h, t, numbers);
    return log_error(STATUS_INPUT,
                     "%s: tensor '%.100s' has %zu dimensions; a table has 2, rows and columns",
                     h->path, t->name, json_array_size(t->shape));
}

enum status safetensors_open(struct numbers *table, const char *path, const char *tensor) {
    struct safetensors file;
    struct numbers found;
    const struct safetensors_entry *chosen = NULL;
    TRY(safetensors_open_all(&file, path));
    enum status status = choose(&file, tensor, &chosen);
    if (status == STATUS_OK)
        status = describe_table(&file, chosen, &found);
    if (status == STATUS_OK) { /* which takes over what is the file's */
        *table = found;
        file.stream = NULL;
        file.path = NULL;
    }
    safetensors_close(&file);
    return status;
}

/* ---- the tensors of a model ---- */

enum status safetensors_open_all(struct safetensors *file, const char *path) {
    int64_t bytes = 0;
    *file = (struct safetensors){0};
    TRY(numbers_open_file(path, ".safetensors", &file->stream, &bytes));
    file->path = mem_string(path);
    enum status status = read_header(file, bytes);
    if (status != STATUS_OK)
        safetensors_close(file);
    return status;
}

void safetensors_close(struct safetensors *file) {
    if (file->stream)
        fclose(file->stream);
    mem_free(file->path);
    json_decref(file->json);
    mem_free(file->entries);
    *file = (struct safetensors){0};
}

/* "[a, b]" in a text of `size` bytes. */
static const char *shape_text(int ndim, const int64_t *extent, char *text, size_t size) {
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < ndim && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? ", " : "",
                                 (long long)extent[i]);
    if (used < size)
        snprintf(text + used, size - used, "]");
    return text;
}

enum { DIMENSIONS = 4 };

static enum status check_extents(const struct safetensors *h, const struct safetensors_entry *t,
                                 int ndim, const int64_t *extent) {
    char found[128], wanted[128];
    int64_t shape[DIMENSIONS];
    int dims = (int)json_array_size(t->shape);
    for (int i = 0; i < dims && i < DIMENSIONS; i++)
        shape[i] = natural(json_array_get(t->shape, (size_t)i));
    if (dims == ndim && !memcmp(shape, extent, (size_t)ndim * sizeof *shape))
        return STATUS_OK;
    return log_error(STATUS_INPUT,
                     "%s: tensor '%.100s' has the shape %s, but the model's configuration makes it "
                     "%s; take both from one model",
                     h->path, t->name,
                     dims > DIMENSIONS ? "of more than 4 dimensions"
                                       : shape_text(dims, shape, found, sizeof found),
                     shape_text(ndim, extent, wanted, sizeof wanted));
}

enum status safetensors_find(const struct safetensors *file, const char *name, int ndim,
                             const int64_t *extent, struct numbers *out) {
    for (int64_t i = 0; i < file->count; i++)
        if (!strcmp(file->entries[i].name, name)) {
            TRY(check_extents(file, &file->entries[i], ndim, extent));
            return describe(file, &file->entries[i], out);
        }
    return log_error(STATUS_INPUT, "%s: has no tensor '%.100s'; it is not of such a model",
                     file->path, name);
}
