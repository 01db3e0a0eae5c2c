/* The two lists come first, since their lines are the items, and tell whether indices of the
 * second go on from the first or begin again. The sequences follow, split by split, with their
 * events put into the order of time; then the optional files of items and of tags. */
#include "io/readers/c2dsr.h"
#include "core/mem.h"
#include "io/lines.h"
#include "io/readers/items.h"
#include "io/readers/order.h"
#include "io/readers/tags.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH = 4096 };

/* Indices of Blist.txt count from 0 (local) or go on from those of Alist.txt (global). */
enum numbering { UNKNOWN, LOCAL, GLOBAL };

/* The file of that name in the folder, or with .gz behind it where only that is there. */
static void name_file(const char *folder, const char *name, char path[PATH]) {
    snprintf(path, PATH, "%s/%s.gz", folder, name);
    size_t plain = strlen(path) - strlen(".gz");
    bool packed = access(path, F_OK) == 0;
    path[plain] = '\0';
    if (packed && access(path, F_OK) != 0)
        path[plain] = '.';
}

/* ---- Alist.txt, Blist.txt: original id, key, index; the line order is the item id ---- */

static enum status list_line(struct lines *lines, int64_t at, int64_t first,
                             enum numbering *numbering, const char **key) {
    char *rest = lines->text;
    const char *id = next_field(&rest), *name = next_field(&rest), *number = next_field(&rest);
    int64_t index;
    if (!id || !name || !number || rest)
        return lines_error(lines, "wants three fields: original id, key, index; separate them by "
                                  "tabs");
    if (!*name || !utf8_valid(name))
        return lines_error(lines, "the key is empty or not UTF-8; correct it");
    if (!parse_int(number, &index))
        return lines_error(lines, "the index '%s' is not a number; correct it", number);
    enum numbering this = index == at ? LOCAL : index == first + at ? GLOBAL : UNKNOWN;
    if (first == 0)
        this = this == UNKNOWN ? UNKNOWN : LOCAL;
    if (*numbering == UNKNOWN)
        *numbering = this;
    if (this == UNKNOWN || this != *numbering)
        return lines_error(lines,
                           "the index is %lld, but this is item %lld of the list, number %lld of "
                           "all; is a line missing or out of order?",
                           (long long)index, (long long)at, (long long)(first + at));
    *key = name;
    return STATUS_OK;
}

static enum status read_list_lines(struct lines *lines, int domain, struct string_map *keys,
                                   struct dataset_content *content) {
    enum numbering numbering = UNKNOWN;
    int64_t first = keys->list.count;
    const char *key = NULL;
    for (bool more;;) {
        TRY(lines_next(lines, &more));
        if (!more)
            break;
        bool added;
        TRY(list_line(lines, keys->list.count - first, first, &numbering, &key));
        int64_t item = string_map_add(keys, key, &added);
        if (!added)
            return lines_error(lines,
                               "key '%s' is already item %lld%s; an item has one line in "
                               "one list",
                               key, (long long)item, item < first ? " of Alist.txt" : "");
    }
    content->domain_items[domain] = keys->list.count - first;
    if (keys->list.count == 0)
        return log_error(STATUS_INPUT, "%s: is empty; the first domain needs items", lines->path);
    return STATUS_OK;
}

static enum status read_list(const char *folder, const char *name, bool strict, int domain,
                             struct string_map *keys, struct dataset_content *content) {
    char path[PATH], hash[SHA256_TEXT];
    struct lines lines;
    name_file(folder, name, path);
    TRY(lines_open(&lines, path, strict));
    enum status status = read_list_lines(&lines, domain, keys, content);
    if (status == STATUS_OK) {
        lines_sha256(&lines, hash);
        dataset_content_source(content, path, hash);
    }
    lines_close(&lines);
    return status;
}

static enum status read_lists(const char *folder, bool strict, struct dataset_content *content) {
    struct string_map keys = {0};
    enum status status = read_list(folder, "Alist.txt", strict, 0, &keys, content);
    if (status == STATUS_OK)
        status = read_list(folder, "Blist.txt", strict, 1, &keys, content);
    if (status == STATUS_OK && keys.list.count > INT32_MAX)
        status = log_error(STATUS_INPUT, "%s: has more than 2^31 - 1 items", folder);
    content->keys = keys.list;
    keys.list = (struct string_list){0};
    string_map_free(&keys);
    return status;
}

/* ---- sequences: user, sequence id, events `item|time|...` ---- */

struct events {
    int64_t count, room;
    int32_t *items;
    int64_t *times;
    struct moment *keys;
    int64_t *order;
    int32_t *sorted_items;
    int64_t *sorted_times;
};

static void events_grow(struct events *e) {
    e->room = 2 * e->room + 64;
    e->items = mem_resize(e->items, e->room, sizeof *e->items);
    e->times = mem_resize(e->times, e->room, sizeof *e->times);
    e->keys = mem_resize(e->keys, e->room, sizeof *e->keys);
    e->order = mem_resize(e->order, e->room, sizeof *e->order);
    e->sorted_items = mem_resize(e->sorted_items, e->room, sizeof *e->sorted_items);
    e->sorted_times = mem_resize(e->sorted_times, e->room, sizeof *e->sorted_times);
}

