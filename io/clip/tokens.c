#include "io/clip/tokens.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/rng.h"
#include "io/clip/config.h"
#include "io/clip/text.h"
#include "io/file.h"
#include "io/lines.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    WORD = 4096,
    VOCABULARY_BYTES = 1 << 24,
    PATH_LIMIT = 4096,
    TOKEN_BYTES = 1 << 12,
    MERGES = 1 << 24
};

/* ---- vocab.json ---- */

static enum status check_number(const char *path, const char *token, const json_t *number,
                                int64_t vocabulary, bool *used) {
    int64_t n = json_is_integer(number) ? json_integer_value(number) : -1;
    if (n < 0 || n >= vocabulary)
        return log_error(STATUS_INPUT,
                         "%s: token '%.100s' has no number from 0 to %lld, the model's vocabulary",
                         path, token, (long long)vocabulary - 1);
    if (used[n])
        return log_error(STATUS_INPUT, "%s: token '%.100s' has the number of another one", path,
                         token);
    used[n] = true;
    return STATUS_OK;
}

static enum status check_numbers(const char *path, json_t *json, int64_t vocabulary) {
    const char *token;
    json_t *number;
    enum status status = STATUS_OK;
    if (!json_is_object(json))
        return log_error(STATUS_INPUT, "%s: is not a JSON object of tokens and numbers", path);
    bool *used = mem_zero(vocabulary, sizeof *used);
    json_object_foreach(json, token, number) {
        status = check_number(path, token, number, vocabulary, used);
        if (status != STATUS_OK)
            break;
    }
    mem_free(used);
    return status;
}

static enum status load_vocabulary(const char *path, int64_t vocabulary, json_t **json) {
    char *text = NULL;
    json_error_t error;
    TRY(file_read(path, VOCABULARY_BYTES, &text));
    *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    mem_free(text);
    if (!*json)
        return log_error(STATUS_INPUT, "%s:%d: is not JSON: %s", path, error.line, error.text);
    enum status status = check_numbers(path, *json, vocabulary);
    if (status != STATUS_OK) {
        json_decref(*json);
        *json = NULL;
    }
    return status;
}

/* The number of a token; -1: there is none. */
static int32_t number_of(const json_t *json, const char *token) {
    const json_t *number = json_object_get(json, token);
    return number ? (int32_t)json_integer_value(number) : -1;
}

/* ---- bytes ---- */

/* Printable characters stand for themselves, the other bytes for U+0100 and what follows, in order. */
static void spell_byte(int byte, char spelt[3]) {
    int c = 256;
    for (int b = 0; b <= byte; b++) {
        bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        if (b == byte)
            c = printable ? b : c;
        else
            c += !printable;
    }
    memset(spelt, 0, 3);
    if (c < 0x80) {
        spelt[0] = (char)c;
    } else {
        spelt[0] = (char)(0xc0 | c >> 6);
        spelt[1] = (char)(0x80 | (c & 0x3f));
    }
}

static enum status find_bytes(const char *path, const json_t *json, struct clip_tokens *t) {
    char token[16], spelt[3];
    t->start = number_of(json, "<|startoftext|>");
    t->end = number_of(json, "<|endoftext|>");
    if (t->start < 0 || t->end < 0)
        return log_error(STATUS_INPUT, "%s: has no token <|startoftext|> or <|endoftext|>", path);
    for (int b = 0; b < 256; b++)
        for (int last = 0; last < 2; last++) {
            spell_byte(b, spelt);
            snprintf(token, sizeof token, "%s%s", spelt, last ? "</w>" : "");
            t->byte[last][b] = number_of(json, token);
            if (t->byte[last][b] < 0)
                return log_error(STATUS_INPUT, "%s: has no token '%s', byte %d%s", path, token, b,
                                 last ? " at the end of a word" : "");
        }
    return STATUS_OK;
}

/* ---- merges.txt ---- */

static struct clip_merge *slot_of(const struct clip_tokens *t, int32_t left, int32_t right) {
    uint64_t at = rng_mix((uint64_t)left << 32 | (uint32_t)right);
    struct clip_merge *m;
    for (;; at++) {
        m = &t->merge[at & (uint64_t)(t->slots - 1)];
        if (m->token < 0 || (m->left == left && m->right == right))
            return m;
    }
}

static void empty_slots(struct clip_tokens *t, int64_t slots) {
    t->slots = slots;
    t->merge = mem_alloc(slots, sizeof *t->merge);
    for (int64_t i = 0; i < slots; i++)
        t->merge[i].token = -1;
}

/* At most half of the slots are taken. */
static void add_merge(struct clip_tokens *t, const struct clip_merge *merge) {
    if (2 * (int64_t)merge->rank >= t->slots) {
        struct clip_tokens old = *t;
        empty_slots(t, 2 * old.slots);
        for (int64_t i = 0; i < old.slots; i++)
            if (old.merge[i].token >= 0)
                *slot_of(t, old.merge[i].left, old.merge[i].right) = old.merge[i];
        mem_free(old.merge);
    }
    struct clip_merge *slot = slot_of(t, merge->left, merge->right);
    if (slot->token < 0) /* the first one of equals counts */
        *slot = *merge;
}

