#include "core/text.h"
#include <stdint.h>
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

/* Bytes of the character at `s`, 0 if it is not valid. */
static int character_bytes(const unsigned char *s) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    int n = *s < 0x80 ? 1 : *s >> 5 == 6 ? 2 : *s >> 4 == 14 ? 3 : *s >> 3 == 30 ? 4 : 0;
    uint32_t code = n == 1 ? *s : *s & (0xFFu >> (n + 1));
    for (int i = 1; i < n; i++) {
        if (s[i] >> 6 != 2)
            return 0;
        code = code << 6 | (s[i] & 0x3F);
    }
    bool surrogate = code >= 0xD800 && code < 0xE000;
    return n == 0 || code < smallest[n] || code > 0x10FFFF || surrogate ? 0 : n;
}

bool text_is_printable(const char *text) {
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        int n = character_bytes(s);
        bool control = *s < 0x20 || *s == 0x7F || (*s == 0xC2 && s[1] < 0xA0);
        if (n == 0 || control)
            return false;
        s += n;
    }
    return true;
}
