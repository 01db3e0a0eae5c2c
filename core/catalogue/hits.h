/* Hits: candidates that do not count at a position, being its target. Not collective. */
#ifndef CORE_CATALOGUE_HITS_H
#define CORE_CATALOGUE_HITS_H
#include "core/arena.h"
#include "core/real.h"
#include <stdint.h>

/* Candidate `column` is a hit at position `row`. */
struct catalogue_hit {
    int64_t column;
    int64_t row;
};

/* Of a list: sorted by column, then row. */
struct catalogue_hits {
    const struct catalogue_hit *list;
    int64_t count;
};

/* Sort a list in place. */
void catalogue_hits_sort(struct catalogue_hit *list, int64_t n);

/* Hits of the exact loss: each position's own target, `target[t]` among the candidates from `lo`
 * on. Memory is the arena's. */
struct catalogue_hits catalogue_hits_of_targets(struct arena *arena, const int32_t *target,
                                                int64_t n, int64_t lo);

/* Hits of shared negatives: all (k, t) with negatives[k] == target[t]. Memory is the arena's. */
struct catalogue_hits catalogue_hits_of_negatives(struct arena *arena, const int32_t *negatives,
                                                  int64_t k, const int32_t *target, int64_t n);

/* Logits of the positions [row, row + rows) with the candidates [column, column + cols), one
 * position `stride` after the other: those of hits become -inf. */
void catalogue_hits_mask(const struct catalogue_hits *hits, int64_t row, int64_t rows,
                         int64_t column, int64_t cols, int64_t stride, real *logits);

#endif
