#include "core/catalogue/rank_lists.h"
#include "core/search.h"
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

struct rank_list rank_lists_between(const struct rank_lists *lists, int64_t t, int64_t lo,
                                    int64_t hi) {
    int64_t end = lists->offsets[t + 1];
    int64_t first = search_first(lists->items, lists->offsets[t], end, lo);
    return (struct rank_list){lists->items + first,
                              search_first(lists->items, first, end, hi) - first};
}

struct rank_lists rank_own_items(struct arena *arena, const struct sample *samples,
                                 const int32_t *target, int64_t n) {
    int64_t *offsets = arena_alloc(arena, n + 1, sizeof *offsets), room = 0, kept = 0;
    for (int64_t t = 0; t < n; t++)
        room += samples[t].length;
    int32_t *items = arena_alloc(arena, room, sizeof *items);
    for (int64_t t = 0; t < n; t++) {
        int64_t first = kept, length = samples[t].length;
        offsets[t] = first;
        memcpy(items + first, samples[t].items, (size_t)length * sizeof *items);
        qsort(items + first, (size_t)length, sizeof *items, ascending);
        for (int64_t k = first; k < first + length; k++)
            if ((kept == first || items[kept - 1] != items[k]) &&
                !(target && items[k] == target[t]))
                items[kept++] = items[k];
    }
    offsets[n] = kept;
    return (struct rank_lists){offsets, items};
}

struct rank_lists *rank_lists_gather(const struct rank_lists *lists, struct arena *arena,
                                     const struct collectives *collectives,
                                     const struct item_block *local, const int64_t *samples) {
    int64_t mine = samples[collectives->rank], n = 0, at = 0, kept = 0;
    for (int r = 0; r < collectives->size; r++)
        n += samples[r];
    struct rank_lists *all = arena_alloc(arena, 1, sizeof *all);
    int64_t *length = arena_alloc(arena, mine, sizeof *length);
    int64_t *offsets = arena_alloc(arena, n + 1, sizeof *offsets);
    for (int64_t t = 0; t < mine; t++)
        length[t] = lists->offsets[t + 1] - lists->offsets[t];
    int64_t *counts = collectives_gather_count(collectives, arena, lists->offsets[mine]);
    int32_t *items = collectives_gather(collectives, arena, lists->items, counts, sizeof *items);
    length = collectives_gather(collectives, arena, length, samples, sizeof *length);
    for (int64_t t = 0; t < n; t++) {
        offsets[t] = kept;
        for (int64_t k = 0; k < length[t]; k++, at++)
            if (item_block_index(local, items[at]) >= 0)
                items[kept++] = (int32_t)item_block_index(local, items[at]);
    }
    offsets[n] = kept;
    *all = (struct rank_lists){offsets, items};
    return all;
}
