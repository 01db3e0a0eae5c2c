#include "io/leak.h"
#include "core/mem.h"
#include "core/rng.h"
#include <string.h>

enum { LONGER = 4 }; /* events; shorter sequences ascend by chance too often */

struct view {
    int64_t n;
    const int32_t *items;
    const int64_t *times;
};

static struct view view_of(const struct split_content *split, int64_t s) {
    int64_t lo = split->sequences.offsets[s], hi = split->sequences.offsets[s + 1];
    return (struct view){hi - lo, split->sequences.items + lo, split->times + lo};
}

static bool has_times(const struct dataset_content *content) {
    for (int split = 0; split < SPLITS; split++)
        for (int64_t s = 0; s < content->split[split].sequences.count; s++) {
            struct view v = view_of(&content->split[split], s);
            for (int64_t i = 0; i < v.n; i++)
                if (v.times[i] != i)
                    return true;
        }
    return false;
}

/* Earliest held-out target per user, then the training events behind it. */
static int64_t count_later(const struct dataset_content *content) {
    struct string_map users = {0};
    int64_t *first = NULL, room = 0, later = 0;
    for (int split = SPLIT_VALID; split <= SPLIT_TEST; split++) {
        const struct split_content *c = &content->split[split];
        for (int64_t s = 0; s < c->sequences.count; s++) {
            struct view v = view_of(c, s);
            bool added;
            int64_t user = string_map_add(&users, string_at(&c->users, s), &added);
            if (user >= room)
                first = mem_resize(first, room = 2 * room + 64, sizeof *first);
            if (added || v.times[v.n - 1] < first[user])
                first[user] = v.times[v.n - 1];
        }
    }
    const struct split_content *train = &content->split[SPLIT_TRAIN];
    for (int64_t s = 0; s < train->sequences.count; s++) {
        int64_t user = string_map_find(&users, string_at(&train->users, s));
        struct view v = view_of(train, s);
        for (int64_t i = 0; user >= 0 && i < v.n; i++)
            later += v.times[i] > first[user];
    }
    mem_free(first);
    string_map_free(&users);
    return later;
}

/* Which of two events at one time is the target, their order in the source has decided. */
static int64_t count_tied(const struct split_content *split) {
    int64_t tied = -split->apart;
    for (int64_t s = 0; s < split->sequences.count; s++) {
        struct view v = view_of(split, s);
        tied += v.n > 1 && v.times[v.n - 1] == v.times[v.n - 2];
    }
    return tied;
}

static int64_t count_repeated(const struct split_content *split) {
    int64_t repeated = 0;
    for (int64_t s = 0; s < split->sequences.count; s++) {
        struct view v = view_of(split, s);
        int64_t i = 0;
        while (v.items[i] != v.items[v.n - 1])
            i++;
        repeated += i < v.n - 1;
    }
    return repeated;
}

/* ---- held-out sequences among the training sequences: an open hash table of the latter ---- */

static uint64_t hash_items(struct view v) {
    uint64_t h = (uint64_t)v.n;
    for (int64_t i = 0; i < v.n; i++)
        h = rng_mix(h + (uint64_t)v.items[i] * 0x9E3779B97F4A7C15u + 1);
    return h;
}

static bool same_items(struct view a, struct view b) {
    return a.n == b.n && !memcmp(a.items, b.items, (size_t)a.n * sizeof *a.items);
}

/* Slot of an equal training sequence, or the free slot. */
static int64_t find(const struct split_content *train, const int64_t *slot, int64_t slots,
                    struct view v) {
    int64_t at = (int64_t)(hash_items(v) >> 1) & (slots - 1);
    while (slot[at] && !same_items(view_of(train, slot[at] - 1), v))
        at = (at + 1) & (slots - 1);
    return at;
}

static int64_t count_in_training(const struct dataset_content *content) {
    const struct split_content *train = &content->split[SPLIT_TRAIN];
    int64_t slots = 64, found = 0;
    while (slots < 2 * train->sequences.count)
        slots *= 2;
    int64_t *slot = mem_zero(slots, sizeof *slot);
    for (int64_t s = 0; s < train->sequences.count; s++)
        slot[find(train, slot, slots, view_of(train, s))] = s + 1;
    for (int split = SPLIT_VALID; split <= SPLIT_TEST; split++)
        for (int64_t s = 0; s < content->split[split].sequences.count; s++)
            found += slot[find(train, slot, slots, view_of(&content->split[split], s))] != 0;
    mem_free(slot);
    return found;
}

static void count_ascending(const struct split_content *split, struct leak_report *leaks) {
    for (int64_t s = 0; s < split->sequences.count; s++) {
        struct view v = view_of(split, s);
        int64_t i = 1;
        if (v.n < LONGER)
            continue;
        while (i < v.n && v.items[i] > v.items[i - 1])
            i++;
        leaks->ascending_of++;
        leaks->ascending += i == v.n;
    }
}

void leak_check(struct dataset_content *content) {
    struct leak_report leaks = {.has_times = has_times(content)};
    leaks.later = leaks.has_times ? count_later(content) : 0;
    for (int split = SPLIT_VALID; split <= SPLIT_TEST && leaks.has_times; split++)
        leaks.tied[split] = count_tied(&content->split[split]);
    for (int split = SPLIT_VALID; split <= SPLIT_TEST; split++)
        leaks.repeated_target += count_repeated(&content->split[split]);
    leaks.in_training = count_in_training(content);
    for (int split = 0; split < SPLITS; split++)
        count_ascending(&content->split[split], &leaks);
    content->leaks = leaks;
}

bool leak_found(const struct leak_report *leaks) {
    return leaks->later || leaks->repeated_target || leaks->in_training ||
           2 * leaks->ascending > leaks->ascending_of;
}
