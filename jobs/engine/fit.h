/* The fit of a model in closed form (core/models/fit.h), with the sequences of all ranks. */
#ifndef JOBS_ENGINE_FIT_H
#define JOBS_ENGINE_FIT_H
#include "jobs/engine/run.h"

/* Collective. Fit run->model to the training sequences. STATUS_FAIL, with a message, when a
 * parameter is not finite or a system of equations cannot be solved. */
CHECKED enum status fit_run(struct run *run);

#endif
