#include "io/clip/text.h"
#include "core/mem.h"
#include "io/string_list.h"
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

/* ---- character references ---- */

/* Names of the characters from U+00A0 on (HTML 4, Latin-1). */
static const char latin[] =
    "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn "
    "sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave "
    "Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml "
    "ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN "
    "szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave "
    "iacute "
    "icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml "
    "yacute thorn yuml ";

static const struct {
    const char *name;
    ucs4_t character;
} others[] = {{"amp", '&'},       {"lt", '<'},        {"gt", '>'},        {"quot", '"'},
              {"apos", '\''},     {"ndash", 0x2013},  {"mdash", 0x2014},  {"lsquo", 0x2018},
              {"rsquo", 0x2019},  {"sbquo", 0x201a},  {"ldquo", 0x201c},  {"rdquo", 0x201d},
              {"bdquo", 0x201e},  {"dagger", 0x2020}, {"Dagger", 0x2021}, {"bull", 0x2022},
              {"hellip", 0x2026}, {"permil", 0x2030}, {"prime", 0x2032},  {"Prime", 0x2033},
              {"euro", 0x20ac},   {"trade", 0x2122},  {"OElig", 0x152},   {"oelig", 0x153},
              {"Scaron", 0x160},  {"scaron", 0x161}};

enum { NAME = 10 }; /* bytes of a name or number at most */

static ucs4_t named(const char *name, size_t n) {
    ucs4_t c = 0xa0;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strlen(others[i].name) == n && !memcmp(others[i].name, name, n))
            return others[i].character;
    for (const char *at = latin; *at; c++, at = strchr(at, ' ') + 1)
        if (!memcmp(at, name, n) && at[n] == ' ')
            return c;
    return 0;
}

static ucs4_t numbered(const char *digits, size_t n) {
    char text[NAME + 1] = {0}, *end;
    bool hexadecimal = n > 0 && (digits[0] == 'x' || digits[0] == 'X');
    memcpy(text, digits, n);
    if (!strchr("0123456789abcdefABCDEF", text[hexadecimal]) || !text[hexadecimal])
        return 0;
    unsigned long c = strtoul(text + hexadecimal, &end, hexadecimal ? 16 : 10);
    return *end || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : (ucs4_t)c;
}

/* The character that the reference at `text` ("&name;") stands for, and its length; 0: none. */
static ucs4_t reference(const char *text, size_t *length) {
    size_t n = strcspn(text + 1, "; &<");
    if (n == 0 || n > NAME || text[n + 1] != ';')
        return 0;
    *length = n + 2;
    return text[1] == '#' ? numbered(text + 2, n - 1) : named(text + 1, n);
}

/* In place: a character takes no more bytes than any reference to it. */
static void resolve(char *text) {
    char *to = text;
    for (const char *from = text; *from;) {
        size_t length = 1;
        ucs4_t c = *from == '&' ? reference(from, &length) : 0;
        if (c) {
            to += u8_uctomb((uint8_t *)to, c, 4);
            from += length;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
}

/* ---- pieces ---- */

struct cursor {
    const uint8_t *text;
    size_t at, end;
};

enum kind { SPACE, LETTER, NUMBER, OTHER };

/* Of the character at the cursor, and its bytes. */
static enum kind kind_at(const struct cursor *c, size_t at, size_t *bytes) {
    ucs4_t character;
    *bytes = (size_t)u8_mbtouc(&character, c->text + at, c->end - at);
    return uc_is_property_white_space(character)          ? SPACE
           : uc_is_general_category(character, UC_LETTER) ? LETTER
           : uc_is_general_category(character, UC_NUMBER) ? NUMBER
                                                          : OTHER;
}

static size_t starts_with(const struct cursor *c, const char *text) {
    size_t n = strlen(text);
    return n <= c->end - c->at && !memcmp(c->text + c->at, text, n) ? n : 0;
}

/* Bytes of a contraction at the cursor; 0: none. */
static size_t contraction(const struct cursor *c) {
    static const char *const known[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    size_t n = 0;
    for (size_t i = 0; n == 0 && i < sizeof known / sizeof *known; i++)
        n = starts_with(c, known[i]);
    return n;
}

/* Bytes of the run of characters of one kind, or of the one number, at the cursor. */
static size_t run(const struct cursor *c, enum kind kind) {
    size_t bytes, at = c->at;
    do {
        (void)kind_at(c, at, &bytes);
        at += bytes;
    } while (kind != NUMBER && at < c->end && kind_at(c, at, &bytes) == kind);
    return at - c->at;
}

static bool take_pieces(struct cursor *c, clip_piece_fn *take, void *state) {
    bool more = true;
    for (size_t n; more && c->at < c->end; c->at += n) {
        enum kind kind = kind_at(c, c->at, &n);
        enum clip_piece piece = CLIP_WORD;
        if (kind == SPACE)
            continue;
        if ((n = starts_with(c, "<|startoftext|>")))
            piece = CLIP_START_TOKEN;
        else if ((n = starts_with(c, "<|endoftext|>")))
            piece = CLIP_END_TOKEN;
        else if (!(n = contraction(c)))
            n = run(c, kind);
        more = take(state, piece, (const char *)c->text + c->at, (int64_t)n);
    }
    return true;
}

bool clip_pieces(const char *text, clip_piece_fn *take, void *state) {
    struct cursor c = {0};
    if (!utf8_valid(text))
        return false;
    char *copy = mem_string(text);
    resolve(copy);
    resolve(copy);
    uint8_t *small =
        u8_tolower((const uint8_t *)copy, strlen(copy), NULL, UNINORM_NFC, NULL, &c.end);
    mem_free(copy);
    if (!small)
        return false;
    c.text = small;
    bool done = take_pieces(&c, take, state);
    free(small);
    return done;
}
