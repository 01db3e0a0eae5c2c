/* Exact ranks of targets among all candidates of a query, or its best items, without a [samples,
 * items] matrix. Each rank ranks its own samples.
 *
 * Only counts, or the best k items, leave the tiles of scores (core/catalogue/blend.h).
 *
 * Collective where the items are shared out (`collectives` of the query): the samples of all ranks
 * are gathered, each rank takes its own items, the normalisers are joined and the counts summed. */
#ifndef CORE_CATALOGUE_RANK_H
#define CORE_CATALOGUE_RANK_H
#include "core/catalogue/query.h"
#include "core/catalogue/rank_lists.h"
#include "core/catalogue/top.h"
#include "core/status.h"

/* Of the candidates but the target. */
struct rank_count {
    int64_t above, equal; /* with a higher or the same score */
    int64_t all;          /* how many they are */
};

struct ranking {
    struct query query;
    const int32_t *target; /* [samples] in [lo, hi), with collectives the items; not for rank_top */
    const struct rank_lists *history;   /* all items of the histories, for queries with `repeats`;
                                           NULL: none */
    const struct rank_lists *excluded;  /* items that are no candidates; NULL: none */
    const struct rank_lists *negatives; /* NULL: none */

    struct rank_count *full;    /* [samples] out; NULL with negatives: these alone are ranked */
    struct rank_count *sampled; /* [samples] out, with negatives */
    real *scores; /* NULL, or [samples, hi - lo] out: of terms, probabilities (small cases, no
                     collectives) */
};

/* Scratch comes from the arena and goes back to it; of a dry one it is only counted, and nothing is
 * ranked. STATUS_FAIL, with a message, when a score is not a number, with collectives on all ranks.
 */
CHECKED enum status rank_targets(struct arena *arena, const struct ranking *ranking);

/* The best k items for every sample: top[t] has room for them and is empty; of fewer candidates all
 * are taken. Collective with collectives, where top[t] is of a sample of this rank, and of items,
 * not places. STATUS_FAIL, with a message, when scores are not numbers. */
CHECKED enum status rank_top(struct arena *arena, const struct ranking *ranking, int64_t k,
                             struct top *top);

#endif
