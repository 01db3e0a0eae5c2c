#include "io/numbers.h"
#include "core/log.h"
#include "core/mem.h"
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK = 1 << 14 };

static const int type_size[] = {2, 2, 4, 8, 1};

enum status numbers_open_file(const char *path, const char *kind, FILE **stream, int64_t *bytes) {
    struct stat info;
    if (stat(path, &info) != 0)
        return log_error(STATUS_IO, "%s: cannot be read: %s; check the path", path,
                         strerror(errno));
    if (!S_ISREG(info.st_mode))
        return log_error(STATUS_INPUT, "%s: is not a regular file; name a %s file", path, kind);
    FILE *opened = fopen(path, "rbe");
    if (!opened)
        return log_error(STATUS_IO, "%s: cannot be read: %s; check its permissions", path,
                         strerror(errno));
    *stream = opened;
    *bytes = info.st_size;
    return STATUS_OK;
}

bool numbers_bytes(const struct numbers *numbers, int64_t *bytes) {
    return numbers->rows >= 0 && numbers->width >= 0 &&
           !__builtin_mul_overflow(numbers->rows, numbers->width, bytes) &&
           !__builtin_mul_overflow(*bytes, type_size[numbers->type], bytes);
}

void numbers_close(struct numbers *numbers) {
    if (numbers->stream)
        fclose(numbers->stream);
    mem_free(numbers->path);
    *numbers = (struct numbers){0};
}

float number_half(uint16_t bits) {
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

float number_bfloat(uint16_t bits) {
    uint32_t whole = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &whole, sizeof value);
    return value;
}

static void convert(const void *from, enum number_type type, int64_t n, float *to) {
    const uint16_t *half = from;
    const float *single = from;
    const double *twice = from;
    const unsigned char *byte = from;
    for (int64_t i = 0; i < n; i++)
        to[i] = type == NUMBER_F16    ? number_half(half[i])
                : type == NUMBER_BF16 ? number_bfloat(half[i])
                : type == NUMBER_F32  ? single[i]
                : type == NUMBER_F64  ? (float)twice[i]
                                      : (float)byte[i];
}

enum status numbers_read(struct numbers *numbers, int64_t lo, int64_t hi, float *out) {
    int64_t size = type_size[numbers->type], left = (hi - lo) * numbers->width;
    double block[BLOCK]; /* aligned for every type */
    if (lo < 0 || hi < lo || hi > numbers->rows)
        return log_error(STATUS_FAIL, "%s: rows %lld to %lld are not there", numbers->path,
                         (long long)lo, (long long)hi);
    bool ok = fseeko(numbers->stream, numbers->start + lo * numbers->width * size, SEEK_SET) == 0;
    while (ok && left > 0) {
        int64_t n = left < BLOCK ? left : BLOCK;
        ok = fread(block, (size_t)size, (size_t)n, numbers->stream) == (size_t)n;
        if (ok)
            convert(block, numbers->type, n, out);
        out += n;
        left -= n;
    }
    if (!ok)
        return log_error(STATUS_IO, "%s: cannot be read: %s; check the disk or copy it again",
                         numbers->path,
                         ferror(numbers->stream) ? strerror(errno) : "it became shorter");
    return STATUS_OK;
}
