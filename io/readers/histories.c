#include "io/readers/histories.h"
#include "core/mem.h"
#include "io/key_rows.h"
#include "io/lines.h"
#include <string.h>

struct reading {
    struct lines lines;
    struct string_map items; /* key to item */
    struct string_map users; /* that had a line */
    struct histories *out;
    int64_t events, room, users_room;
};

static void add_event(struct reading *r, int64_t item) {
    struct sequences *s = &r->out->of;
    if (r->events == r->room) {
        r->room = 2 * r->room + 1024;
        s->items = mem_resize(s->items, r->room, sizeof *s->items);
    }
    s->items[r->events++] = (int32_t)item;
}

static const char not_tabs[] = " ,;|";

/* Is it keys of items, with something else than tabs between them? */
static bool are_keys(const struct reading *r, const char *text) {
    char *copy = mem_string(text), *rest = copy;
    bool known = true;
    while (known && rest)
        known = string_map_find(&r->items, strsep(&rest, not_tabs)) >= 0;
    mem_free(copy);
    return known;
}

static enum status take_key(struct reading *r, const char *key) {
    struct histories *out = r->out;
    int64_t item = string_map_find(&r->items, key);
    if (!*key)
        return lines_error(&r->lines, "a key is empty; write USER, then a tab before each key");
    if (item < 0 && strpbrk(key, not_tabs) && are_keys(r, key))
        return lines_error(&r->lines, "'%.60s' is several keys; write a tab before each", key);
    if (item >= 0)
        add_event(r, item);
    else if (out->unknown++ == 0) {
        snprintf(out->unknown_key, sizeof out->unknown_key, "%.100s", key);
        out->unknown_line = r->lines.number;
    }
    return STATUS_OK;
}

static enum status take_user(struct reading *r, const char *user) {
    struct histories *out = r->out;
    bool added;
    if (!user || !*user)
        return lines_error(&r->lines, "the user is empty; write USER, then a tab before each key");
    if (!utf8_valid(user))
        return lines_error(&r->lines, "the user is not UTF-8; convert the file");
    string_list_add(&out->users, user);
    (void)string_map_add(&r->users, user, &added);
    if (!added && out->repeated++ == 0) {
        snprintf(out->repeated_user, sizeof out->repeated_user, "%.100s", user);
        out->repeated_line = r->lines.number;
    }
    return STATUS_OK;
}

static enum status take_line(struct reading *r) {
    struct sequences *s = &r->out->of;
    char *rest = r->lines.text;
    const char *user = next_field(&rest), *key;
    TRY(take_user(r, user));
    const char *end = rest ? NULL : strpbrk(user, not_tabs);
    if (end && are_keys(r, end + 1))
        return lines_error(&r->lines, "'%.60s' is a user and keys; write a tab before each key",
                           user);
    while ((key = next_field(&rest)))
        TRY(take_key(r, key));
    if (s->count + 2 > r->users_room) {
        r->users_room = 2 * r->users_room + 1024;
        s->offsets = mem_resize(s->offsets, r->users_room, sizeof *s->offsets);
        s->offsets[0] = 0;
    }
    s->offsets[++s->count] = r->events;
    return STATUS_OK;
}

/* The columns of a file of interactions, named with or without their types. */
static bool is_header(const char *text) {
    char *copy = mem_string(text), *rest = copy, *field;
    bool user = false, item = false;
    while ((field = strsep(&rest, "\t,"))) {
        field[strcspn(field, ":")] = '\0';
        user = user || !strcmp(field, "user_id");
        item = item || !strcmp(field, "item_id");
    }
    mem_free(copy);
    return user && item;
}

static enum status read_lines(struct reading *r) {
    bool more = true;
    for (;;) {
        TRY(lines_next(&r->lines, &more));
        if (!more)
            break;
        if (r->out->users.count == 0 && is_header(r->lines.text))
            return lines_error(&r->lines, "is the header of interactions, an event in a line; "
                                          "histories have a user in a line: USER, then a tab "
                                          "before each key, oldest first");
        TRY(take_line(r));
    }
    if (r->out->users.count == 0)
        return log_error(STATUS_INPUT, "%s: has no users; write USER TAB KEY TAB KEY ... in a line",
                         r->lines.path);
    return STATUS_OK;
}

enum status histories_read(const char *path, const struct h5_strings *keys, struct histories *out) {
    struct reading r = {.out = out};
    *out = (struct histories){0};
    TRY(lines_open(&r.lines, path, false));
    enum status status =
        key_map(&r.items, keys, path, "a history cannot name them; make the data set anew");
    if (status == STATUS_OK)
        status = read_lines(&r);
    string_map_free(&r.items);
    string_map_free(&r.users);
    lines_close(&r.lines);
    if (status != STATUS_OK)
        histories_free(out);
    return status;
}

void histories_free(struct histories *histories) {
    string_list_free(&histories->users);
    sequences_free(&histories->of);
    *histories = (struct histories){0};
}
