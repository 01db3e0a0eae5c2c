#include "core/catalogue/hits.h"
#include <stdlib.h>

static int by_column(const void *a, const void *b) {
    const struct catalogue_hit *x = a, *y = b;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

void catalogue_hits_sort(struct catalogue_hit *list, int64_t n) {
    qsort(list, (size_t)n, sizeof *list, by_column);
}

static void of_items(const int32_t *item, int64_t n, int64_t lo, struct catalogue_hit *list) {
    for (int64_t t = 0; t < n; t++)
        list[t] = (struct catalogue_hit){item[t] - lo, t};
    catalogue_hits_sort(list, n);
}

struct catalogue_hits catalogue_hits_of_targets(struct arena *arena, const int32_t *target,
                                                int64_t n, int64_t lo) {
    struct catalogue_hit *list = arena_alloc(arena, n, sizeof *list);
    of_items(target, n, lo, list);
    return (struct catalogue_hits){list, n};
}

/* Join positions and negatives, each sorted by item, which stands in `column` here. Returns how
 * many pairs there are; `list` NULL: they are only counted. */
static int64_t join(const struct catalogue_hit *position, int64_t n,
                    const struct catalogue_hit *negative, int64_t k, struct catalogue_hit *list) {
    int64_t count = 0, first = 0;
    for (int64_t j = 0; j < k; j++) {
        while (first < n && position[first].column < negative[j].column)
            first++;
        for (int64_t t = first; t < n && position[t].column == negative[j].column; t++, count++)
            if (list)
                list[count] = (struct catalogue_hit){negative[j].row, position[t].row};
    }
    return count;
}

struct catalogue_hits catalogue_hits_of_negatives(struct arena *arena, const int32_t *negatives,
                                                  int64_t k, const int32_t *target, int64_t n) {
    struct catalogue_hit *position = arena_alloc(arena, n + k, sizeof *position);
    struct catalogue_hit *negative = position + n;
    of_items(target, n, 0, position);
    of_items(negatives, k, 0, negative);
    int64_t count = join(position, n, negative, k, NULL);
    struct catalogue_hit *list = arena_alloc(arena, count, sizeof *list);
    join(position, n, negative, k, list);
    catalogue_hits_sort(list, count);
    return (struct catalogue_hits){list, count};
}

/* The first hit of a column that is not below `column`. */
static int64_t first_hit(const struct catalogue_hits *hits, int64_t column) {
    int64_t lo = 0, hi = hits->count;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (hits->list[mid].column < column)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void catalogue_hits_mask(const struct catalogue_hits *hits, int64_t row, int64_t rows,
                         int64_t column, int64_t cols, int64_t stride, real *logits) {
    for (int64_t h = first_hit(hits, column); h < hits->count; h++) {
        const struct catalogue_hit *hit = &hits->list[h];
        if (hit->column >= column + cols)
            break;
        if (hit->row >= row && hit->row < row + rows)
            logits[(hit->row - row) * stride + hit->column - column] = -INFINITY;
    }
}
