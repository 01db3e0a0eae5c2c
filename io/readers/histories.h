/* Histories of users by item keys: a line is USER TAB KEY TAB KEY ..., oldest first, without
 * header. Not collective. */
#ifndef IO_READERS_HISTORIES_H
#define IO_READERS_HISTORIES_H
#include "core/status.h"
#include "io/dataset.h"
#include "io/string_list.h"

struct histories {
    struct string_list users;
    struct sequences of; /* users.count of them, in the order of the file; may be empty */
    int64_t unknown;     /* keys that are no item's: left out */
    int64_t unknown_line;
    char unknown_key[104]; /* the first, or its beginning */
    int64_t repeated;      /* lines of a user who had one before; a user has as many histories */
    int64_t repeated_line;
    char repeated_user[104]; /* as unknown_key */
};

/* `keys` of all items of the data set. STATUS_INPUT, naming the line, for an empty user or key, a
 * header of interactions, keys of items that no tab parts, a file without users, and for a data set
 * where two items have one key. */
CHECKED enum status histories_read(const char *path, const struct h5_strings *keys,
                                   struct histories *out);
void histories_free(struct histories *histories); /* safe on a zeroed object; zeroes it */

#endif
