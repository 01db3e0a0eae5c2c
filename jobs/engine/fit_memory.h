/* What a fit in closed form takes, and whether the memory for it is there, before any of it is
 * taken. */
#ifndef JOBS_ENGINE_FIT_MEMORY_H
#define JOBS_ENGINE_FIT_MEMORY_H
#include "core/models/model.h"
#include "io/dataset.h"

/* Not collective. What the fit takes of a rank, of which the pairs of events are not known. */
void fit_memory_cost(const struct model *model, const struct dataset *dataset, int ranks,
                     struct fit_cost *cost);

/* Collective. Of the model of `config` on the items of `catalogue`: STATUS_INPUT, with a line that
 * says what is missing, when a node has less free than its ranks will take or a limit of the address
 * space stands in the way. A model that is trained by steps passes. */
CHECKED enum status fit_memory_check(const struct comm *comm, const struct config *config,
                                     const struct dataset *dataset,
                                     const struct catalogue *catalogue);

#endif
