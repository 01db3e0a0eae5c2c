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

/* Where numbers go, each `step` places behind the one before: to one of the two. */
struct target {
    float *rounded;
    double *exact;
    int64_t step;
};

static double number(const void *from, enum number_type type, int64_t i) {
    const uint16_t *half = from;
    const float *single = from;
    const double *twice = from;
    const unsigned char *byte = from;
    return type == NUMBER_F16    ? (double)number_half(half[i])
           : type == NUMBER_BF16 ? (double)number_bfloat(half[i])
           : type == NUMBER_F32  ? (double)single[i]
           : type == NUMBER_F64  ? twice[i]
                                 : byte[i];
}

/* Number `first` of the target on. */
static void put(const void *from, enum number_type type, int64_t first, int64_t n,
                const struct target *to) {
    if (to->exact)
        for (int64_t i = 0; i < n; i++)
            to->exact[(first + i) * to->step] = number(from, type, i);
    else
        for (int64_t i = 0; i < n; i++)
            to->rounded[(first + i) * to->step] = (float)number(from, type, i);
}

/* n numbers that follow one another in the file, from number `at` on. */
static bool read_run(struct numbers *numbers, int64_t at, int64_t n, const struct target *to) {
    int64_t size = type_size[numbers->type];
    double block[BLOCK]; /* aligned for every type */
    bool ok = fseeko(numbers->stream, numbers->start + at * size, SEEK_SET) == 0;
    for (int64_t lo = 0; ok && lo < n; lo += BLOCK) {
        int64_t count = n - lo < BLOCK ? n - lo : BLOCK;
        ok = fread(block, (size_t)size, (size_t)count, numbers->stream) == (size_t)count;
        if (ok)
            put(block, numbers->type, lo, count, to);
    }
    return ok;
}

static bool read_columns(struct numbers *numbers, int64_t lo, int64_t hi, const struct target *to) {
    bool ok = true;
    for (int64_t j = 0; ok && j < numbers->width; j++) {
        struct target column = {to->rounded ? to->rounded + j : NULL,
                                to->exact ? to->exact + j : NULL, numbers->width};
        ok = read_run(numbers, j * numbers->rows + lo, hi - lo, &column);
    }
    return ok;
}

static enum status read_rows(struct numbers *numbers, int64_t lo, int64_t hi,
                             const struct target *to) {
    int64_t width = numbers->width;
    if (lo < 0 || hi < lo || hi > numbers->rows)
        return log_error(STATUS_FAIL, "%s: rows %lld to %lld are not there", numbers->path,
                         (long long)lo, (long long)hi);
    if (numbers->by_columns ? read_columns(numbers, lo, hi, to)
                            : read_run(numbers, lo * width, (hi - lo) * width, to))
        return STATUS_OK;
    return log_error(STATUS_IO, "%s: cannot be read: %s; check the disk or copy it again",
                     numbers->path,
                     ferror(numbers->stream) ? strerror(errno) : "it became shorter");
}

enum status numbers_read(struct numbers *numbers, int64_t lo, int64_t hi, float *out) {
    return read_rows(numbers, lo, hi, &(struct target){.rounded = out, .step = 1});
}

enum status numbers_read_exact(struct numbers *numbers, int64_t row, double *out) {
    return read_rows(numbers, row, row + 1, &(struct target){.exact = out, .step = 1});
}
