#include "io/lines.h"
#include "core/mem.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BUFFER = 1 << 16 };

enum status lines_open(struct lines *lines, const char *path, bool strict) {
    struct stat info;
    *lines = (struct lines){0};
    if (stat(path, &info) != 0)
        return log_error(STATUS_IO, "%s: cannot be read: %s; check the path", path,
                         strerror(errno));
    if (!S_ISREG(info.st_mode))
        return log_error(STATUS_INPUT, "%s: is not a regular file; name a text file", path);
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return log_error(STATUS_IO, "%s: cannot be read: %s; check its permissions", path,
                         strerror(errno));
    *lines = (struct lines){
        .stream = stream, .path = mem_string(path), .room = BUFFER, .strict = strict};
    lines->text = mem_alloc(BUFFER, 1);
    sha256_begin(&lines->hash);
    return STATUS_OK;
}

void lines_close(struct lines *lines) {
    if (lines->stream)
        fclose(lines->stream);
    mem_free(lines->path);
    mem_free(lines->text);
    sha256_drop(&lines->hash);
    *lines = (struct lines){0};
}

enum status lines_error(const struct lines *lines, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return log_error(STATUS_INPUT, "%s:%lld: %s", lines->path, (long long)lines->number, text);
}

/* Read up to and with the line end; *length = 0 at the end of the file. */
static enum status fill(struct lines *lines, size_t *length) {
    size_t n = 0;
    for (int c; (c = getc_unlocked(lines->stream)) != EOF;) {
        if (n + 1 >= lines->room) {
            if (n >= LINE_LIMIT)
                return lines_error(lines, "the line is longer than %d bytes; is this a text file?",
                                   LINE_LIMIT);
            lines->room *= 2;
            lines->text = mem_resize(lines->text, (int64_t)lines->room, 1);
        }
        lines->text[n++] = (char)c;
        if (c == '\n')
            break;
    }
    if (ferror(lines->stream))
        return log_error(STATUS_IO, "%s: cannot be read: %s; check the disk", lines->path,
                         strerror(errno));
    lines->text[n] = '\0';
    *length = n;
    return STATUS_OK;
}

enum status lines_next(struct lines *lines, bool *more) {
    size_t n = 0;
    lines->number++;
    TRY(fill(lines, &n));
    *more = n > 0;
    if (n == 0)
        return STATUS_OK;
    sha256_add(&lines->hash, lines->text, n);
    if (strlen(lines->text) != n)
        return lines_error(lines, "holds a NUL byte; is this a text file?");
    if (lines->text[n - 1] == '\n')
        lines->text[--n] = '\0';
    else if (lines->strict)
        return lines_error(lines, "the last line has no line end; is the file truncated?");
    else
        log_warn("%s:%lld: the last line has no line end; is the file truncated?", lines->path,
                 (long long)lines->number);
    if (n > 0 && lines->text[n - 1] == '\r')
        lines->text[n - 1] = '\0';
    return STATUS_OK;
}

void lines_sha256(struct lines *lines, char text[SHA256_TEXT]) {
    sha256_end(&lines->hash, text);
}

char *next_field(char **rest) {
    char *field = *rest;
    if (field) {
        char *tab = strchr(field, '\t');
        *rest = tab ? tab + 1 : NULL;
        if (tab)
            *tab = '\0';
    }
    return field;
}

bool parse_int(const char *text, int64_t *value) {
    char *end;
    if (!(*text >= '0' && *text <= '9') && !(*text == '-' && text[1] >= '0' && text[1] <= '9'))
        return false;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (*end || errno)
        return false;
    *value = number;
    return true;
}

bool parse_double(const char *text, double *value) {
    char *end;
    if (!*text || strchr(" \t\n\v\f\r", *text))
        return false;
    double number = strtod(text, &end);
    if (*end || !isfinite(number))
        return false;
    *value = number;
    return true;
}
