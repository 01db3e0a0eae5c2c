#include "io/llm/answer.h"
#include "core/mem.h"
#include "io/string_list.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Where the parts of a line stand. */
enum {
    DIGITS = SHA256_TEXT - 1,
    SUM = sizeof ANSWER_LINE - 1,
    REST = SUM + DIGITS + 2, /* behind `",` */
    KEY = REST + sizeof "\"key\":\"" - 1,
    LEAST = KEY + DIGITS
};

void answer_free(struct answer *answer) {
    mem_free(answer->text);
    *answer = (struct answer){0};
}

bool answer_is_key(const char *text, size_t n) {
    return n == DIGITS && strspn(text, "0123456789abcdef") >= DIGITS;
}

static void sum_of(const char *rest, size_t n, char sum[SHA256_TEXT]) {
    struct sha256 hash;
    sha256_begin(&hash);
    sha256_add(&hash, rest, n);
    sha256_end(&hash, sum);
}

char *answer_line(const char *key, const char *model, const struct answer *answer) {
    char sum[SHA256_TEXT];
    json_t *record = json_pack("{s:s,s:s,s:b,s:s}", "key", key, "model", model, "truncated",
                               (int)answer->truncated, "text", answer->text);
    char *rest = record ? json_dumps(record, JSON_COMPACT) : NULL;
    json_decref(record);
    if (!rest)
        mem_fail(1, ANSWER_TEXT);
    size_t n = strlen(rest) - 1; /* without its { */
    char *line = mem_alloc((int64_t)(REST + n + 2), 1);
    sum_of(rest + 1, n, sum);
    strcpy(stpcpy(stpcpy(stpcpy(stpcpy(line, ANSWER_LINE), sum), "\","), rest + 1), "\n");
    free(rest);
    return line;
}

bool answer_verify(const char *line, size_t n, char key[SHA256_TEXT]) {
    char sum[SHA256_TEXT];
    if (n < LEAST || memcmp(line, ANSWER_LINE, SUM) || memcmp(line + SUM + DIGITS, "\",", 2))
        return false;
    sum_of(line + REST, n - REST, sum);
    memcpy(key, line + KEY, DIGITS);
    key[DIGITS] = '\0';
    return !memcmp(sum, line + SUM, DIGITS) && answer_is_key(key, strlen(key));
}

bool answer_parse(const char *line, size_t n, struct answer *answer) {
    json_t *record = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
    const char *text = json_string_value(json_object_get(record, "text"));
    bool good = text && *text && json_string_length(json_object_get(record, "text")) <= ANSWER_TEXT;
    if (good)
        *answer =
            (struct answer){mem_string(text), json_is_true(json_object_get(record, "truncated"))};
    json_decref(record);
    return good;
}
