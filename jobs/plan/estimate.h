/* What training takes of a rank: the largest step of the first epoch and the largest ranking
 * (jobs/engine/workload), run on a dry tape (core/cost); or the fit, and that ranking. */
#ifndef JOBS_PLAN_ESTIMATE_H
#define JOBS_PLAN_ESTIMATE_H
#include "core/cost/cost.h"
#include "jobs/plan/data.h"
#include <jansson.h>

enum placement_of_plan { REPLICATED, SHARDED, PLACEMENTS };
extern const char *const placement_names[PLACEMENTS];

struct estimate {
    struct cost_bytes bytes;
    int64_t data, base;  /* bytes of the sequences, and of the process itself with its libraries */
    struct fit_cost fit; /* of a model that is fitted, in place of steps */
    int64_t total;       /* of all these, of fit and evaluation the larger */
    int64_t item_rows;   /* of each item table that are here */
    double sequences;    /* of mean length, which the step of all ranks is worth */
    struct tape_work work[PHASES]; /* of this rank, with the update */
    struct cost_traffic traffic;   /* of the step ... */
    struct cost_traffic hidden;    /* ... and what of it goes on while backward runs */
};

/* Collective, as its messages are one rank's for all. Of rank 0 of the ranks, whose block of the items
 * is the largest, with the batch and the loss of `config`. STATUS_INPUT for a model that cannot be.
 */
CHECKED enum status estimate_make(struct estimate *estimate, const struct comm *comm,
                                  struct plan_data *data, const struct config *config,
                                  enum placement_of_plan placement, struct cost_ranks ranks);

/* The memory by its parts, the last of which is the total. */
enum { ESTIMATE_PARTS = 12 };
extern const char *const estimate_parts[ESTIMATE_PARTS];
int64_t estimate_bytes(const struct estimate *estimate, int part);

/* The caller's: {"bytes": of every part, "traffic_per_step", "messages_per_step"}. */
json_t *estimate_json(const struct estimate *estimate);

#endif
