/* Settings beside figures, and beside costs. Not collective. */
#ifndef JOBS_REPORT_TABLE_H
#define JOBS_REPORT_TABLE_H
#include "jobs/report/entries.h"
#include "jobs/report/grid.h"

/* Percent, mean and standard deviation over the runs of a group; a row for each split, protocol and
 * group that has figures, of those on one data set the best ones bold, and one for each run that does
 * not count. `split` < 0: both. */
void table_figures(struct grid *grid, const struct entry *run, int n, int groups,
                   const struct result_request *request, int split);

/* What stands under that table. */
#define TABLE_NOTE                                                                                 \
    "Percent; mean ± standard deviation over runs that differ in the seed alone. The user's "     \
    "history is among the candidates unless it says 'history excluded'. Bold: the best on a data " \
    "set, and what is below it by no more than the root of both variances."

/* Per group: epochs, seconds per epoch and memory. */
void table_costs(struct grid *grid, const struct entry *run, int n, int groups);

/* Every run, the faults of those that do not count among them; and each group's settings that are not its
 * model's defaults. */
void table_runs(struct grid *grid, const struct entry *run, int n);
void table_all_settings(struct grid *grid, const struct entry *run, int n, int groups);

/* The settings that tell a row from the others, as `key=value` with spaces between, "" where none do; the
 * caller frees it with mem_free. */
char *table_settings_text(const struct entry *run, int n, const struct entry *row);

/* The columns on the left, which name a row by its settings, and those of all figures. Other tables of
 * the report begin alike. */
void table_settings_head(struct grid *grid, const struct entry *run, int n);
void table_settings(struct grid *grid, const struct entry *run, int n, const struct entry *row);
void table_metrics(struct grid *grid, const struct run_result *first,
                   const struct result_request *request);

/* The name of a figure, in `text`; of a domain, or of all. */
enum { TABLE_METRIC = 64 };
const char *table_metric(const char *name, const struct numbers *cutoffs, char text[TABLE_METRIC]);
const char *table_domain(const struct run_result *first, int domain);

/* Has each domain its own best epoch in a group's figures? */
bool table_is_per_domain(const struct entry *run, int n, int g);

/* The first run of a group; of those that have figures, the first one. */
const struct entry *table_first_of(const struct entry *run, int g);
const struct run_result *table_first_figures(const struct entry *run, int n);

#endif
