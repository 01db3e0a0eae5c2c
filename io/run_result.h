/* A finished run read back from its directory: config.yaml and metrics.json. Not collective. */
#ifndef IO_RUN_RESULT_H
#define IO_RUN_RESULT_H
#include "core/options.h"
#include "core/status.h"
#include <stdbool.h>

enum { RESULT_SPLITS = 2, RESULT_DOMAINS = 3 };
enum { RESULT_FULL, RESULT_SAMPLED, RESULT_CANDIDATES };

/* NDCG at the last cut-off; fractions. */
struct result_figures {
    bool present;
    double mrr, ndcg;
};

struct run_result {
    struct config config;
    char label[RESULT_DOMAINS][OPTION_NAME]; /* the two domains, "all" */
    bool valid;                              /* the verdict */
    bool history_excluded[RESULT_CANDIDATES];
    /* by split (valid, test), candidates (full, sampled), domain */
    struct result_figures figures[RESULT_SPLITS][RESULT_CANDIDATES][RESULT_DOMAINS];
};

extern const char *const result_split_names[RESULT_SPLITS];
extern const char *const result_candidate_names[RESULT_CANDIDATES];

/* STATUS_IO for a file that cannot be read, STATUS_INPUT for one that is not what a run wrote. */
CHECKED enum status run_result_read(const char *directory, struct run_result *result);

/* Validation MRR of one epoch, of the full candidates where there are any. */
struct curve_point {
    int64_t epoch;
    double mrr;
};

/* The `eval` events of the run's log in their order; mem_free *points. A last line that was cut off
 * is left out. */
CHECKED enum status run_result_curve(const char *directory, struct curve_point **points,
                                     int64_t *count);

#endif
