#include "jobs/report/html.h"
#include "io/sha256.h"
#include <string.h>

static void put(FILE *file, char c) {
    switch (c) {
    case '&':
        fputs("&amp;", file);
        return;
    case '<':
        fputs("&lt;", file);
        return;
    case '>':
        fputs("&gt;", file);
        return;
    case '"':
        fputs("&quot;", file);
        return;
    case '\'':
        fputs("&#39;", file);
        return;
    }
    bool control = ((unsigned char)c < ' ' && c != '\n') || c == 0x7F;
    fputc(control ? '?' : c, file);
}

void html_text(FILE *file, const char *text) {
    for (; *text; text++)
        put(file, *text);
}

/* A last backtick without a partner stands for itself. */
void html_marked(FILE *file, const char *text) {
    bool inside = false;
    for (; *text; text++)
        if (*text != '`' || (!inside && !strchr(text + 1, '`')))
            put(file, *text);
        else {
            fputs(inside ? "</code>" : "<code>", file);
            inside = !inside;
        }
}

static int digit(char c) {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Of bytes that are written as pairs of hexadecimal digits. */
static void put_base64(FILE *file, const char *hex) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t bytes = strlen(hex) / 2;
    for (size_t at = 0; at < bytes; at += 3) {
        unsigned bits = 0;
        for (size_t k = at; k < at + 3; k++)
            bits = bits << 8 |
                   (k < bytes ? (unsigned)(digit(hex[2 * k]) << 4 | digit(hex[2 * k + 1])) : 0);
        for (size_t k = 0; k < 4; k++)
            fputc(at + k <= bytes ? letters[bits >> (18 - 6 * k) & 63] : '=', file);
    }
}

static void put_policy(FILE *file, const char *style) {
    struct sha256 hash;
    char hex[SHA256_TEXT];
    sha256_begin(&hash);
    sha256_add(&hash, style, strlen(style));
    sha256_end(&hash, hex);
    fputs("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri "
          "'none'; form-action 'none'; style-src 'sha256-",
          file);
    put_base64(file, hex);
    fputs("'\">\n", file);
}

void html_begin(FILE *file, const char *title, const char *style) {
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n", file);
    put_policy(file, style);
    fputs("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"referrer\" content=\"no-referrer\">\n<title>",
          file);
    html_text(file, title);
    fprintf(file, "</title>\n<style>%s</style>\n</head>\n<body>\n", style);
}

void html_end(FILE *file) {
    fputs("</body>\n</html>\n", file);
}
