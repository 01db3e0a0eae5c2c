/* The scores of a query (core/catalogue/query.h), of all samples with a chunk of candidates at a
 * time, without a [samples, items] matrix.
 *
 * As a score mixes softmaxes, their normalisers come first, by a pass of its own over all items,
 * which keeps the exponentials for the scores where they fit into a bounded memory. One softmax
 * alone ranks as its logits do: unless probabilities are wanted, the scores are the logits, and there is
 * such a pass only with `repeats`, which keeps the logits.
 *
 * Scores come from products in single precision; how far rounding takes them from those of double
 * precision is known. A model's own scores (struct query_scorer) are what they are.
 *
 * Collective where items are shared out: normalisers are joined over the ranks; all samples are then on
 * all ranks. */
#ifndef CORE_CATALOGUE_SCORES_H
#define CORE_CATALOGUE_SCORES_H
#include "core/catalogue/stack.h"
#include "core/status.h"

/* For the sums of exponentials of a model's own scores. */
struct scores_sums {
    real *tile;            /* [threads][samples, CHUNK] */
    struct logsumexp *sum; /* [threads][samples] */
    real *peak;            /* [samples] and ... */
    double *joined;        /* ... the same, for joining them over the ranks */
};

/* Points into itself: not to be copied. */
struct scores {
    const struct query *query;
    int threads;
    bool logits;                   /* of the only softmax: they are the scores */
    const struct rank_lists *only; /* logits of these items alone; NULL: of all candidates */
    int stacks;
    struct stack stack[QUERY_SOFTMAXES];
    real *error; /* [threads][samples] of the scores of the thread's chunk */

    /* Of a query with `repeats`: */
    /* [samples] the sum of all candidates' probabilities; of a model's own, which are logarithms, the
     * logarithm of the sum of their exponentials */
    double *mass;
    struct scores_sums sums; /* of these */
};

/* What the scores are, and what the error of one is: none; absolute; relative, beside what is below
 * the smallest normal number. */
enum scores_kind { SCORES_OWN, SCORES_LOGITS, SCORES_PROBABILITIES };

/* Samples that are best scored at a time, of a query with no more than `items` candidates on any
 * rank: so few that their exponentials can be kept, unless products would suffer. */
int64_t scores_samples(const struct query *query, int64_t items, bool probabilities);

/* `query` is not one of parts and has no terms of weight 0. With `wanted` (NULL: all) no others are
 * needed than those of the items listed for each sample. Memory is the arena's; of a dry one it is only
 * counted. */
void scores_open(struct scores *scores, struct arena *arena, const struct query *query,
                 const struct rank_lists *wanted, bool probabilities);

enum scores_kind scores_kind(const struct scores *scores);

/* Normalisers, also those of the candidates. False when one is not a finite number; with collectives on
 * all ranks. */
CHECKED bool scores_prepare(struct scores *scores);

/* out[samples, CHUNK]: the scores of a chunk of candidates, at least the wanted ones. */
void scores_chunk(struct scores *scores, const struct chunk *chunk, int thread, real *out);

/* A bound of the errors of sample t in the thread's last chunk. */
real scores_error(const struct scores *scores, int thread, int64_t t);

/* The score of candidate i by double precision. */
real scores_exact(const struct scores *scores, int64_t t, int64_t i);

/* The probability of candidate i among all candidates of a query with `repeats`, by double precision; 0
 * where all scores are zero. A model's own scores count as logarithms. */
double scores_share(const struct scores *scores, int64_t t, int64_t i);

#endif
