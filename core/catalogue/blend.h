/* The scores that a ranking goes by, of all samples with a chunk of candidates at a time: those of a
 * query (core/catalogue/scores.h) or, of a query of several parts, the mean of what these give, brought
 * to one scale for each sample,
 *     score(i) = mean over parts k of ( f_k(i) - m_k ) / d_k
 *     f_k      = the log of part k's probabilities: the logits of one softmax, the logs of a mixture's
 *                scores (at least 1e-30), what a model gives itself
 *     m_k, d_k = mean and standard deviation of f_k over all candidates of the sample
 * A part that gives all candidates the same adds nothing. This is the sum of scores (Fox, Shaw, TREC-2
 * 1994, CombSUM) with zero mean and unit variance (Montague, Aslam, CIKM 2001), of logs: a softmax over
 * f_k / d_k is part k's at a temperature at which no part is more certain than another. The sample's own
 * items are candidates here, whether they are ranked or not.
 *
 * A part may know how probable it is that the next item is one of the history's, r (`repeats` of its
 * query). Then these have r of the probability and the others the rest, both in the proportions of the
 * part's own probabilities p over the candidates. With P the sum of p over the history's items,
 *     p'(i) = r p(i) / P                 i in the history
 *     p'(i) = (1 - r) p(i) / (1 - P)     else
 * of which the ranks of a sample only need
 *     f = r (1 - P) / ((1 - r) P)
 * on the p of the history's items; of several parts, log f_k on their f_k, while m_k and d_k stay. So
 * RepeatNet (Ren and others, AAAI 2019) mixes a distribution over the history's items with one over the
 * others; that r is given, not a function of the history, and that both come from one distribution is
 * decided here. f stays positive: 1 - P counts as at least the rounding error of P.
 *
 * Scores that rounding cannot tell from the target's are taken again in double precision and rounded once,
 * so that equal rows tie and others do not, whatever the batch, the tiles and the threads; m_k and d_k, as
 * the normalisers, come from products in single precision. A model's own scores are taken as they are.
 *
 * Collective where items are shared out: normalisers, moments and targets' scores are joined over the
 * ranks; all samples are then on all ranks. */
#ifndef CORE_CATALOGUE_BLEND_H
#define CORE_CATALOGUE_BLEND_H
#include "core/catalogue/scores.h"

/* Of f_k over the candidates. */
struct blend_moments {
    double count, sum, square;
};

struct blend_scale {
    double mean, factor; /* 1 / (parts d_k), or 0 */
};

struct blend {
    const struct query *query;
    const int32_t *target; /* [samples] item rows; -1: on another rank. NULL: not asked for */
    const struct rank_lists *history; /* items of the histories; NULL: not asked for */
    int threads, parts;
    struct query *of;              /* [parts] of the samples at hand */
    struct scores *part;           /* [parts] */
    struct blend_moments *moments; /* [threads][parts][samples] of several parts */
    struct blend_scale *scale;     /* [parts][samples] likewise */
    real *tile;                    /* [threads][samples, CHUNK] likewise, of one part */
    double *history_share;         /* [parts][samples] P, where parts have `repeats` */
    double *history_factor;        /* [parts][samples] log f, likewise */
    real *target_score;            /* [samples] */
    real *error;                   /* [threads][samples] of the scores of the thread's chunk */
};

/* Samples that are best scored at a time, see scores_samples. */
int64_t blend_samples(const struct query *query, int64_t items, bool probabilities);

/* As scores_open; scores of several parts are never probabilities. Parts have their samples' queries
 * already (query_of_all). `history`: the histories' items, ascending, for parts with `repeats`. */
void blend_open(struct blend *blend, struct arena *arena, const struct query *query,
                const int32_t *target, const struct rank_lists *history,
                const struct rank_lists *wanted, bool probabilities);

/* What all scores need, and the targets' scores. STATUS_FAIL, with a message, when one of these is
 * not a finite number; with collectives on all ranks. */
CHECKED enum status blend_prepare(struct blend *blend);

/* out[samples, CHUNK]: the scores of a chunk of candidates, at least the wanted ones; with targets
 * those that are close to the target's are exact, as are those of the histories' items with `repeats`.
 */
void blend_chunk(struct blend *blend, const struct chunk *chunk, int thread, real *out);

/* The score of candidate i by double precision. */
real blend_exact(const struct blend *blend, int64_t t, int64_t i);

/* Whose score in the thread's last chunk is below this has an exact score below `score`. */
real blend_least(const struct blend *blend, int thread, int64_t t, real score);

#endif
