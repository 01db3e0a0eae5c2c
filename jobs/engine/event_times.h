/* When the events of the training were (core/clock.h). */
#ifndef JOBS_ENGINE_EVENT_TIMES_H
#define JOBS_ENGINE_EVENT_TIMES_H
#include "core/clock.h"
#include "core/options.h"
#include "io/dataset.h"

/* Collective; the same on all ranks, whatever their number. The knots of a data set: moments that part
 * the training events into equal numbers. None where the times are not those of one clock: there are
 * none, or at least half of the training sequences begin at the first moment of all, as where times are
 * places in a user's sequence. */
CHECKED enum status event_times_clock(const struct comm *comm, const struct dataset *dataset,
                                      struct clock *clock);

/* Collective. For a training: model.time=auto becomes what the data set allows, and `clock` has knots if
 * states are to change with time. STATUS_INPUT where they should and the times are not known. */
CHECKED enum status event_times_settle(const struct comm *comm, const struct dataset *dataset,
                                       struct config *config, struct clock *clock);

#endif
