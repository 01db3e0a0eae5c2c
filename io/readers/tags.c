#include "io/readers/tags.h"
#include "core/mem.h"
#include "io/lines.h"
#include <jansson.h>
#include <math.h>
#include <string.h>

/* Entries in the order of the file; those of an item are together. */
struct entries {
    int64_t count, room;
    int32_t *tags;
    float *weights;
    int64_t *first, *last; /* [N] entries of an item; first < 0: no line yet */
};

static void entries_free(struct entries *e) {
    mem_free(e->tags);
    mem_free(e->weights);
    mem_free(e->first);
    mem_free(e->last);
}

static void entries_add(struct entries *e, int64_t item, int64_t tag, double weight) {
    for (int64_t i = e->first[item]; i < e->count; i++)
        if (e->tags[i] == (int32_t)tag)
            return;
    if (e->count == e->room) {
        e->room = 2 * e->room + 1024;
        e->tags = mem_resize(e->tags, e->room, sizeof *e->tags);
        e->weights = mem_resize(e->weights, e->room, sizeof *e->weights);
    }
    e->tags[e->count] = (int32_t)tag;
    e->weights[e->count++] = (float)weight;
}

static enum status add_tag(struct lines *lines, const json_t *tag, int64_t item,
                           struct string_map *vocabulary, struct entries *e) {
    const char *text = json_string_value(json_is_object(tag) ? json_object_get(tag, "tag") : tag);
    const json_t *given = json_object_get(tag, "weight");
    double weight = given ? json_number_value(given) : 1;
    if (text && !*text) /* language models leave some empty */
        return STATUS_OK;
    if (!text)
        return lines_error(lines,
                           "a tag is neither a text nor {\"tag\": text, \"weight\": number}; "
                           "correct it");
    if ((given && !json_is_number(given)) || !isfinite(weight) || weight < 0 || weight > 1e30)
        return lines_error(lines, "the weight of tag '%s' is not a number >= 0; correct it", text);
    entries_add(e, item, string_map_add(vocabulary, text, NULL), weight);
    return STATUS_OK;
}

static enum status add_item(struct lines *lines, const json_t *line, int64_t items,
                            struct string_map *vocabulary, struct entries *e) {
    const json_t *index = json_object_get(line, "item"), *tags = json_object_get(line, "tags");
    if (!json_is_integer(index) || !json_is_array(tags))
        return lines_error(lines, "is not {\"item\": index, \"tags\": [...]}; correct it");
    int64_t item = json_integer_value(index);
    if (item < 0 || item >= items)
        return lines_error(lines,
                           "item %lld is unknown: the lists have items 0 to %lld; correct it",
                           (long long)item, (long long)items - 1);
    if (e->first[item] >= 0)
        return lines_error(lines, "item %lld has a line already; remove one", (long long)item);
    e->first[item] = e->count;
    for (size_t i = 0; i < json_array_size(tags); i++)
        TRY(add_tag(lines, json_array_get(tags, i), item, vocabulary, e));
    e->last[item] = e->count;
    return STATUS_OK;
}

static enum status read_entries(struct lines *lines, int64_t items, struct string_map *vocabulary,
                                struct entries *e) {
    for (bool more;;) {
        json_error_t error;
        TRY(lines_next(lines, &more));
        if (!more)
            return STATUS_OK;
        json_t *line = json_loads(lines->text, JSON_REJECT_DUPLICATES, &error);
        if (!line)
            return lines_error(lines, "is not JSON: %s at column %d; is the line truncated?",
                               error.text, error.column);
        enum status status = add_item(lines, line, items, vocabulary, e);
        json_decref(line);
        TRY(status);
    }
}

/* From the order of the file to the order of the items. */
static void gather(const struct entries *e, int64_t items, struct tags_content *tags) {
    tags->offsets = mem_alloc(items + 1, sizeof *tags->offsets);
    tags->items = mem_alloc(e->count, sizeof *tags->items);
    tags->weights = mem_alloc(e->count, sizeof *tags->weights);
    int64_t at = 0;
    for (int64_t i = 0; i < items; i++) {
        int64_t n = e->first[i] < 0 ? 0 : e->last[i] - e->first[i];
        tags->offsets[i] = at;
        if (n > 0) {
            memcpy(tags->items + at, e->tags + e->first[i], (size_t)n * sizeof *tags->items);
            memcpy(tags->weights + at, e->weights + e->first[i], (size_t)n * sizeof *tags->weights);
        }
        at += n;
    }
    tags->offsets[items] = at;
}

enum status tags_jsonl_read(const char *path, bool strict, struct dataset_content *content) {
    struct lines lines;
    char hash[SHA256_TEXT];
    int64_t items = content->keys.count;
    TRY(lines_open(&lines, path, strict));
    struct entries e = {.first = mem_alloc(items, sizeof *e.first),
                        .last = mem_zero(items, sizeof *e.last)};
    memset(e.first, -1, (size_t)items * sizeof *e.first);
    enum status status = read_entries(&lines, items, &content->tags.vocabulary, &e);
    if (status == STATUS_OK) {
        gather(&e, items, &content->tags);
        lines_sha256(&lines, hash);
        dataset_content_source(content, path, hash);
    }
    entries_free(&e);
    lines_close(&lines);
    return status;
}
