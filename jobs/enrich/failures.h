/* Requests that failed for good: noted on the rank that asked, listed on rank 0. */
#ifndef JOBS_ENRICH_FAILURES_H
#define JOBS_ENRICH_FAILURES_H
#include "core/status.h"
#include "io/dataset.h"
#include "io/string_list.h"
#include "mpi/comm.h"

struct failures {
    struct string_list lines; /* "ITEM TAB REASON" */
};

/* Not collective. The reason becomes one printable line. */
void failures_add(struct failures *failures, int64_t item, const char *reason);
void failures_free(struct failures *failures); /* safe on a zeroed object; zeroes it */

/* Collective. A warning each for the first few, by the items' keys, and where `path` is not NULL a
 * file of all, a line "KEY TAB REASON" each; it takes the place of another one. */
CHECKED enum status failures_list(const struct comm *comm, const struct failures *failures,
                                  const struct dataset *dataset, const char *path);

#endif
