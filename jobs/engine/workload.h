/* The most that a rank works on at once in training with a data set: the largest share of a step,
 * and the largest batch of a ranking. Not collective. */
#ifndef JOBS_ENGINE_WORKLOAD_H
#define JOBS_ENGINE_WORKLOAD_H
#include "core/models/model.h"
#include "io/dataset.h"

struct workload {
    struct batch share;   /* the share with the most tokens ... */
    struct batch step;    /* ... and the step of all ranks that it is of */
    struct batch history; /* histories that a rank ranks at once */
    int domain;           /* of their targets */
};

/* Of a declared model on `ranks` ranks: steps are dealt to `shares` shares as training deals them,
 * and validation targets ranked as evaluation ranks them. `train` and `valid` hold whole splits. */
void workload_find(struct workload *workload, const struct model *model,
                   const struct sequences *train, const struct sequences *valid, int shares,
                   int ranks);

/* Of any declared model the histories alone, in a zeroed object. */
void workload_find_histories(struct workload *workload, const struct model *model,
                             const struct sequences *valid, int ranks);

void workload_free(struct workload *workload); /* safe on a zeroed object, zeroes it */

#endif
