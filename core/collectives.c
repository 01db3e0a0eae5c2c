#include "core/collectives.h"
#include <string.h>

void *collectives_gather(const struct collectives *collectives, struct arena *arena,
                         const void *mine, const int64_t *counts, int64_t bytes) {
    int64_t total = 0, before = 0, own = counts[collectives->rank];
    for (int r = 0; r < collectives->size; r++) {
        before += r < collectives->rank ? counts[r] : 0;
        total += counts[r];
    }
    char *all = arena_alloc(arena, total, (size_t)bytes);
    if (own > 0)
        memcpy(all + before * bytes, mine, (size_t)(own * bytes));
    collectives->gather(collectives->context, all, counts, bytes);
    return all;
}

int64_t *collectives_gather_count(const struct collectives *collectives, struct arena *arena,
                                  int64_t mine) {
    int64_t *one = arena_alloc(arena, collectives->size, sizeof *one);
    for (int r = 0; r < collectives->size; r++)
        one[r] = 1;
    return collectives_gather(collectives, arena, &mine, one, sizeof mine);
}
