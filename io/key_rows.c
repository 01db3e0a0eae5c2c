#include "io/key_rows.h"
#include "core/mem.h"
#include "io/lines.h"
#include "io/string_list.h"

struct reading {
    struct lines lines;
    struct string_map map; /* key to item */
    int64_t *row_of;
    struct key_counts counts;
    int64_t stranger;  /* line of the first unknown key */
    char example[104]; /* that key, or its beginning */
};

enum status key_map(struct string_map *map, const struct h5_strings *keys, const char *path,
                    const char *advice) {
    for (int64_t i = 0; i < keys->count; i++) {
        bool added;
        int64_t first = string_map_add(map, keys->text[i], &added);
        if (!added)
            return log_error(STATUS_INPUT,
                             "%s: of no use: items %lld and %lld have the same key '%.100s'; %s",
                             path, (long long)first, (long long)i, keys->text[i], advice);
    }
    return STATUS_OK;
}

static enum status take_line(struct reading *r) {
    const char *key = r->lines.text;
    int64_t item = string_map_find(&r->map, key);
    if (item >= 0 && r->row_of[item] >= 0)
        return lines_error(&r->lines, "key '%.100s' is on line %lld already; an item has one row",
                           key, (long long)r->row_of[item] + 1);
    if (item >= 0) {
        r->row_of[item] = r->lines.number - 1;
        r->counts.covered++;
    } else if (r->counts.unknown++ == 0) {
        snprintf(r->example, sizeof r->example, "%.100s", key);
        r->stranger = r->lines.number;
    }
    return STATUS_OK;
}

static enum status read_lines(struct reading *r, int64_t rows) {
    bool more = true;
    for (;;) {
        TRY(lines_next(&r->lines, &more));
        if (!more)
            break;
        TRY(take_line(r));
    }
    if (r->lines.number - 1 == rows)
        return STATUS_OK;
    return log_error(STATUS_INPUT,
                     "%s: has %lld keys, but the table has %lld rows; give one key "
                     "per row",
                     r->lines.path, (long long)r->lines.number - 1, (long long)rows);
}

static enum status judge(const struct reading *r, bool ignore_unknown) {
    if (r->counts.unknown > 0 && !ignore_unknown)
        return log_error(STATUS_INPUT,
                         "%s:%lld: key '%s' is no item's, one of %lld such lines; correct them or "
                         "give --ignore-unknown",
                         r->lines.path, (long long)r->stranger, r->example,
                         (long long)r->counts.unknown);
    if (r->counts.covered == 0)
        return log_error(STATUS_INPUT, "%s: has no key of an item", r->lines.path);
    return STATUS_OK;
}

enum status key_rows_read(const char *path, const struct h5_strings *items, int64_t rows,
                          bool ignore_unknown, int64_t *row_of, struct key_counts *counts) {
    struct reading r = {.row_of = row_of};
    TRY(lines_open(&r.lines, path, false));
    for (int64_t i = 0; i < items->count; i++)
        row_of[i] = -1;
    enum status status =
        key_map(&r.map, items, path, "give the rows in the order of the items, without --keys");
    if (status == STATUS_OK)
        status = read_lines(&r, rows);
    if (status == STATUS_OK)
        status = judge(&r, ignore_unknown);
    if (status == STATUS_OK)
        *counts = r.counts;
    string_map_free(&r.map);
    lines_close(&r.lines);
    return status;
}
