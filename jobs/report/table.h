/* A report as Markdown: settings beside figures, and beside costs. Not collective. */
#ifndef JOBS_REPORT_TABLE_H
#define JOBS_REPORT_TABLE_H
#include "jobs/report/entries.h"

/* Percent, mean and standard deviation over the runs of a group; a row for each split, protocol and
 * group that has figures, of those on one data set the best ones bold, and one for each run that does
 * not count. `split` < 0: both. */
void table_print_figures(const struct entry *run, int n, int groups,
                         const struct result_request *request, int split);

/* The settings of a row, as the columns on the left, and their head, whose number of columns it
 * returns; the name of a figure, and those of all. Other tables of the report begin alike. */
int table_print_settings_head(const struct entry *run, int n);
void table_print_settings(const struct entry *run, int n, const struct entry *row);
void table_print_rule(int columns);
void table_print_metric(const char *name, const struct numbers *cutoffs);
void table_print_metrics(const struct run_result *first, const struct result_request *request);

/* Has each domain its own best epoch in a group's figures? */
bool table_is_per_domain(const struct entry *run, int n, int g);

/* The first run of a group; of those that have figures, the first one. */
const struct entry *table_first_of(const struct entry *run, int g);
const struct run_result *table_first_figures(const struct entry *run, int n);

/* Per group: epochs, seconds per epoch and memory. */
void table_print_costs(const struct entry *run, int n, int groups);

#endif
