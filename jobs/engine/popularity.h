/* How often each item occurs in the training sequences: the baseline of evaluation, and what
 * negatives are drawn by. */
#ifndef JOBS_ENGINE_POPULARITY_H
#define JOBS_ENGINE_POPULARITY_H
#include "io/dataset.h"

/* Collective. *events [items of the catalogue], the same on all ranks, is the caller's: mem_free.
 */
CHECKED enum status popularity_count(const struct comm *comm, const struct dataset *dataset,
                                     int32_t **events);

#endif
