/* RecBole atomic files: FILE.inter with one event per line and FILE.item with the items. Columns
 * are named `name:type` in the header line and stand in any order. Not collective. */
#ifndef IO_READERS_INTERACTIONS_H
#define IO_READERS_INTERACTIONS_H
#include "core/status.h"
#include "io/dataset_content.h"
#include <stdbool.h>

enum interactions_split {
    /* Of every user with at least 3 events the last is the test target, the one before it the
     * validation target, and the history of a target is all before it; the training sequence is
     * what comes before both targets. Shorter sequences are for training. */
    INTERACTIONS_LOO,
    /* Two moments cut the events of all users into fractions. Before the first: training. Of every
     * user the last event between the two is a validation target, the last after the second a test
     * target; the history of a target is all before it, and targets without a history are left out.
     */
    INTERACTIONS_TEMPORAL
};

struct interactions_options {
    enum interactions_split split;
    double fractions[3]; /* temporal: training, validation, test; they sum to 1 */
    /* Filters, repeated until nothing changes: fewest events of a user, of an item, and of a user
     * in each domain. 0: no filter; an item without events stays only then. */
    int64_t min_user_events, min_item_events, min_per_domain;
    bool strict; /* see struct lines */
};

/* Read the events of `inter` and, unless it is NULL, the items of `item` into the zeroed `content`
 * (all but name, max_len and leaks). The domain of an item stands in the column domain of .item, or
 * in that of .inter for an item without a line there. Domains are numbered in the order of their
 * names, items of a domain in that of their appearance in .item, then .inter. Events of a user with
 * equal times keep the order of the file. */
CHECKED enum status interactions_read(const char *inter, const char *item,
                                      const struct interactions_options *options,
                                      struct dataset_content *content);

#endif
