/* The graph of items that follow one another in the training sequences (core/models/successors.h), of
 * the sequences of all ranks. */
#ifndef JOBS_ENGINE_SUCCESSORS_H
#define JOBS_ENGINE_SUCCESSORS_H
#include "core/models/successors.h"
#include "io/dataset.h"

/* Collective; the same on all ranks, each of which reads a block of the sequences and gets the pairs
 * of all. successors_close it. */
CHECKED enum status successors_count(const struct comm *comm, const struct dataset *dataset,
                                     struct successors *successors);

#endif
