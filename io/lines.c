/* A file is read in blocks through zlib, which passes plain text on. A line is collected from the
 * blocks that it touches; the first one also tells the encoding, and empty ones are only let go at
 * the end of the file. Then come the functions that cut a line into fields and numbers. */
#include "io/lines.h"
#include "core/mem.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER = 1 << 16 };

enum status lines_open(struct lines *lines, const char *path, bool strict) {
    *lines = (struct lines){.room = BUFFER, .strict = strict};
    enum status status = bytes_open(&lines->bytes, path);
    if (status != STATUS_OK) {
        *lines = (struct lines){0};
        return status;
    }
    lines->path = lines->bytes.path;
    lines->text = mem_alloc(BUFFER, 1);
    return STATUS_OK;
}

void lines_close(struct lines *lines) {
    bytes_close(&lines->bytes);
    mem_free(lines->text);
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

/* Append n bytes of the block to the line. */
static enum status take(struct lines *lines, size_t n) {
    if (lines->length + n > LINE_LIMIT)
        return lines_error(lines, "the line is longer than %d bytes; is this a text file?",
                           LINE_LIMIT);
    while (lines->room < lines->length + n + 1) {
        lines->room *= 2;
        lines->text = mem_resize(lines->text, (int64_t)lines->room, 1);
    }
    memcpy(lines->text + lines->length, lines->block, n);
    lines->length += n;
    lines->text[lines->length] = '\0';
    lines->block += n;
    lines->left -= n;
    return STATUS_OK;
}

/* Append up to and with the line end; *ended tells whether there was one. */
static enum status fill(struct lines *lines, bool *ended) {
    *ended = false;
    while (!*ended) {
        if (lines->left == 0)
            TRY(bytes_next(&lines->bytes, &lines->block, &lines->left));
        if (lines->left == 0)
            return STATUS_OK;
        const char *end = memchr(lines->block, '\n', lines->left);
        TRY(take(lines, end ? (size_t)(end - lines->block) + 1 : lines->left));
        *ended = end != NULL;
    }
    return STATUS_OK;
}

/* Cut the last n bytes off. */
static void cut(struct lines *lines, size_t n) {
    lines->length -= n;
    lines->text[lines->length] = '\0';
}

/* What the first line tells of the whole file. */
static enum status check_encoding(struct lines *lines, bool ended) {
    char *text = lines->text;
    if (lines->length >= 2 && (!memcmp(text, "\xFF\xFE", 2) || !memcmp(text, "\xFE\xFF", 2)))
        return lines_error(lines, "the file is UTF-16; convert it: iconv -f utf-16 -t utf-8");
    if (lines->length >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) {
        memmove(text, text + 3, lines->length - 3);
        cut(lines, 3);
    }
    if (!ended && memchr(text, '\r', lines->length))
        return lines_error(lines, "the lines end in CR alone; convert them: tr '\\r' '\\n'");
    return STATUS_OK;
}

/* Append the next line, without its end, to what is in the text. */
static enum status append(struct lines *lines, bool *more) {
    size_t before = lines->length;
    bool ended;
    TRY(fill(lines, &ended));
    *more = lines->length > before;
    if (!*more)
        return STATUS_OK;
    if (lines->count++ == 0)
        TRY(check_encoding(lines, ended));
    if (memchr(lines->text + before, '\0', lines->length - before))
        return lines_error(lines, "holds a NUL byte; is this a text file?");
    if (ended)
        cut(lines, 1);
    else if (lines->strict)
        return lines_error(lines, "the last line has no line end; is the file truncated?");
    else
        log_warn("%s:%lld: the last line has no line end; is the file truncated?", lines->path,
                 (long long)lines->count);
    if (lines->length > before && lines->text[lines->length - 1] == '\r')
        cut(lines, 1);
    return STATUS_OK;
}

/* To the end of the file, where no other line may stand behind the empty one. */
static enum status skip_empty(struct lines *lines, bool *more) {
    while (*more && lines->length == 0)
        TRY(append(lines, more));
    if (*more)
        return lines_error(lines, "the line is empty, and others follow; complete it or remove it");
    return STATUS_OK;
}

enum status lines_next(struct lines *lines, bool *more) {
    lines->length = 0;
    lines->text[0] = '\0';
    lines->number = lines->count + 1;
    TRY(append(lines, more));
    return *more && lines->length == 0 ? skip_empty(lines, more) : STATUS_OK;
}

enum status lines_continue(struct lines *lines, bool *more) {
    size_t before = lines->length;
    lines->text[lines->length++] = '\n';
    TRY(append(lines, more));
    if (!*more)
        cut(lines, lines->length - before);
    return STATUS_OK;
}

void lines_sha256(struct lines *lines, char text[SHA256_TEXT]) {
    bytes_sha256(&lines->bytes, text);
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
