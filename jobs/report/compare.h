/* Settings compared target by target: how much better one is than another, and how sure that is.
 * Not collective. */
#ifndef JOBS_REPORT_COMPARE_H
#define JOBS_REPORT_COMPARE_H
#include "jobs/report/entries.h"
#include "jobs/report/grid.h"

/* The differences of each group's figures from those of the first group on the same data
 * set, for targets that both have ranked, each group's figure of a target being the mean over its
 * runs. With each the interval of jobs/report/bootstrap.h, which says nothing of other seeds. With `own`
 * the first group has a row too, of its figures themselves. The grid has no rows where nothing can be
 * compared. Files of request->together have rows too, compared with the first group. Ranks come from
 * ranks.h5 of the runs, and for each FILE.json of the request from FILE.h5 beside it. `split` < 0: both.
 * STATUS_INPUT for a file of ranks that is none. */
CHECKED enum status compare_groups(struct grid *grid, const struct entry *run, int n, int groups,
                                   const struct result_request *request, int split, bool own);

/* What stands under that table. */
#define COMPARE_NOTE                                                                               \
    "Percent: difference from the first settings of the same data set, target by target, each "    \
    "the "                                                                                         \
    "mean over its runs; 95 % interval by bootstrap over users; *: without 0."

#endif
