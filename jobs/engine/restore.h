/* The parameters of a checkpoint for the model of an open run, whose data set may have other items
 * than the one they were trained on. */
#ifndef JOBS_ENGINE_RESTORE_H
#define JOBS_ENGINE_RESTORE_H
#include "jobs/engine/run.h"

enum restore_items {
    RESTORE_SAME,   /* other items, or the same in another order, are refused */
    RESTORE_BY_KEY, /* their rows of item tables are found by their keys */
    RESTORE_CARRY /* the same for training, whose model is initialised; a file without keys goes */
};

/* Collective. Read `path`, which is verified. A model without an item table takes any items. Where
 * rows are found by keys, run->by_key and run->item_counts say so, and the items that the
 * checkpoint does not know have the rows that a new training would give them. Where file or data
 * set has no keys, row i is item i's; there is a warning unless they belong together.
 * STATUS_INPUT for items that are refused, naming the first that differs. */
CHECKED enum status restore_params(struct run *run, const char *path, enum restore_items items);

/* Collective. Where train.init names a file, its parameters in place of the initial ones; it is
 * verified first, and the log says what became of item rows that were found by keys. Errors as
 * above. */
CHECKED enum status restore_init(struct run *run);

#endif
