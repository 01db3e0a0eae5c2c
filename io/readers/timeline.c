#include "io/readers/timeline.h"
#include "core/mem.h"
#include <stdlib.h>
#include <string.h>

/* ---- order of the users ---- */

static int compare_names(const void *a, const void *b, void *list) {
    return strverscmp(string_at(list, *(const int64_t *)a), string_at(list, *(const int64_t *)b));
}

/* place[u] of user u. */
static void place_users(const struct raw *raw, bool by_name, int64_t *place) {
    int64_t n = raw->users.list.count, *order = mem_alloc(n, sizeof *order);
    struct string_list names = raw->users.list;
    identity_order(n, order);
    if (by_name)
        qsort_r(order, (size_t)n, sizeof *order, compare_names, &names);
    for (int64_t i = 0; i < n; i++)
        place[order[i]] = i;
    mem_free(order);
}

/* ---- order of the events ---- */

static int compare_items(const void *a, const void *b, void *of) {
    const struct raw_event *x = a, *y = b;
    const struct raw *raw = of;
    int by_id = strcmp(string_at(&raw->domain[x->domain].ids.list, x->item),
                       string_at(&raw->domain[y->domain].ids.list, y->item));
    return by_id ? by_id : strcmp(raw->domain[x->domain].label, raw->domain[y->domain].label);
}

/* rank[d][i] of item i of domain d among all by id. */
static void rank_items(const struct raw *raw, int64_t *rank[RAW_DOMAINS]) {
    int64_t n = 0;
    for (int d = 0; d < RAW_DOMAINS; d++)
        n += raw->domain[d].ids.list.count;
    struct raw_event *item = mem_zero(n, sizeof *item);
    n = 0;
    for (int d = 0; d < RAW_DOMAINS; d++)
        for (int64_t i = 0; i < raw->domain[d].ids.list.count; i++)
            item[n++] = (struct raw_event){.item = (int32_t)i, .domain = (uint8_t)d};
    qsort_r(item, (size_t)n, sizeof *item, compare_items, (void *)(uintptr_t)raw);
    for (int64_t i = 0; i < n; i++)
        rank[item[i].domain][item[i].item] = i;
    mem_free(item);
}

static void order_by_item(const struct raw *raw, struct moment *key, int64_t *order) {
    int64_t *rank[RAW_DOMAINS];
    for (int d = 0; d < RAW_DOMAINS; d++)
        rank[d] = mem_alloc(raw->domain[d].ids.list.count, sizeof **rank);
    rank_items(raw, rank);
    for (int64_t e = 0; e < raw->events; e++)
        key[e] = (struct moment){rank[raw->event[e].domain][raw->event[e].item], 0};
    stable_order(key, raw->events, order);
    for (int d = 0; d < RAW_DOMAINS; d++)
        mem_free(rank[d]);
}

void timeline_build(const struct raw *raw, bool parts, bool by_name, enum ties ties,
                    struct timeline *t) {
    int64_t n = raw->events, *order = mem_alloc(n, sizeof *order);
    int64_t users = raw->users.list.count, *place = mem_alloc(users, sizeof *place);
    struct moment *key = mem_alloc(n, sizeof *key);
    identity_order(n, order);
    if (ties != TIES_FILE)
        order_by_item(raw, key, order);
    for (int64_t e = 0; e < n; e++)
        key[e] = raw->event[e].time;
    stable_order(key, n, order);
    place_users(raw, by_name, place);
    for (int64_t e = 0; e < n; e++)
        key[e] = (struct moment){place[raw->event[e].user], parts ? raw->event[e].part : 0};
    stable_order(key, n, order);
    *t = (struct timeline){.users = users,
                           .first = mem_zero(users + 1, sizeof *t->first),
                           .name = mem_alloc(users, sizeof *t->name),
                           .event = mem_alloc(n, sizeof *t->event)};
    for (int64_t i = 0; i < n; i++) {
        t->event[i] = raw->event[order[i]];
        t->event[i].user = place[t->event[i].user];
        t->first[t->event[i].user + 1]++;
    }
    for (int64_t u = 0; u < users; u++) {
        t->first[u + 1] += t->first[u];
        t->name[place[u]] = string_at(&raw->users.list, u);
    }
    mem_free(key);
    mem_free(place);
    mem_free(order);
}

void timeline_keep(struct timeline *t, const bool *keep) {
    int64_t kept = 0;
    for (int64_t u = 0, e = 0; u < t->users; u++) {
        for (; e < t->first[u + 1]; e++)
            if (keep[e])
                t->event[kept++] = t->event[e];
        t->first[u + 1] = kept;
    }
}

void timeline_free(struct timeline *timeline) {
    mem_free(timeline->first);
    mem_free(timeline->name);
    mem_free(timeline->event);
    *timeline = (struct timeline){0};
}