/* "left right", both tokens and together one. */
static enum status read_merge(const struct lines *lines, const json_t *json, int32_t rank,
                              struct clip_merge *merge) {
    char whole[TOKEN_BYTES];
    char *left = lines->text, *space = strchr(left, ' ');
    if (!space || space == left || !space[1] || strchr(space + 1, ' ') ||
        lines->length > sizeof whole)
        return lines_error(lines, "is not two tokens with a space between them");
    *space = '\0';
    snprintf(whole, sizeof whole, "%s%s", left, space + 1);
    *merge = (struct clip_merge){number_of(json, left), number_of(json, space + 1), rank,
                                 number_of(json, whole)};
    if (merge->left < 0 || merge->right < 0 || merge->token < 0)
        return lines_error(lines, "'%.100s' is no token of vocab.json",
                           merge->left < 0    ? left
                           : merge->right < 0 ? space + 1
                                              : whole);
    return STATUS_OK;
}

static enum status read_merges(struct lines *lines, const json_t *json, struct clip_tokens *t) {
    struct clip_merge merge;
    bool more;
    int32_t rank = 0;
    for (;;) {
        TRY(lines_next(lines, &more));
        if (!more)
            return STATUS_OK;
        if (lines->number == 1 && !strncmp(lines->text, "#version", 8))
            continue;
        if (rank == MERGES)
            return lines_error(lines, "is one more than the %d merges that are read", (int)MERGES);
        TRY(read_merge(lines, json, rank++, &merge));
        add_merge(t, &merge);
    }
}

static enum status load_merges(const char *path, const json_t *json, struct clip_tokens *t) {
    struct lines lines;
    TRY(lines_open(&lines, path, false));
    empty_slots(t, 1 << 10);
    enum status status = read_merges(&lines, json, t);
    lines_close(&lines);
    return status;
}

enum status clip_tokens_read(const char *directory, int64_t vocabulary,
                             struct clip_tokens *tokens) {
    char path[PATH_LIMIT];
    json_t *json = NULL;
    *tokens = (struct clip_tokens){0};
    snprintf(path, sizeof path, "%s/vocab.json", directory);
    TRY(load_vocabulary(path, vocabulary, &json));
    enum status status = find_bytes(path, json, tokens);
    snprintf(path, sizeof path, "%s/merges.txt", directory);
    if (status == STATUS_OK)
        status = load_merges(path, json, tokens);
    json_decref(json);
    if (status != STATUS_OK)
        clip_tokens_free(tokens);
    return status;
}

void clip_tokens_free(struct clip_tokens *tokens) {
    mem_free(tokens->merge);
    *tokens = (struct clip_tokens){0};
}

/* ---- encoding ---- */

/* The merge of lowest rank among neighbours; NULL: none. */
static const struct clip_merge *best_merge(const struct clip_tokens *t, const int32_t *symbols,
                                           int64_t n) {
    const struct clip_merge *best = NULL;
    for (int64_t i = 0; i + 1 < n; i++) {
        const struct clip_merge *m = slot_of(t, symbols[i], symbols[i + 1]);
        if (m->token >= 0 && (!best || m->rank < best->rank))
            best = m;
    }
    return best;
}

/* Wherever it applies, from the left; returns how many symbols are left. */
static int64_t apply_merge(const struct clip_merge *m, int32_t *symbols, int64_t n) {
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++) {
        bool here = i + 1 < n && symbols[i] == m->left && symbols[i + 1] == m->right;
        symbols[kept++] = here ? m->token : symbols[i];
        i += here;
    }
    return kept;
}

struct encoding {
    const struct clip_tokens *tokens;
    int32_t *out;
    int64_t count, most; /* most: with that of the end, which is to follow */
};

static bool put_token(struct encoding *e, int32_t token) {
    if (e->count + 1 < e->most)
        e->out[e->count++] = token;
    return e->count + 1 < e->most;
}

static bool put_piece(void *state, enum clip_piece kind, const char *bytes, int64_t n) {
    struct encoding *e = state;
    const struct clip_tokens *t = e->tokens;
    const struct clip_merge *merge;
    int32_t symbols[WORD];
    if (kind != CLIP_WORD)
        return put_token(e, kind == CLIP_START_TOKEN ? t->start : t->end);
    n = n < WORD ? n : WORD;
    for (int64_t i = 0; i < n; i++)
        symbols[i] = t->byte[i + 1 == n][(unsigned char)bytes[i]];
    while ((merge = best_merge(t, symbols, n)))
        n = apply_merge(merge, symbols, n);
    bool more = true;
    for (int64_t i = 0; i < n && more; i++)
        more = put_token(e, symbols[i]);
    return more;
}

int64_t clip_tokens_encode(const struct clip_tokens *tokens, const char *text, int64_t most,
                           int32_t *out) {
    struct encoding e = {tokens, out, 0, most};
    out[e.count++] = tokens->start;
    if (!clip_pieces(text, put_piece, &e))
        return 0;
    out[e.count++] = tokens->end;
    return e.count;
}

int64_t clip_tokens_used(const int32_t *tokens, int64_t n, int64_t end) {
    int64_t at = 0;
    for (int64_t i = 1; i < n && end == CLIP_GREATEST; i++)
        at = tokens[i] > tokens[at] ? i : at;
    if (end != CLIP_GREATEST)
        while (at < n && tokens[at] != end)
            at++;
    return at < n ? at + 1 : 1;
}
