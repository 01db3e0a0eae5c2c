/* Files of events and items into a data set: read, filter, number, split. Not collective. */
#ifndef IO_READERS_INTERACTIONS_H
#define IO_READERS_INTERACTIONS_H
#include "core/status.h"
#include "io/dataset_content.h"
#include "io/readers/columns.h"
#include "io/readers/filters.h"
#include "io/readers/layout.h"
#include "io/readers/split.h"
#include <stdbool.h>

struct interactions_options {
    struct columns columns;
    const char *domains[2]; /* labels of those to read, NULL: all, which are two at most */
    enum split_rule split;
    double fractions[3]; /* SPLIT_TEMPORAL */
    enum ties ties;
    struct filters filters; /* an item without events stays where they count nothing */
    bool strict;            /* see struct lines */
};

/* Read the files of the layout into the zeroed `content` (all but name, max_len and leaks).
 *
 * Domains are numbered in the order of their labels, the items of a domain in that of their
 * appearance in the files of items, then of events; the key of an item is its id, with "LABEL:"
 * before it where both domains have that id. Users are in the order of their appearance or, where
 * each domain has files of its own, of their names, numbers in them as numbers. */
CHECKED enum status interactions_read(const struct layout *layout,
                                      const struct interactions_options *options,
                                      struct dataset_content *content);

#endif
