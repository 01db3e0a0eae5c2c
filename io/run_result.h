/* A run read back from its directory: config.yaml, log.jsonl and metrics.json. Not collective. */
#ifndef IO_RUN_RESULT_H
#define IO_RUN_RESULT_H
#include "core/options.h"
#include "core/status.h"
#include <jansson.h>
#include <stdbool.h>

enum { RESULT_SPLITS = 2, RESULT_DOMAINS = 3, RESULT_METRICS = 8, RESULT_EVALUATIONS = 8 };
enum { RESULT_FULL, RESULT_SAMPLED, RESULT_CANDIDATES };

/* What is to be read. */
struct result_request {
    char *metric[RESULT_METRICS]; /* as metrics.json has them; "ndcg": at the last cut-off */
    int metrics;
    char *evaluation[RESULT_EVALUATIONS]; /* files of the run directory that evaluate wrote */
    int evaluations;
    char *together[RESULT_EVALUATIONS]; /* files of ranks by several runs together */
    int togethers;
};

/* The targets of one split under one protocol. */
struct result_figures {
    bool present;
    double value[RESULT_DOMAINS][RESULT_METRICS]; /* fractions; NaN: not there */
};

enum { RESULT_HASH = 65, RESULT_TIME = 32, RESULT_FAULT = 320 };

struct run_result {
    struct config config;
    char started[RESULT_TIME];                               /* the first time, "": not known */
    char dataset_hash[RESULT_HASH], items_hash[RESULT_HASH]; /* "": not known */
    char fault[RESULT_FAULT]; /* "": finished and VALID; else, in words, why it does not count */
    char label[RESULT_DOMAINS][OPTION_NAME];  /* the two domains, "all"; "" without figures */
    bool history_excluded[RESULT_CANDIDATES]; /* of training's figures, not of evaluations */
    /* by split (valid, test), candidates (full, sampled), and whether the history is excluded */
    struct result_figures figures[RESULT_SPLITS][RESULT_CANDIDATES][2];
    bool per_domain;       /* the targets of each domain are ranked with its own best epoch */
    int64_t best_epoch[2]; /* by domain, one twice unless per_domain */
    int64_t epochs;
    double epoch_seconds, peak_rss_mb; /* of training; NaN: not known */
};

extern const char *const result_split_names[RESULT_SPLITS];
extern const char *const result_candidate_names[RESULT_CANDIDATES];

/* A run that goes on, failed or was stopped has a fault and no figures. An evaluation that is not
 * there is warned of. STATUS_IO for a directory without a run, STATUS_INPUT for a file that is not
 * what a run wrote. */
CHECKED enum status run_result_read(const char *directory, const struct result_request *request,
                                    struct run_result *result);

/* metrics.json whole, to be given to json_decref; *root is NULL where the run has none yet.
 * STATUS_INPUT, with a line said, for a file that is no metrics. */
CHECKED enum status run_result_metrics(const char *directory, json_t **root);

/* What the log says of one epoch. */
struct curve_point {
    int64_t epoch;
    int64_t step, steps;          /* the last one; those that were logged */
    double loss;                  /* their mean; NaN: of none */
    double value[RESULT_DOMAINS]; /* a figure of the validation split; NaN: not evaluated */
};

/* The epochs of the run's log in their order, with a figure (as in result_request) of the full
 * candidates where there are any; mem_free *points. A last line that was cut off is left out, and so is
 * what a run that goes on did a second time. */
CHECKED enum status run_result_curve(const char *directory, const char *metric,
                                     const struct numbers *cutoffs, struct curve_point **points,
                                     int64_t *count);

#endif
