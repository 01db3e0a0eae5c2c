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

/* One "role=name" of n bytes. */
static bool take(struct columns *columns, const char *text, size_t n) {
    const char *equals = memchr(text, '=', n);
    if (!equals)
        return false;
    int role = role_of(text, (size_t)(equals - text));
    size_t length = n - (size_t)(equals + 1 - text);
    if (role < 0 || length == 0 || length > COLUMN_NAME - 8)
        return false;
    snprintf(columns->name[role], COLUMN_NAME, "%.*s", (int)length, equals + 1);
    return true;
}

static bool take_all(struct columns *columns, const char *text) {
    for (;;) {
        size_t n = strcspn(text, ",");
        if (!take(columns, text, n))
            return false;
        if (!text[n])
            return true;
        text += n + 1;
    }
}

/* Unless it is named, a list is called after its column. */
static void name_list(struct columns *columns, enum role list, enum role of) {
    char base[COLUMN_NAME];
    if (*columns->name[list])
        return;
    memcpy(base, columns->name[of], sizeof base);
    snprintf(columns->name[list], COLUMN_NAME, "%.*s_list", COLUMN_NAME - 8, base);
}

bool columns_parse(struct columns *columns, const char *text) {
    *columns->name[ROLE_ITEMS] = *columns->name[ROLE_TIMES] = '\0';
    bool good = take_all(columns, text);
    name_list(columns, ROLE_ITEMS, ROLE_ITEM);
    name_list(columns, ROLE_TIMES, ROLE_TIME);
    return good;
}
