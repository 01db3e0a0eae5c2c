/* Which row of a table is whose: a file with one item key per line, line r + 1 for row r. Not
 * collective. */
#ifndef IO_KEY_ROWS_H
#define IO_KEY_ROWS_H
#include "core/status.h"
#include "io/h5_file.h"
#include "io/string_list.h"
#include <stdbool.h>
#include <stdint.h>

struct key_counts {
    int64_t unknown; /* lines whose key is no item's */
    int64_t covered; /* items that have a row */
};

/* Set row_of[i] to the row of the item with key items->text[i], -1 where it has none. STATUS_INPUT,
 * naming the line, when the lines are not `rows`, an item has two lines, or, unless
 * `ignore_unknown`, a key is no item's. */
CHECKED enum status key_rows_read(const char *path, const struct h5_strings *items, int64_t rows,
                                  bool ignore_unknown, int64_t *row_of, struct key_counts *counts);

/* Map every key to its item, for a file of keys that `path` names. STATUS_INPUT, ending with the
 * `advice`, when two items have the same one. */
CHECKED enum status key_map(struct string_map *map, const struct h5_strings *keys, const char *path,
                            const char *advice);

#endif