static void events_free(struct events *e) {
    mem_free(e->items);
    mem_free(e->times);
    mem_free(e->keys);
    mem_free(e->order);
    mem_free(e->sorted_items);
    mem_free(e->sorted_times);
    *e = (struct events){0};
}

static void events_sort(struct events *e) {
    identity_order(e->count, e->order);
    stable_order(e->keys, e->count, e->order);
    for (int64_t i = 0; i < e->count; i++) {
        e->sorted_items[i] = e->items[e->order[i]];
        e->sorted_times[i] = e->times[e->order[i]];
    }
}

static enum status add_event(struct lines *lines, char *event, int64_t items, struct events *e) {
    char *bar = strchr(event, '|');
    int64_t item, time;
    if (!bar)
        return lines_error(lines, "event '%.40s' is not item|time; is the line truncated?", event);
    *bar = '\0';
    bar[1 + strcspn(bar + 1, "|")] = '\0';
    if (!parse_int(event, &item) || !parse_int(bar + 1, &time))
        return lines_error(lines, "event '%.40s|%.40s' is not two numbers item|time; correct it",
                           event, bar + 1);
    if (item < 0 || item >= items)
        return lines_error(lines,
                           "item %lld is unknown: the lists have items 0 to %lld; correct it or "
                           "complete the lists",
                           (long long)item, (long long)items - 1);
    if (e->count == e->room)
        events_grow(e);
    e->items[e->count] = (int32_t)item;
    e->keys[e->count] = (struct moment){time, 0};
    e->times[e->count++] = time;
    return STATUS_OK;
}

static enum status sequence_line(struct lines *lines, enum split split, int64_t items,
                                 struct events *e, struct split_content *out) {
    char *rest = lines->text;
    const char *user = next_field(&rest), *sequence = next_field(&rest);
    e->count = 0;
    if (!sequence || !*user || !utf8_valid(user))
        return lines_error(lines, "wants user, sequence id and events separated by tabs");
    for (char *event; (event = next_field(&rest));)
        if (*event) /* trailing tabs */
            TRY(add_event(lines, event, items, e));
    if (e->count == 0)
        return lines_error(lines, "the sequence is empty; remove the line");
    if (split != SPLIT_TRAIN && e->count < 2)
        return lines_error(lines,
                           "a %s sequence needs a history and a target, this has 1 event; "
                           "remove the line",
                           split_names[split]);
    events_sort(e);
    split_content_add(out, user, e->count, e->sorted_items, e->sorted_times);
    return STATUS_OK;
}

static enum status read_sequences(const char *folder, bool strict, enum split split,
                                  struct dataset_content *content) {
    char name[32], path[PATH], hash[SHA256_TEXT];
    struct lines lines;
    struct events events = {0};
    snprintf(name, sizeof name, "%sdata_new.txt", split_names[split]);
    name_file(folder, name, path);
    TRY(lines_open(&lines, path, strict));
    enum status status = STATUS_OK;
    for (bool more;;) {
        TRY_GOTO(status, lines_next(&lines, &more), done);
        if (!more)
            break;
        TRY_GOTO(status,
                 sequence_line(&lines, split, content->keys.count, &events, &content->split[split]),
                 done);
    }
    if (content->split[split].sequences.count == 0)
        status = log_error(STATUS_INPUT, "%s: is empty; every split needs sequences", path);
    lines_sha256(&lines, hash);
    dataset_content_source(content, path, hash);
done:
    events_free(&events);
    lines_close(&lines);
    return status;
}

/* ---- the folder ---- */

static enum status read_optional(const char *folder, bool strict, struct dataset_content *content) {
    char path[PATH];
    name_file(folder, "items.tsv", path);
    if (access(path, F_OK) == 0)
        TRY(items_tsv_read(path, strict, content));
    while (content->titles.count < content->keys.count)
        string_list_add(&content->titles, "");
    name_file(folder, "tags.jsonl", path);
    return access(path, F_OK) == 0 ? tags_jsonl_read(path, strict, content) : STATUS_OK;
}

enum status c2dsr_read(const char *folder, bool strict, struct dataset_content *content) {
    if (strlen(folder) > PATH - 64)
        return log_error(STATUS_INPUT, "%.60s...: the path is too long; shorten it", folder);
    content->protocol = mem_string("c2dsr");
    TRY(read_lists(folder, strict, content));
    for (int split = 0; split < SPLITS; split++)
        TRY(read_sequences(folder, strict, (enum split)split, content));
    TRY(read_optional(folder, strict, content));
    for (int d = 0; d < 2; d++)
        if (!content->labels[d])
            content->labels[d] = mem_string(d ? "B" : "A");
    return STATUS_OK;
}
