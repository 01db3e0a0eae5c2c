/* What the columns of a table of events or of items mean, and what they are called. Not collective.
 */
#ifndef IO_READERS_COLUMNS_H
#define IO_READERS_COLUMNS_H
#include <stdbool.h>

enum role {
    ROLE_USER,
    ROLE_ITEM,
    ROLE_TIME,
    ROLE_DOMAIN,
    ROLE_TITLE,
    ROLE_DESCRIPTION,
    ROLE_ITEMS, /* the items of the user's events before this one, with spaces between them */
    ROLE_TIMES, /* and their times */
    ROLES
};

enum { COLUMN_NAME = 64 };

struct columns {
    char name[ROLES][COLUMN_NAME];
};

/* RecBole's names: user_id, item_id, timestamp, domain, title, description, item_id_list and
 * timestamp_list. */
void columns_default(struct columns *columns);

/* Take the names in `text`, as "user=buyer,item=sku": roles are user, item, time, domain, title,
 * description, items and times. The lists are called after item and time, "sku_list", unless they
 * are named too. False where the text is something else. */
bool columns_parse(struct columns *columns, const char *text);

#endif
