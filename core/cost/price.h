/* What a training target costs a rank, for dealing sequences to ranks: measured on a dry tape, so
 * that there is no second description of the model. Not collective: the same on all ranks, whatever
 * their number. */
#ifndef CORE_COST_PRICE_H
#define CORE_COST_PRICE_H
#include "core/models/model.h"

/* Operations that one more target in stream s and of domain d takes. */
struct target_price {
    int64_t target[STREAMS][DOMAINS];
};

/* Of a declared model. Candidates that are shared out cost all ranks the same, whose target it is,
 * and are left out. */
struct target_price price_targets(const struct model *model);

/* Of a sequence with count[s][d] targets (batch_count_targets), > 0. */
int64_t price_sequence(const struct target_price *price, const int64_t count[STREAMS][DOMAINS]);

#endif
