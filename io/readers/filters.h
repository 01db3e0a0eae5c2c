/* Which events of a timeline stay: repeated ones, and rare users and items. Not collective. */
#ifndef IO_READERS_FILTERS_H
#define IO_READERS_FILTERS_H
#include "io/readers/timeline.h"

/* Of a user's events with one item. */
enum repeats { REPEATS_KEEP, REPEATS_FIRST, REPEATS_LAST };

struct filters {
    enum repeats repeats; /* what stays of them; before the counts */
    /* Fewest events of a user, of an item, and of a user in each domain; repeated until nothing
     * changes. 0: no filter. */
    int64_t min_user_events, min_item_events, min_per_domain;
};

static inline bool filters_count(const struct filters *f) {
    return f->min_user_events > 0 || f->min_item_events > 0 || f->min_per_domain > 0;
}

/* base[d] + i is item i of domain d, base[2] the number of all. */
void filters_apply(const struct filters *filters, const int64_t base[3], struct timeline *timeline);

#endif
