/* The scores of a query (core/catalogue/query.h), of all samples with a chunk of candidates at a
 * time, without a [samples, items] matrix.
 *
 * As a score mixes softmaxes, their normalisers come first, by a pass of its own over all items,
 * which keeps the exponentials for the scores where they fit into a bounded memory. One softmax
 * alone ranks as its logits do: with targets, and unless probabilities are wanted, there is no such
 * pass and the scores are the logits.
 *
 * Scores come from products in single precision. Those that the rounding of these cannot tell from
 * the target's are taken again in double precision and rounded once, so that equal rows tie and
 * others do not, whatever the batch, the tiles and the threads. A model's own scores (struct
 * query_scorer) are taken as they are.
 *
 * Collective where items are shared out: normalisers and targets' scores are joined over the
 * ranks; all samples are then on all ranks. */
#ifndef CORE_CATALOGUE_SCORES_H
#define CORE_CATALOGUE_SCORES_H
#include "core/catalogue/stack.h"
#include "core/status.h"

/* Points into itself: not to be copied. */
struct scores {
    const struct query *query;
    const int32_t *target; /* [samples] item rows; -1: on another rank. NULL: not asked for */
    int threads;
    bool logits;                   /* of the only softmax: they are the scores */
    const struct rank_lists *only; /* logits of these items alone; NULL: of all candidates */
    int stacks;
    struct stack stack[QUERY_SOFTMAXES];
    real *target_score; /* [samples] */
    real *error; /* [threads][samples] of the scores of the thread's chunk, see scores_least */
};

/* Samples that are best scored at a time, of a query with no more than `items` candidates on any
 * rank: so few that their exponentials can be kept, unless products would suffer. */
int64_t scores_samples(const struct query *query, int64_t items, bool probabilities);

/* `query` has no terms of weight 0. Without targets the scores of terms are probabilities. With `wanted` (NULL:
 * all) no others are needed than those of the items listed for each sample. Memory is the arena's;
 * of a dry one it is only counted. */
void scores_open(struct scores *scores, struct arena *arena, const struct query *query,
                 const int32_t *target, const struct rank_lists *wanted, bool probabilities);

/* Normalisers and the targets' scores. STATUS_FAIL, with a message, when one of these is not a
 * finite number; with collectives on all ranks. */
CHECKED enum status scores_prepare(struct scores *scores);

/* out[samples, CHUNK]: the scores of a chunk of candidates, at least the wanted ones; with targets
 * those that are close to the target's are exact. */
void scores_chunk(struct scores *scores, const struct chunk *chunk, int thread, real *out);

/* The score of candidate i by double precision. */
real scores_exact(const struct scores *scores, int64_t t, int64_t i);

/* Whose score in the thread's last chunk is below this has an exact score below `score`. */
real scores_least(const struct scores *scores, int thread, int64_t t, real score);

#endif
