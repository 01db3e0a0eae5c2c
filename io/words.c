#include "io/words.h"
#include "core/mem.h"
#include "io/string_list.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>
#include <uniwbrk.h>

static bool is_word(const uint8_t *s, size_t n) {
    ucs4_t c;
    for (size_t i = 0; i < n;) {
        int bytes = u8_mbtouc(&c, s + i, n - i);
        if (uc_is_alnum(c))
            return true;
        i += (size_t)bytes;
    }
    return false;
}

/* Writes "word\0" behind the last word in `pair` and keeps that one for the next. */
static size_t take_word(char *pair, size_t last, const uint8_t *word, size_t n, words_fn *take,
                        void *state) {
    size_t at = last > 0 ? last + 1 : 0;
    if (last > 0)
        pair[last] = ' ';
    memcpy(pair + at, word, n);
    pair[at + n] = '\0';
    take(state, pair + at);
    if (last > 0)
        take(state, pair);
    memmove(pair, pair + at, n + 1);
    return n;
}

bool words_each(const char *text, words_fn *take, void *state) {
    size_t n = 0, last = 0;
    if (!utf8_valid(text)) /* the library mends it silently */
        return false;
    uint8_t *folded =
        u8_casefold((const uint8_t *)text, strlen(text), NULL, UNINORM_NFKC, NULL, &n);
    if (!folded)
        return false;
    char *breaks = mem_alloc((int64_t)n + 1, 1), *pair = mem_alloc((int64_t)n + 2, 1);
    u8_wordbreaks(folded, n, breaks);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && !breaks[to];)
            to++;
        if (is_word(folded + from, to - from))
            last = take_word(pair, last, folded + from, to - from, take, state);
    }
    mem_free(breaks);
    mem_free(pair);
    free(folded);
    return true;
}
