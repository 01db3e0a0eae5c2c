/* The results of a run, for programs and for humans. Not collective. */
#ifndef IO_REPORT_RESULTS_H
#define IO_REPORT_RESULTS_H
#include "core/options.h"
#include "core/repeats.h"
#include "io/checkpoint.h"
#include "io/dataset.h"
#include "io/item_map.h"
#include "io/report_json.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* One of several runs whose scores are averaged. */
struct report_run {
    const struct checkpoint_choice *choice;
    const struct config *config;
    json_t *const *provenance;        /* as in struct report_results, as is ... */
    const struct item_counts *by_key; /* ... this and ... */
    const struct repeats *repeats;    /* ... this */
};

struct report_results {
    const struct config *config; /* of several runs: of the first, whose protocol counts */
    const struct report_run
        *run; /* [runs] whose scores were averaged; NULL: the model is one run's */
    int runs;
    const struct dataset *dataset;
    json_t *const
        *provenance; /* by modality, of its table (io/provenance.h) or NULL; NULL: of none */
    const struct item_counts *by_key; /* NULL: the items are those of the training */
    const struct repeats *repeats;    /* in its sequences, where model.repeats counts them */
    int ranks, threads;
    struct report_scores model[SPLITS], popularity[SPLITS]; /* by enum split; train stays empty */
    bool per_domain;       /* of a run at least each domain has its own best epoch */
    int64_t best_epoch[2]; /* by domain, one twice unless per_domain; 0: not known */
    double best_metric[2]; /* the figure of protocol_select at that epoch, if it is above 0 */
    int64_t epochs;        /* done */
    double train_seconds, eval_seconds, io_seconds; /* of this process, ... */
    double timed_epochs;                            /* ... which trained so many epochs */
    double peak_rss_mb;                             /* largest of the ranks, report_peak_rss_mb */
    bool valid;                                     /* as far as the caller knows */
    char reason[256];                               /* why not valid */
};

/* A figure as results have it: four digits, or "-" for NaN. */
enum { REPORT_FIGURE = 32 };
const char *report_figure(double x, char text[REPORT_FIGURE]);

/* "repeats: 0.71 % of A's training targets, 0.00 % of B's", of the domains that the data set has. */
enum { REPORT_REPEATS = 4 * OPTION_NAME };
const char *report_repeats(const struct repeats *repeats, const struct dataset *dataset,
                           char text[REPORT_REPEATS]);

/* Text of metrics.json (schema 1); the caller frees it with mem_free. */
char *report_metrics_text(const struct report_results *results);

/* The table for humans, whose last line is VALID or INVALID: why. Valid are results that the caller
 * calls valid, with something evaluated and every held-out sequence ranked whose target has another
 * candidate; the last line says if some have none. */
void report_print_results(FILE *file, const struct report_results *results);

#endif
