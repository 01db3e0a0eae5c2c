/* The events of a raw collection by user, then part, then time. Not collective. */
#ifndef IO_READERS_TIMELINE_H
#define IO_READERS_TIMELINE_H
#include "io/readers/raw.h"

/* How events of a user at one time stand to each other. */
enum ties {
    TIES_FILE, /* in the order of the files: by place, and before that by the name of the domain */
    TIES_KEY,  /* in the order of their items' ids, then domains: the same for any order of rows */
    TIES_DROP  /* as TIES_KEY; and a target at the time of an event beside it is not held out */
};

struct timeline {
    int64_t users, *first;   /* [users + 1] */
    const char **name;       /* [users], of raw */
    struct raw_event *event; /* [first[users]] */
};

/* `parts`: of a given split, whose parts follow each other whatever their times; otherwise they
 * count for nothing. `by_name`: users are in the order of their names, numbers in them as numbers;
 * otherwise in that of their appearance. */
void timeline_build(const struct raw *raw, bool parts, bool by_name, enum ties ties,
                    struct timeline *timeline);

/* Leave only the events that `keep` [first[users]] says. */
void timeline_keep(struct timeline *timeline, const bool *keep);
void timeline_free(struct timeline *timeline); /* safe on a zeroed object; zeroes it */

#endif
