/* Lists of items, one for each of the samples that are ranked. */
#ifndef CORE_CATALOGUE_RANK_LISTS_H
#define CORE_CATALOGUE_RANK_LISTS_H
#include "core/arena.h"
#include "core/batch.h"
#include "core/collectives.h"
#include "partition/item_block.h"

/* Items of sample t, not its target: items[offsets[t] .. offsets[t + 1]), ascending. Negatives of
 * the sampled protocol may be repeated and then count as often; items that are no candidates stand
 * there once. */
struct rank_lists {
    const int64_t *offsets;
    const int32_t *items;
};

/* `n` of the items of a sample. */
struct rank_list {
    const int32_t *items;
    int64_t n;
};

/* Those of sample t in [lo, hi). Not collective. */
struct rank_list rank_lists_between(const struct rank_lists *lists, int64_t t, int64_t lo,
                                    int64_t hi);

/* The distinct items of every sample but its target (NULL: there is none); memory is the arena's.
 * Not collective. */
struct rank_lists rank_own_items(struct arena *arena, const struct sample *samples,
                                 const int32_t *target, int64_t n);

/* The lists of all ranks' samples, samples[r] of rank r, with the places in `local` of the items
 * that are here. Memory is the arena's. Collective. */
struct rank_lists *rank_lists_gather(const struct rank_lists *lists, struct arena *arena,
                                     const struct collectives *collectives,
                                     const struct item_block *local, const int64_t *samples);

#endif
