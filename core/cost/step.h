/* What one step of training, or one batch of a ranking, takes of a rank: the model runs on a dry
 * tape (core/tape.h), so that there is no second description of it. Not collective.
 *
 * The model is declared, not created: core/models/model.h. Its feature tables need not be there,
 * only their widths; of the tags the offsets are read. */
#ifndef CORE_COST_STEP_H
#define CORE_COST_STEP_H
#include "core/batch.h"
#include "core/models/model.h"

/* The other ranks of a plan for `ranks` of them, which hold what this one holds: nothing is sent.
 * For struct catalogue; *ranks outlives it. */
struct collectives cost_collectives(const int *ranks);

struct cost_step {
    int64_t most;                  /* bytes on the tape at its fullest */
    int64_t activations;           /* bytes on it when backward has ended */
    int64_t tiles;                 /* bytes, the most that a loss takes for itself */
    int64_t set_rows;              /* items whose rows the rank looks up */
    int64_t whole_rows;            /* and those of the whole batch, whose rows are frozen */
    int64_t union_rows;            /* of the item sets of all ranks */
    int64_t users;                 /* of all ranks */
    double shared;                 /* bytes of states, of rows made in parts and of the gradients of
                                      both that ranks exchange */
    struct tape_work work[PHASES]; /* of this rank */
};

/* `share` is what this rank works on of the batch `all`, one of `shares`. */
void cost_step_run(struct model *model, const struct batch *share, const struct batch *all,
                   int shares, struct cost_step *step);

/* Bytes that ranking the histories of a batch takes, whose targets lie in one domain, beside the
 * parameters and features: rows of all items that are computed, states, and the ranking's own. */
int64_t cost_ranking(struct model *model, const struct batch *histories, int domain);

#endif
