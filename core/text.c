#include "core/text.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 63 };

static int least(int a, int b) {
    return a < b ? a : b;
}

int text_distance(const char *a, const char *b) {
    int row[LONGEST + 1], n = (int)strnlen(a, LONGEST), m = (int)strnlen(b, LONGEST);
    for (int j = 0; j <= m; j++)
        row[j] = j;
    for (int i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(replaced, 1 + least(row[j], row[j - 1]));
        }
    }
    return row[m];
}

/* Bytes of the character at `s` and its code point; 0 if it is not valid. */
static int character(const unsigned char *s, uint32_t *code) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    int n = *s < 0x80 ? 1 : *s >> 5 == 6 ? 2 : *s >> 4 == 14 ? 3 : *s >> 3 == 30 ? 4 : 0;
    uint32_t c = n == 1 ? *s : *s & (0xFFu >> (n + 1));
    for (int i = 1; i < n; i++) {
        if (s[i] >> 6 != 2)
            return 0;
        c = c << 6 | (s[i] & 0x3F);
    }
    bool surrogate = c >= 0xD800 && c < 0xE000;
    *code = c;
    return n == 0 || c < smallest[n] || c > 0x10FFFF || surrogate ? 0 : n;
}

/* Controls, line and paragraph separators, the byte order mark and noncharacters. */
static bool prints(uint32_t c) {
    bool control = c < 0x20 || (c >= 0x7F && c < 0xA0), separator = c == 0x2028 || c == 0x2029;
    return !control && !separator && c != 0xFEFF && (c & 0xFFFE) != 0xFFFE;
}

bool text_is_printable(const char *text) {
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        uint32_t code;
        int n = character(s, &code);
        if (n == 0 || !prints(code))
            return false;
        s += n;
    }
    return true;
}

const char *text_duration(double seconds, char text[TEXT_DURATION]) {
    long long s = seconds >= 0 && seconds < 1e9 ? (long long)ceil(seconds) : -1;
    if (s < 0)
        snprintf(text, TEXT_DURATION, "?");
    else if (s < 3600)
        snprintf(text, TEXT_DURATION, "%lld:%02lld", s / 60, s % 60);
    else
        snprintf(text, TEXT_DURATION, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    return text;
}
