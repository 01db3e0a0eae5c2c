/* How often the targets of a data set's training sequences repeat. */
#ifndef JOBS_ENGINE_REPEATS_H
#define JOBS_ENGINE_REPEATS_H
#include "core/repeats.h"
#include "io/dataset.h"

/* Collective. Of whole sequences, as they are stored; the same on all ranks, whatever their number. */
CHECKED enum status repeats_count(const struct comm *comm, const struct dataset *dataset,
                                  struct repeats *repeats);

#endif
