/* Whether the memory for a fit in closed form is there, before any of it is taken. */
#ifndef JOBS_ENGINE_FIT_MEMORY_H
#define JOBS_ENGINE_FIT_MEMORY_H
#include "core/models/model.h"
#include "io/dataset.h"

/* Collective. Of the model of `config` on the items of `catalogue`: STATUS_INPUT, with a line that
 * says what is missing, when a node has less free than its ranks will take or a limit of the address
 * space stands in the way. A model that is trained by steps passes. */
CHECKED enum status fit_memory_check(const struct comm *comm, const struct config *config,
                                     const struct dataset *dataset,
                                     const struct catalogue *catalogue);

#endif
