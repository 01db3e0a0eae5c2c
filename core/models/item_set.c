#include "core/models/item_set.h"
#include "core/distinct.h"
#include <string.h>

/* All item numbers one after another; the places come back in the same order. */
struct list {
    int32_t *item, *place;
    int64_t n;
};

/* Append `n` items; returns where their places will be. */
static int32_t *append(struct list *list, const int32_t *items, int64_t n) {
    if (n > 0) /* an empty stream has no items to point to */
        memcpy(list->item + list->n, items, (size_t)n * sizeof *items);
    list->n += n;
    return list->place + list->n - n;
}

void item_set_collect(struct arena *arena, const struct batch *batch, bool train,
                      struct item_set *set) {
    int64_t room = 0;
    for (int s = 0; s < STREAMS; s++)
        room += (1 + train) * batch->stream[s].tokens;
    for (int c = 0; c < CANDIDATE_SETS; c++)
        room += set->negatives[c].n;
    for (int s = 0; s < STREAMS; s++)
        room += set->own[s].n;
    room += set->further.n;
    struct list list = {arena_alloc(arena, room, sizeof(int32_t)),
                        arena_alloc(arena, room, sizeof(int32_t)), 0};
    for (int s = 0; s < STREAMS; s++) {
        const struct stream *stream = &batch->stream[s];
        set->input[s] = append(&list, stream->items, stream->tokens);
        set->target[s] =
            train && stream->aimed ? append(&list, stream->targets, stream->tokens) : NULL;
    }
    for (int c = 0; c < CANDIDATE_SETS; c++)
        set->negatives[c].place = append(&list, set->negatives[c].item, set->negatives[c].n);
    for (int s = 0; s < STREAMS; s++)
        set->own[s].place = append(&list, set->own[s].item, set->own[s].n);
    set->further.place = append(&list, set->further.item, set->further.n);
    set->item = arena_alloc(arena, room, sizeof *set->item);
    set->n = distinct(arena, list.item, list.n, set->item, list.place);
}
