#include "io/llm/tag_list.h"
#include "core/mem.h"
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unicase.h>
#include <uninorm.h>

/* What may stand around a tag and is no part of it. */
#define AROUND " \t\r\n\"'`*.,;:"

/* Of n bytes, without what stands around them; one blank for any white space within. */
static size_t tidy(char *tag, size_t n) {
    size_t from = 0, to = 0;
    while (n > 0 && strchr(AROUND, tag[n - 1]))
        n--;
    while (from < n && strchr(AROUND, tag[from]))
        from++;
    for (; from < n; from++) {
        bool blank = strchr(" \t\r\n", tag[from]) != NULL;
        if (!blank || tag[to - 1] != ' ')
            tag[to++] = blank ? ' ' : tag[from];
    }
    return to;
}

static void add(struct string_map *tags, const char *text, size_t n) {
    size_t bytes = 0;
    if (n > 4 * TAG_BYTES || tags->list.count == TAG_LIST)
        return;
    uint8_t *folded = u8_casefold((const uint8_t *)text, n, NULL, UNINORM_NFKC, NULL, &bytes);
    if (!folded)
        return;
    char tag[TAG_BYTES + 1];
    bytes = tidy((char *)folded, bytes);
    if (bytes > 0 && bytes <= TAG_BYTES) {
        memcpy(tag, folded, bytes);
        tag[bytes] = '\0';
        string_map_add(tags, tag, NULL);
    }
    free(folded);
}

/* ---- a JSON list ---- */

static void add_values(struct string_map *tags, const json_t *list) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        const char *text =
            json_string_value(json_is_object(value) ? json_object_get(value, "tag") : value);
        if (text)
            add(tags, text, strlen(text));
    }
}

/* False where no list with a tag begins at any '['. */
static bool take_list(const char *answer, struct string_map *tags) {
    enum { TRIES = 16 };
    const char *from = strchr(answer, '[');
    for (int i = 0; from && i < TRIES && tags->list.count == 0; i++, from = strchr(from + 1, '[')) {
        json_t *list = json_loadb(from, strlen(from), JSON_DISABLE_EOF_CHECK, NULL);
        add_values(tags, list);
        json_decref(list);
    }
    return tags->list.count > 0;
}

/* ---- lines ---- */

/* Behind "-", "*", "•", "#", "12." or "12)" and what blanks there are. */
static const char *skip_bullet(const char *line) {
    line += strspn(line, " \t#*-");
    if (!strncmp(line, "\u2022", strlen("\u2022")))
        line += strlen("\u2022");
    size_t digits = strspn(line, "0123456789");
    if (digits > 0 && digits < 4 && strchr(".)", line[digits]))
        line += line[digits] ? digits + 1 : digits;
    line += strspn(line, " \t*");
    if (!strncasecmp(line, "tags:", 5))
        line += 5;
    return line;
}

/* Headings end in a colon, fences are three grave accents. */
static void take_line(const char *line, size_t n, struct string_map *tags) {
    const char *end = line + n;
    while (end > line && strchr(" \t\r", end[-1]))
        end--;
    line = skip_bullet(line);
    if (line >= end || end[-1] == ':' || !strncmp(line, "```", 3))
        return;
    for (size_t part; line < end; line += part + 1) {
        part = strcspn(line, ",;\n");
        add(tags, line, part);
    }
}

void tag_list_parse(const char *answer, struct string_map *tags) {
    if (take_list(answer, tags))
        return;
    for (size_t n; *answer; answer += n + (answer[n] == '\n')) {
        n = strcspn(answer, "\n");
        take_line(answer, n, tags);
    }
}

char *tag_list_join(const struct string_map *tags) {
    char *text = mem_alloc(tags->list.used + tags->list.count + 1, 1), *at = text;
    *at = '\0';
    for (int64_t i = 0; i < tags->list.count; i++)
        at = stpcpy(stpcpy(at, i > 0 ? ", " : ""), string_at(&tags->list, i));
    return text;
}
