#include "io/npy.h"
#include "core/log.h"
#include "core/mem.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX = 8, HEADER_LIMIT = 1 << 16 };

static enum status bad(const char *path, const char *what) {
    return log_error(STATUS_INPUT,
                     "%s: %s; save it again: numpy.save('%s', X.astype('f4')), a mask as 'bool'",
                     path, what, path);
}

/* ---- header: a Python dictionary with descr, fortran_order and shape ---- */

/* The text behind "'key':" and its spaces, or NULL. */
static const char *value_of(const char *header, const char *key) {
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s':", key);
    const char *at = strstr(header, quoted);
    return at ? at + strlen(quoted) + strspn(at + strlen(quoted), " ") : NULL;
}

/* Why a type that is not known is not. */
static const char *foreign_type(const char *descr) {
    bool sign = descr && (!strncmp(descr, "'<i", 3) || !strncmp(descr, "'|i", 3));
    if (!descr)
        return "its header has no type";
    if (*descr == '[')
        return "it is a structured array";
    if (!strncmp(descr, "'|O", 3) || !strncmp(descr, "'O", 2))
        return "it holds Python objects";
    if (!strncmp(descr, "'>", 2))
        return "it is big-endian";
    if (sign || !strncmp(descr, "'<u", 3))
        return "it holds integers";
    return "its type is not little-endian f2, f4, f8, u1 or bool";
}

static const char *parse_type(const char *header, enum number_type *type) {
    static const struct {
        const char *descr;
        enum number_type type;
    } known[] = {{"'<f2'", NUMBER_F16},
                 {"'<f4'", NUMBER_F32},
                 {"'<f8'", NUMBER_F64},
                 {"'|u1'", NUMBER_U8},
                 {"'|b1'", NUMBER_U8}};
    const char *descr = value_of(header, "descr");
    for (size_t i = 0; descr && i < sizeof known / sizeof *known; i++)
        if (!strncmp(descr, known[i].descr, strlen(known[i].descr))) {
            *type = known[i].type;
            return NULL;
        }
    return foreign_type(descr);
}

/* "(rows,)" or "(rows, width)". */
static const char *parse_shape(const char *header, struct numbers *npy) {
    const char *at = value_of(header, "shape");
    int64_t dim[2] = {1, 1};
    int rank = 0;
    if (!at || *at++ != '(')
        return "its header has no shape";
    while (*at != ')') {
        char *end;
        errno = 0;
        long long n = strtoll(at, &end, 10);
        if (end == at || n < 0 || errno || rank == 2)
            return "its shape is not that of a vector or a table";
        dim[rank++] = n;
        at = end + strspn(end, ", ");
    }
    if (rank == 0)
        return "its shape is not that of a vector or a table";
    npy->rank = rank;
    npy->rows = dim[0];
    npy->width = dim[1];
    return NULL;
}

static const char *parse_header(const char *header, struct numbers *npy) {
    const char *order = value_of(header, "fortran_order");
    const char *why = parse_type(header, &npy->type);
    npy->by_columns = order && !strncmp(order, "True", 4);
    if (!why && !npy->by_columns && (!order || strncmp(order, "False", 5) != 0))
        why = "its header does not tell its order";
    return why ? why : parse_shape(header, npy);
}

/* Magic and version, then the header's length in 2 or 4 bytes. */
static const char *read_header(struct numbers *npy, char *header) {
    unsigned char p[PREFIX + 4];
    if (fread(p, 1, PREFIX, npy->stream) != PREFIX || memcmp(p, "\x93NUMPY", 6) != 0)
        return "it is not a .npy file";
    size_t digits = p[6] == 1 ? 2 : p[6] == 2 || p[6] == 3 ? 4 : 0, length = 0;
    if (digits == 0)
        return "it is of none of the versions 1, 2 and 3";
    if (fread(p + PREFIX, 1, digits, npy->stream) != digits)
        return "it is truncated";
    for (size_t i = digits; i-- > 0;)
        length = length << 8 | p[PREFIX + i];
    if (length >= HEADER_LIMIT)
        return "its header is too long";
    if (fread(header, 1, length, npy->stream) != length)
        return "it is truncated";
    header[length] = '\0';
    npy->start = (int64_t)(PREFIX + digits + length);
    return parse_header(header, npy);
}

static const char *check_size(const struct numbers *npy, int64_t bytes) {
    int64_t need;
    if (!numbers_bytes(npy, &need) || __builtin_add_overflow(need, npy->start, &need))
        return "its shape overflows";
    if (bytes < need)
        return "it is truncated: it has fewer bytes than its shape needs";
    return bytes > need ? "it has more bytes than its shape needs" : NULL;
}

enum status npy_open(struct numbers *table, const char *path) {
    struct numbers found = {0};
    int64_t bytes = 0;
    TRY(numbers_open_file(path, ".npy", &found.stream, &bytes));
    char *header = mem_alloc(HEADER_LIMIT, 1);
    const char *why = read_header(&found, header);
    if (!why)
        why = check_size(&found, bytes);
    mem_free(header);
    if (why) {
        numbers_close(&found);
        return bad(path, why);
    }
    found.path = mem_string(path);
    *table = found;
    return STATUS_OK;
}
