#include "io/npy.h"
#include "core/log.h"
#include "core/mem.h"
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PREFIX = 8, HEADER_LIMIT = 1 << 16, BLOCK = 1 << 14 };

static const int type_size[] = {2, 4, 8, 1};

static enum status bad(const char *path, const char *what) {
    return log_error(STATUS_INPUT,
                     "%s: %s; save it with numpy.save as a C-ordered table of f2, f4 "
                     "or f8",
                     path, what);
}

/* ---- header: a Python dictionary with descr, fortran_order and shape ---- */

/* The text behind "'key':" and its spaces, or NULL. */
static const char *value_of(const char *header, const char *key) {
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s':", key);
    const char *at = strstr(header, quoted);
    return at ? at + strlen(quoted) + strspn(at + strlen(quoted), " ") : NULL;
}

static const char *parse_type(const char *header, enum npy_type *type) {
    static const struct {
        const char *descr;
        enum npy_type type;
    } known[] = {{"'<f2'", NPY_F16},
                 {"'<f4'", NPY_F32},
                 {"'<f8'", NPY_F64},
                 {"'|u1'", NPY_U8},
                 {"'|b1'", NPY_U8}};
    const char *descr = value_of(header, "descr");
    for (size_t i = 0; descr && i < sizeof known / sizeof *known; i++)
        if (!strncmp(descr, known[i].descr, strlen(known[i].descr))) {
            *type = known[i].type;
            return NULL;
        }
    return "its type is not little-endian f2, f4, f8, u1 or bool";
}

/* "(rows,)" or "(rows, width)". */
static const char *parse_shape(const char *header, struct npy *npy) {
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

static const char *parse_header(const char *header, struct npy *npy) {
    const char *order = value_of(header, "fortran_order");
    const char *why = parse_type(header, &npy->type);
    if (!why && (!order || strncmp(order, "False", 5) != 0))
        why = "it is in Fortran order";
    return why ? why : parse_shape(header, npy);
}

/* Magic and version, then the header's length in 2 or 4 bytes. */
static const char *read_header(struct npy *npy, char *header) {
    unsigned char p[PREFIX + 4];
    if (fread(p, 1, PREFIX, npy->stream) != PREFIX || memcmp(p, "\x93NUMPY", 6) != 0)
        return "it is not a .npy file";
    size_t digits = p[6] == 1 ? 2 : p[6] == 2 ? 4 : 0, length = 0;
    if (digits == 0)
        return "it is neither of version 1 nor 2";
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

static const char *check_size(const struct npy *npy, int64_t bytes) {
    int64_t need;
    if (__builtin_mul_overflow(npy->rows, npy->width, &need) ||
        __builtin_mul_overflow(need, type_size[npy->type], &need) ||
        __builtin_add_overflow(need, npy->start, &need))
        return "its shape overflows";
    if (bytes < need)
        return "it is truncated: it has fewer bytes than its shape needs";
    return bytes > need ? "it has more bytes than its shape needs" : NULL;
}

enum status npy_open(struct npy *npy, const char *path) {
    struct stat info;
    *npy = (struct npy){0};
    if (stat(path, &info) != 0)
        return log_error(STATUS_IO, "%s: cannot be read: %s; check the path", path,
                         strerror(errno));
    if (!S_ISREG(info.st_mode))
        return log_error(STATUS_INPUT, "%s: is not a regular file; name a .npy file", path);
    struct npy found = {.stream = fopen(path, "rb")};
    if (!found.stream)
        return log_error(STATUS_IO, "%s: cannot be read: %s; check its permissions", path,
                         strerror(errno));
    char *header = mem_alloc(HEADER_LIMIT, 1);
    const char *why = read_header(&found, header);
    if (!why)
        why = check_size(&found, info.st_size);
    mem_free(header);
    if (why) {
        fclose(found.stream);
        return bad(path, why);
    }
    found.path = mem_string(path);
    *npy = found;
    return STATUS_OK;
}

void npy_close(struct npy *npy) {
    if (npy->stream)
        fclose(npy->stream);
    mem_free(npy->path);
    *npy = (struct npy){0};
}

/* ---- data ---- */

float npy_half(uint16_t bits) {
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float value;
    if (exponent == 31)
        value = fraction ? NAN : INFINITY;
    else if (exponent == 0)
        value = ldexpf((float)fraction, -24);
    else
        value = ldexpf((float)(fraction | 1024), exponent - 25);
    return bits & 0x8000 ? -value : value;
}

static void convert(const void *from, enum npy_type type, int64_t n, float *to) {
    const uint16_t *half = from;
    const float *single = from;
    const double *twice = from;
    const unsigned char *byte = from;
    for (int64_t i = 0; i < n; i++)
        to[i] = type == NPY_F16   ? npy_half(half[i])
                : type == NPY_F32 ? single[i]
                : type == NPY_F64 ? (float)twice[i]
                                  : (float)byte[i];
}

enum status npy_read(struct npy *npy, int64_t lo, int64_t hi, float *out) {
    int64_t size = type_size[npy->type], left = (hi - lo) * npy->width;
    double block[BLOCK]; /* aligned for every type */
    if (lo < 0 || hi < lo || hi > npy->rows)
        return log_error(STATUS_FAIL, "%s: rows %lld to %lld are not there", npy->path,
                         (long long)lo, (long long)hi);
    bool ok = fseeko(npy->stream, npy->start + lo * npy->width * size, SEEK_SET) == 0;
    while (ok && left > 0) {
        int64_t n = left < BLOCK ? left : BLOCK;
        ok = fread(block, (size_t)size, (size_t)n, npy->stream) == (size_t)n;
        if (ok)
            convert(block, npy->type, n, out);
        out += n;
        left -= n;
    }
    if (!ok)
        return log_error(STATUS_IO, "%s: cannot be read: %s; check the disk or copy it again",
                         npy->path, ferror(npy->stream) ? strerror(errno) : "it became shorter");
    return STATUS_OK;
}
