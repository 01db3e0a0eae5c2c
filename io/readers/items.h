/* items.tsv: a header line and per item `index domain key title [description]`, separated by tabs.
 * Not collective. */
#ifndef IO_READERS_ITEMS_H
#define IO_READERS_ITEMS_H
#include "core/status.h"
#include "io/dataset_content.h"
#include <stdbool.h>

/* Fill titles, labels and, where there is that column, descriptions of a content whose keys and
 * domain_items are set. An item without a line has empty texts; a line of an item that its list
 * puts into the other domain is an error. */
CHECKED enum status items_tsv_read(const char *path, bool strict, struct dataset_content *content);

#endif
