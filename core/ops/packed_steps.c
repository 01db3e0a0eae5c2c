#include "core/ops/packed_steps.h"
#include <string.h>

/* Stable, by counting. */
static void sort_by_length(struct arena *arena, const int64_t *offsets, int64_t sequences,
                           int64_t longest, int32_t *order) {
    int64_t *at = arena_alloc(arena, longest + 2, sizeof *at);
    memset(at, 0, (size_t)(longest + 2) * sizeof *at);
    for (int64_t s = 0; s < sequences; s++)
        at[longest - (offsets[s + 1] - offsets[s]) + 1]++;
    for (int64_t i = 0; i <= longest; i++)
        at[i + 1] += at[i];
    for (int64_t s = 0; s < sequences; s++)
        order[at[longest - (offsets[s + 1] - offsets[s])]++] = (int32_t)s;
}

struct packed_steps packed_steps_make(struct arena *arena, const int64_t *offsets,
                                      int64_t sequences) {
    struct packed_steps p = {0};
    for (int64_t s = 0; s < sequences; s++)
        if (offsets[s + 1] - offsets[s] > p.count)
            p.count = offsets[s + 1] - offsets[s];
    p.order = arena_alloc(arena, sequences, sizeof *p.order);
    p.first = arena_alloc(arena, p.count + 1, sizeof *p.first);
    p.token = arena_alloc(arena, offsets[sequences], sizeof *p.token);
    sort_by_length(arena, offsets, sequences, p.count, p.order);
    int64_t row = p.first[0] = 0;
    for (int64_t t = 0; t < p.count; t++) {
        for (int64_t k = 0; k < sequences; k++) {
            int64_t s = p.order[k];
            if (offsets[s + 1] - offsets[s] <= t)
                break;
            p.token[row++] = (int32_t)(offsets[s] + t);
        }
        p.first[t + 1] = row;
    }
    return p;
}
