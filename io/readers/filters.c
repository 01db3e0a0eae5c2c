#include "io/readers/filters.h"
#include "core/log.h"
#include "core/mem.h"
#include <string.h>

/* ---- repeated events ---- */

/* Each user's events from the first to the last, or the other way round; only the first met of an
 * item stays. */
static int64_t drop_repeats(const struct timeline *t, const int64_t base[3], bool backward,
                            bool *keep) {
    int64_t *met = mem_zero(base[2], sizeof *met), dropped = 0; /* by user number + 1 */
    for (int64_t u = 0; u < t->users; u++)
        for (int64_t i = 0; i < t->first[u + 1] - t->first[u]; i++) {
            int64_t e = backward ? t->first[u + 1] - 1 - i : t->first[u] + i;
            int64_t *user = &met[base[t->event[e].domain] + t->event[e].item];
            keep[e] = *user != u + 1;
            dropped += !keep[e];
            *user = u + 1;
        }
    mem_free(met);
    return dropped;
}

/* ---- rare users and items ---- */

struct tallies {
    int64_t *user;   /* [users] */
    int64_t *domain; /* [users, 2] */
    int64_t *item;   /* [items] */
};

static void tally(const struct timeline *t, const int64_t base[3], const bool *keep,
                  struct tallies *n) {
    memset(n->user, 0, (size_t)t->users * sizeof *n->user);
    memset(n->domain, 0, 2 * (size_t)t->users * sizeof *n->domain);
    memset(n->item, 0, (size_t)base[2] * sizeof *n->item);
    for (int64_t e = 0; e < t->first[t->users]; e++) {
        const struct raw_event *event = &t->event[e];
        if (!keep[e])
            continue;
        n->user[event->user]++;
        n->domain[2 * event->user + event->domain]++;
        n->item[base[event->domain] + event->item]++;
    }
}

static bool is_rare(const struct filters *f, const struct tallies *n, const int64_t base[3],
                    const struct raw_event *event) {
    const int64_t *domain = n->domain + 2 * event->user;
    int64_t min_of_other = base[2] > base[1] ? f->min_per_domain : 0; /* if there is another */
    return n->user[event->user] < f->min_user_events || domain[0] < f->min_per_domain ||
           domain[1] < min_of_other ||
           n->item[base[event->domain] + event->item] < f->min_item_events;
}

/* Removing events of one user may make an item too rare, and the other way round. */
static void drop_rare(const struct filters *f, const struct timeline *t, const int64_t base[3],
                      bool *keep) {
    struct tallies n = {mem_alloc(t->users, sizeof(int64_t)),
                        mem_alloc(2 * t->users, sizeof(int64_t)),
                        mem_alloc(base[2], sizeof(int64_t))};
    for (bool changed = true; changed;) {
        changed = false;
        tally(t, base, keep, &n);
        for (int64_t e = 0; e < t->first[t->users]; e++)
            if (keep[e] && is_rare(f, &n, base, &t->event[e])) {
                keep[e] = false;
                changed = true;
            }
    }
    mem_free(n.user);
    mem_free(n.domain);
    mem_free(n.item);
}

void filters_apply(const struct filters *filters, const int64_t base[3],
                   struct timeline *timeline) {
    int64_t events = timeline->first[timeline->users];
    bool *keep = mem_alloc(events, sizeof *keep);
    memset(keep, true, (size_t)events * sizeof *keep);
    if (filters->repeats != REPEATS_KEEP)
        log_info("repeated events of a user with an item: %lld, left out",
                 (long long)drop_repeats(timeline, base, filters->repeats == REPEATS_LAST, keep));
    if (filters_count(filters))
        drop_rare(filters, timeline, base, keep);
    timeline_keep(timeline, keep);
    mem_free(keep);
}
