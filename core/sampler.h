/* Draws the negatives of the sampled loss from a range of items, with repetition: uniformly, or
 * with probability proportional to events^alpha, the item's training events (word2vec's unigram
 * distribution: Mikolov et al., 2013), or from a pool, such as the targets of a batch. A draw is a
 * pure function of (key, counter). Not collective; all ranks hold the same. A NULL sampler is a
 * uniform one. */
#ifndef CORE_SAMPLER_H
#define CORE_SAMPLER_H
#include <stdint.h>

struct sampler {
    double *cumulative; /* [items + 1] sums of the weights; NULL: uniform */
    int32_t *pool;      /* [pool_items] ascending, repetitions count; NULL: none */
    int64_t pool_items;
};

/* `events` [items], NULL: uniform. Items without events are drawn only from a range that has none
 * with. */
void sampler_open(struct sampler *sampler, int64_t items, const int32_t *events, double alpha);
/* From now on draw from copies of these `n` items, in any order: an item is as probable as it is
 * frequent, in the pool. A range without any is drawn from as before. sampler_log_probability does
 * not change: the pool is taken for a sample of what the weights say. */
void sampler_pool(struct sampler *sampler, const int32_t *items, int64_t n);
void sampler_close(struct sampler *sampler); /* zeroes it */

/* An item of [lo, hi), lo < hi. */
int32_t sampler_draw(const struct sampler *sampler, int64_t lo, int64_t hi, uint64_t key,
                     uint64_t counter);

/* log of the probability that a draw from [lo, hi) gives `item`. */
double sampler_log_probability(const struct sampler *sampler, int64_t lo, int64_t hi, int32_t item);

#endif
