#include "io/readers/columns.h"
#include <stdio.h>
#include <string.h>

void columns_default(struct columns *columns) {
    *columns = (struct columns){{"user_id", "item_id", "timestamp", "domain", "title",
                                 "description", "item_id_list", "timestamp_list"}};
}

static int role_of(const char *text, size_t n) {
    static const char *const names[ROLES] = {"user",  "item",        "time",  "domain",
                                             "title", "description", "items", "times"};
    for (int r = 0; r < ROLES; r++)
        if (strlen(names[r]) == n && !memcmp(names[r], text, n))
            return r;
    return -1;
}

/* What the lists are called that go with a column. */
static void list_name(const char *column, char name[COLUMN_NAME]) {
    snprintf(name, COLUMN_NAME, "%.*s_list", COLUMN_NAME - 8, column);
}

/* A list that is called after its column goes on to be. */
static void rename_column(struct columns *columns, enum role role, enum role list, const char *name,
                          size_t n) {
    char before[COLUMN_NAME], after[COLUMN_NAME];
    list_name(columns->name[role], before);
    snprintf(columns->name[role], COLUMN_NAME, "%.*s", (int)n, name);
    list_name(columns->name[role], after);
    if (list != role && !strcmp(columns->name[list], before))
        memcpy(columns->name[list], after, sizeof after);
}

/* One "role=name" of n bytes. */
static bool take(struct columns *columns, const char *text, size_t n) {
    const char *equals = memchr(text, '=', n);
    if (!equals)
        return false;
    int role = role_of(text, (size_t)(equals - text));
    size_t length = n - (size_t)(equals + 1 - text);
    if (role < 0 || length == 0 || length > COLUMN_NAME - 8)
        return false;
    int list = role == ROLE_ITEM ? ROLE_ITEMS : role == ROLE_TIME ? ROLE_TIMES : role;
    rename_column(columns, (enum role)role, (enum role)list, equals + 1, length);
    return true;
}

bool columns_parse(struct columns *columns, const char *text) {
    for (;;) {
        size_t n = strcspn(text, ",");
        if (!take(columns, text, n))
            return false;
        if (!text[n])
            return true;
        text += n + 1;
    }
}
