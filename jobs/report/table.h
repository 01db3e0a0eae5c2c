/* A report as Markdown: settings beside figures, and beside costs. Not collective. */
#ifndef JOBS_REPORT_TABLE_H
#define JOBS_REPORT_TABLE_H
#include "jobs/report/entries.h"

/* Percent, mean and standard deviation over the runs of a group; a row for each split, protocol and
 * group that has figures, and one for each run that does not count. `split` < 0: both. */
void table_print_figures(const struct entry *run, int n, int groups,
                         const struct result_request *request, int split);

/* Per group: epochs, seconds per epoch and memory. */
void table_print_costs(const struct entry *run, int n, int groups);

#endif
