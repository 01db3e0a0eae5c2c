/* Exact ranks of targets among all items of a range, or the best items of it, without a [samples,
 * items] matrix. Each rank ranks its own samples.
 *
 * score(i) = sum over streams s of lambda_s P^s(i), the fused probabilities of LLM-EMF eqs 8,
 * 11, 12. As the score mixes softmaxes, the normalisers come first: pass 1 takes the log-sum-exp
 * per stream and softmax, pass 2 the scores, and only counts or the best k leave the tiles.
 *
 * One softmax alone ranks as its logits do: there is one pass then. Items whose logit the rounding
 * of the products cannot tell from the target's are looked at again, in double precision, so that
 * equal rows tie and others do not, whatever the batch, the tiles and the threads.
 *
 * Collective where the items are shared out (`collectives`): the samples of all ranks are gathered,
 * each rank takes its own items, the normalisers are joined and the counts summed. */
#ifndef CORE_CATALOGUE_RANK_H
#define CORE_CATALOGUE_RANK_H
#include "core/arena.h"
#include "core/batch.h"
#include "core/catalogue/loss.h"
#include "core/catalogue/top.h"
#include "partition/item_block.h"
#include <stdbool.h>

struct rank_stream {
    const real *q[CATALOGUE_TERMS]; /* by term, [samples, d] scaled states */
    const bool *present;            /* [samples] false: the stream is empty, its term is dropped */
    double weight;                  /* lambda_s; 0 drops the stream */
    int64_t lo, hi;                 /* items of the normaliser, containing the candidates */
};

/* Items of sample t, not its target: items[offsets[t] .. offsets[t + 1]), ascending. Negatives of
 * the sampled protocol may be repeated and then count as often; items that are no candidates stand
 * there once. */
struct rank_lists {
    const int64_t *offsets;
    const int32_t *items;
};

/* The distinct items of every sample but its target (NULL: there is none); memory is the arena's.
 */
struct rank_lists rank_own_items(struct arena *arena, const struct sample *samples,
                                 const int32_t *target, int64_t n);

/* Of the candidates but the target. */
struct rank_count {
    int64_t above, equal; /* with a higher or the same score */
    int64_t all;          /* how many they are */
};

struct ranking {
    int terms;
    enum fusion fusion;
    double weights[CATALOGUE_TERMS];    /* w, sum 1 */
    const real *items[CATALOGUE_TERMS]; /* by term, [N, d] rows */
    real eps[CATALOGUE_TERMS];          /* > 0: they are divided by their norm, at least eps */
    int64_t dim[CATALOGUE_TERMS];
    const struct collectives *collectives; /* NULL: all items are here */
    const struct item_block *local; /* with collectives: the items whose rows are here. lo and hi,
                                     * here and in the streams, then count these rows, targets and
                                     * negatives are items */
    struct rank_stream stream[STREAMS];
    int64_t samples;
    const int32_t *target;              /* [samples] in [lo, hi); not for rank_top */
    int64_t lo, hi;                     /* candidates ... */
    const struct rank_lists *excluded;  /* ... but these; NULL: none */
    const struct rank_lists *negatives; /* NULL: none */

    struct rank_count *full;    /* [samples] out */
    struct rank_count *sampled; /* [samples] out, with negatives */
    real *scores;               /* NULL, or [samples, hi - lo] out (small cases, no collectives) */
};

/* Scratch comes from the arena and goes back to it; of a dry one it is only counted, and nothing is
 * ranked. STATUS_FAIL, with a message, when a score is not a number, with collectives on all ranks.
 */
CHECKED enum status rank_targets(struct arena *arena, const struct ranking *ranking);

/* Useful operations: one product of every state that counts with every candidate, of which other
 * ranks have as many. Two passes make these products twice. */
double rank_flops(const struct ranking *ranking);

/* The best k items for every sample: top[t] has room for them and is empty; of fewer candidates all
 * are taken. Collective with collectives, where top[t] is of a sample of this rank, and of items,
 * not places. STATUS_FAIL, with a message, when scores are not numbers. */
CHECKED enum status rank_top(struct arena *arena, const struct ranking *ranking, int64_t k,
                             struct top *top);

#endif
