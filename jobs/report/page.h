/* A report as one page of HTML that needs nothing beside it: no network, no script. Not collective. */
#ifndef JOBS_REPORT_PAGE_H
#define JOBS_REPORT_PAGE_H
#include "jobs/report/entries.h"

enum { PAGE_BENCHES = 32 };

struct page {
    const struct entry *run; /* [n], in their groups */
    int n, groups;
    const struct result_request *request;
    int split;          /* < 0: both */
    char *const *bench; /* [benches]: files of speed.h beside the bench.json of the runs */
    int benches;
};

/* As io/output.h writes files; nothing is written where something cannot be read. */
CHECKED enum status page_write(const char *path, const struct page *page);

#endif
