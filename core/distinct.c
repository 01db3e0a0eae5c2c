#include "core/distinct.h"

enum { BITS = 11, BUCKETS = 1 << BITS };

/* Pairs (value, index) in one word each; one pass sorts by BITS bits of the value from `shift` on
 * and keeps the order of equal ones. */
static void pass(const uint64_t *from, int64_t n, int shift, uint64_t *to) {
    int64_t start[BUCKETS + 1] = {0};
    for (int64_t i = 0; i < n; i++)
        start[(from[i] >> shift & (BUCKETS - 1)) + 1]++;
    for (int b = 0; b < BUCKETS; b++)
        start[b + 1] += start[b];
    for (int64_t i = 0; i < n; i++)
        to[start[from[i] >> shift & (BUCKETS - 1)]++] = from[i];
}

int64_t distinct(struct arena *arena, const int32_t *x, int64_t n, int32_t *values,
                 int32_t *place) {
    struct arena_mark mark = arena_mark(arena);
    uint64_t *pair = arena_alloc(arena, 2 * n, sizeof *pair), *other = pair + n, most = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        pair[i] = (uint64_t)x[i] << 32 | (uint64_t)i;
        most = (uint64_t)x[i] > most ? (uint64_t)x[i] : most;
    }
    for (int shift = 0; most >> shift; shift += BITS) {
        uint64_t *sorted = other;
        pass(pair, n, 32 + shift, sorted);
        other = pair;
        pair = sorted;
    }
    for (int64_t i = 0; i < n; i++) {
        int32_t value = (int32_t)(pair[i] >> 32);
        if (count == 0 || values[count - 1] != value)
            values[count++] = value;
        place[(uint32_t)pair[i]] = (int32_t)(count - 1);
    }
    arena_release(arena, mark);
    return count;
}
