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

/* One entry of the header. */
struct tensor {
    const char *name, *dtype;
    const json_t *shape;
    int64_t begin, end; /* of its bytes, from the end of the header */
};

struct header {
    const char *path;
    int64_t start; /* of the data in the file */
    int64_t bytes; /* of the data */
    json_t *json;
    struct tensor *tensors; /* [count], names and shapes in json */
    int64_t count;
};

static enum status bad(const struct header *h, const char *what) {
    return log_error(STATUS_INPUT, "%s: %s; save it again with the safetensors library", h->path,
                     what);
}

static enum status bad_tensor(const struct header *h, const char *name, const char *what) {
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

static const char *check_shape(const struct tensor *t) {
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

static const char *check_tensor(const struct header *h, const json_t *entry, struct tensor *t) {
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

static enum status read_tensors(struct header *h) {
    const char *name;
    json_t *entry;
    h->tensors = mem_alloc((int64_t)json_object_size(h->json), sizeof *h->tensors);
    json_object_foreach(h->json, name, entry) {
        if (!strcmp(name, "__metadata__"))
            continue;
        struct tensor *t = &h->tensors[h->count++];
        t->name = name;
        const char *why = check_tensor(h, entry, t);
        if (why)
            return bad_tensor(h, name, why);
    }
    return STATUS_OK;
}

/* ---- all tensors ---- */

static int by_place(const void *a, const void *b) {
    const struct tensor *s = a, *t = b;
    if (s->begin != t->begin)
        return s->begin < t->begin ? -1 : 1;
    return s->end < t->end ? -1 : s->end > t->end;
}

static enum status check_places(const struct header *h) {
    int64_t at = 0;
    qsort(h->tensors, (size_t)h->count, sizeof *h->tensors, by_place);
    for (int64_t i = 0; i < h->count; i++) {
        const struct tensor *t = &h->tensors[i];
        if (t->begin < at)
            return bad_tensor(h, t->name, "overlaps another one");
        if (t->begin > at)
            return bad_tensor(h, t->name, "begins behind a gap");
        at = t->end;
    }
    return at == h->bytes ? STATUS_OK : bad(h, "it has bytes behind its last tensor");
}

static enum status parse(struct header *h, const char *text, size_t length) {
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
static enum status read_header(struct header *h, FILE *stream, int64_t bytes) {
    unsigned char p[PREFIX];
    uint64_t length = 0;
    if (fread(p, 1, PREFIX, stream) != PREFIX)
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
    enum status status = fread(text, 1, length, stream) == length
                             ? parse(h, text, length)
                             : bad(h, "it became shorter while it was read");
    mem_free(text);
    return status;
}

/* ---- the tensor wanted ---- */

static bool is_table(const struct tensor *t) {
    return json_array_size(t->shape) == 2;
}

/* "a, b, c" of the two-dimensional tensors, as many as fit. */
static void list_tables(const struct header *h, char *list, size_t size) {
    size_t used = 0;
    list[0] = '\0';
    for (int64_t i = 0; i < h->count; i++)
        if (is_table(&h->tensors[i]) && used + strlen(h->tensors[i].name) + 3 < size)
            used += (size_t)snprintf(list + used, size - used, "%s%s", used ? ", " : "",
                                     h->tensors[i].name);
}

static enum status choose(const struct header *h, const char *name, const struct tensor **chosen) {
    char list[512];
    int64_t fitting = 0;
    for (int64_t i = 0; i < h->count; i++)
        if (name ? !strcmp(h->tensors[i].name, name) : is_table(&h->tensors[i])) {
            *chosen = &h->tensors[i];
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

static enum status describe(const struct header *h, const struct tensor *t,
                            struct numbers *numbers) {
    if (!is_table(t))
        return log_error(STATUS_INPUT,
                         "%s: tensor '%.100s' has %zu dimensions; a table has 2, rows and columns",
                         h->path, t->name, json_array_size(t->shape));
    if (!strcmp(t->dtype, "F32"))
        numbers->type = NUMBER_F32;
    else if (!strcmp(t->dtype, "F16"))
        numbers->type = NUMBER_F16;
    else if (!strcmp(t->dtype, "BF16"))
        numbers->type = NUMBER_BF16;
    else
        return log_error(STATUS_INPUT,
                         "%s: tensor '%.100s' is of type %.20s; convert it to F32, F16 or BF16",
                         h->path, t->name, t->dtype);
    numbers->rank = 2;
    numbers->rows = natural(json_array_get(t->shape, 0));
    numbers->width = natural(json_array_get(t->shape, 1));
    numbers->start = h->start + t->begin;
    return STATUS_OK;
}

enum status safetensors_open(struct numbers *table, const char *path, const char *tensor) {
    struct numbers found = {0};
    struct header header = {.path = path};
    const struct tensor *chosen = NULL;
    int64_t bytes = 0;
    TRY(numbers_open_file(path, ".safetensors", &found.stream, &bytes));
    enum status status = read_header(&header, found.stream, bytes);
    if (status == STATUS_OK)
        status = choose(&header, tensor, &chosen);
    if (status == STATUS_OK)
        status = describe(&header, chosen, &found);
    json_decref(header.json);
    mem_free(header.tensors);
    if (status != STATUS_OK) {
        numbers_close(&found);
        return status;
    }
    found.path = mem_string(path);
    *table = found;
    return STATUS_OK;
}
