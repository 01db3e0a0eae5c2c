/* From prompt to metric: what the figures of a run were made of, as text. Not collective. */
#ifndef JOBS_REPORT_PROVENANCE_H
#define JOBS_REPORT_PROVENANCE_H
#include "jobs/report/entries.h"
#include <stdio.h>

/* Of each run: the figures of the request, data set and tables, and under each table, level by level,
 * what it was made of, as metrics.json has it. What an older run did not keep is said of each table.
 * `split` < 0: both. STATUS_INPUT, after the others, for a metrics.json that is none. */
CHECKED enum status provenance_print(FILE *file, const struct entry *run, int n,
                                     const struct result_request *request, int split);

/* Of one run: the data set and the tables alone; the machine and the versions that it ran with. Nothing of
 * a run that has not come to an end. */
CHECKED enum status provenance_print_sources(FILE *file, const struct entry *run);
CHECKED enum status provenance_print_program(FILE *file, const struct entry *run);

#endif
