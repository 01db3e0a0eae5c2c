/* The scores of a query (core/catalogue/query.h), of all samples with a chunk of candidates at a
 * time, without a [samples, items] matrix.
 *
 * As a score mixes softmaxes, their normalisers come first, by a pass of its own over all items.
 * One softmax alone ranks as its logits do: unless probabilities are wanted there is no such pass,
 * and the scores are the logits. Those that the rounding of the products cannot tell from the
 * target's are taken again in double precision, so that equal rows tie and others do not, whatever
 * the batch, the tiles and the threads.
 *
 * Collective where items are shared out: normalisers and targets' scores are joined over the
 * ranks; all samples are then on all ranks. */
#ifndef CORE_CATALOGUE_SCORES_H
#define CORE_CATALOGUE_SCORES_H
#include "core/catalogue/query.h"
#include "core/catalogue/softmax.h"
#include "core/catalogue/tiles.h"
#include "core/status.h"

/* What has one normaliser: a head in probability fusion, all heads of a term in logit fusion. */
struct score_softmax {
    const bool *present; /* of the term */
    double weight;       /* of the term, times the head's */
    int64_t lo, hi;
    int heads;
    struct tile_head *head;
    struct logsumexp *sum; /* [threads][samples] */
    real *log_sum;         /* [samples] */
    real *target;          /* [samples] logits, as the tiles have them */
};

/* Points into itself: not to be copied. */
struct scores {
    const struct query *query;
    const int32_t *target; /* [samples] item rows; -1: on another rank. NULL: not asked for */
    int threads;
    bool logits; /* of the only softmax: they are the scores */
    int softmaxes, heads;
    struct score_softmax softmax[QUERY_TERMS * QUERY_HEADS];
    struct tile_head head[QUERY_TERMS * QUERY_HEADS];
    real *target_score; /* [samples] */
    real *margin;       /* [samples] of logits: rounding may have moved the tiles' by so much */
    real *z;            /* [threads][samples, CHUNK] logits of one softmax */
    real *peak;         /* [samples], with collectives */
    double *joined;     /* [samples] */
};

/* `query` has no terms of weight 0. Without targets scores are probabilities. Memory is the
 * arena's; of a dry one it is only counted. */
void scores_open(struct scores *scores, struct arena *arena, const struct query *query,
                 const int32_t *target, bool probabilities);

/* Normalisers and the targets' scores. STATUS_FAIL, with a message, when one of these is not a
 * finite number; with collectives on all ranks. */
CHECKED enum status scores_prepare(struct scores *scores);

/* out[samples, CHUNK]: the scores of a chunk of candidates. */
void scores_chunk(const struct scores *scores, const struct chunk *chunk, int thread, real *out);

#endif
