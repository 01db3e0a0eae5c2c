/* What the readers of raw files collect: users, the items of two domains, and events. A reader of a
 * new layout fills this; filters, numbers and splits are made from it (io/readers/interactions.h).
 * Not collective. */
#ifndef IO_READERS_RAW_H
#define IO_READERS_RAW_H
#include "io/dataset.h"
#include "io/readers/order.h"
#include "io/string_list.h"
#include <stdbool.h>
#include <stdint.h>

/* Domains are numbered as they appear; the third number stands for all that are left out. */
enum { RAW_DOMAINS = 2, RAW_LEFT_OUT = RAW_DOMAINS };

/* An id names an item within its domain: both domains may have an item "17". */
struct raw_domain {
    char *label;
    struct string_map ids;
    struct string_list titles, descriptions; /* [ids], "" for an item without */
    int64_t lines;                           /* the first of the items have a line of their own */
};

struct raw_event {
    struct moment time;
    int64_t user;
    int32_t item;   /* within the domain */
    uint8_t domain; /* 0 or 1 */
    uint8_t part;   /* enum split: that of the file in a given split, else SPLIT_TRAIN */
};

struct raw {
    struct string_map users;
    struct raw_domain domain[RAW_DOMAINS + 1];
    int domains;                /* of the first two that have appeared */
    const char *chosen[2];      /* labels of the domains to read, NULL: all */
    struct string_map left_out; /* labels of the others */
    int64_t left_out_events;    /* of these */
    bool described;             /* the source has descriptions */
    int64_t events, room;       /* in the order of the source */
    struct raw_event *event;
};

void raw_free(struct raw *raw); /* safe on a zeroed object; zeroes it */

/* Number of the domain, or -1: it is a third one, and none are chosen. */
int raw_domain(struct raw *raw, const char *label);

/* Number of an item, which is added if it is not there; *added tells, NULL: not asked. */
int64_t raw_item(struct raw_domain *domain, const char *id, const char *title,
                 const char *description, bool *added);

void raw_add(struct raw *raw, const struct raw_event *event);

#endif
