/* Sequences as the cost of a step sees them: how many, how long, with which targets. Not
 * collective.
 *
 * Letters of the folder: T tokens of a stream, P = sum over sequences of L (L + 1) / 2, d the width
 * of a term, nb blocks, C candidates of a softmax, N items, K negatives, R ranks. */
#ifndef CORE_COST_LOAD_H
#define CORE_COST_LOAD_H
#include "core/batch.h"

/* A training sequence: tokens of its streams, and those that are targets by domain. */
struct cost_sequence {
    int64_t tokens[STREAMS], targets[STREAMS][2];
};

/* Of a batch of batch_train, or of batch_mixed if `mixed` (model_takes_mixed). */
void cost_sequence_count(struct cost_sequence *sequence, const int32_t *items, int64_t length,
                         int64_t x_items, int64_t max_len, bool mixed);

/* Sequences of a batch, of one rank's share of it, or of histories to be ranked. */
struct cost_load {
    int64_t samples;
    int64_t sequences[STREAMS], tokens[STREAMS], pairs[STREAMS]; /* those that are not empty; P */
    int64_t targets[STREAMS][2];                                 /* by domain */
    int64_t ranked[2];  /* histories by their target's domain */
    int64_t contrasted; /* items of the whole batch that the contrast is over; 0: not counted */
};

/* Add a training sequence; a batch of them; a history, whose last item is its target. */
void cost_load_add(struct cost_load *load, const struct cost_sequence *sequence);
void cost_load_add_batch(struct cost_load *load, const struct batch *batch, int64_t x_items);
void cost_load_add_history(struct cost_load *load, const int32_t *items, int64_t length,
                           int64_t x_items, int64_t max_len);
void cost_load_join(struct cost_load *load, const struct cost_load *other);

#endif
