/* The run directory: config.yaml (earlier ones: config.step-N.yaml), log.jsonl (an event per line),
 * metrics.json, result.txt, lock and checkpoints/. Rank 0 alone touches it; the functions may be
 * called on every rank. */
#ifndef IO_REPORT_H
#define IO_REPORT_H
#include "core/models/model.h"
#include "core/options.h"
#include "core/phase.h"
#include "core/status.h"
#include "io/dataset.h"
#include "io/lock.h"
#include "io/report_json.h"
#include "io/report_results.h"
#include "mpi/comm.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What to do with a directory that already holds a run. */
enum report_mode { REPORT_REFUSE, REPORT_RESUME, REPORT_OVERWRITE };

struct report {
    const struct comm *comm;     /* borrowed */
    const struct config *config; /* borrowed */
    enum report_mode mode;
    FILE *log;        /* rank 0 only, from report_begin on */
    struct lock lock; /* of the directory; rank 0 only */
    bool failed;      /* a line could not be written */
};

/* Collective. Look at config->run.dir. Takes the lock (io/lock.h) of a directory that holds a run,
 * until report_close, and changes nothing else. STATUS_INPUT for a directory that another job is at
 * work in, or that holds a run which is neither to be resumed nor overwritten. */
CHECKED enum status report_open(const struct comm *comm, const struct config *config,
                                enum report_mode mode, struct report *report);

/* Collective. Once, when nothing is in the way of the run: makes the directory and checkpoints/ in
 * it, locks it, removes the files of the run that is overwritten and what killed runs left
 * half-written (*.tmp.PID), writes config.yaml of `config`, whose run.dir is the same, and opens
 * the log: anew, or at its end on resume (a last line that was cut off is dropped). A run that goes
 * on after `step` steps with another configuration keeps the one that counted until then as
 * config.step-<step>.yaml. STATUS_INPUT when another job was faster. */
CHECKED enum status report_begin(struct report *report, const struct config *config, int64_t step);

/* Not collective. Safe on a zeroed object. */
void report_close(struct report *report);

/* DIR/NAME, for example of "checkpoints/step-12.h5". */
void report_path(const struct report *report, const char *name, char path[OPTION_PATH]);

/* ---- events, not collective; the line is on its way to the disk when the call returns. A line
 * that cannot be written is a warning, once, and makes report_finish fail. ---- */

struct report_start {
    const struct dataset *dataset;
    int threads;             /* per rank */
    int64_t parameters;      /* learned numbers */
    int64_t steps_per_epoch; /* of the plan */
    int64_t step;            /* done already: not 0 after a resume */
};

struct report_step {
    int64_t step, epoch; /* counted from 1 */
    int losses;
    const struct loss_term *term; /* [losses] */
    const double *loss;           /* [losses] */
    double loss_total;
    double lr, sequences_per_s;
    const struct phases *phases; /* of this step */
};

struct report_eval {
    int64_t step, epoch;
    enum split split;
    const struct dataset *dataset; /* labels of the domains */
    const struct report_scores *scores;
    double select[2];        /* the figure of model selection, for the targets of each domain */
    const char *select_name; /* which that is: protocol_select */
    bool best[2];            /* no earlier epoch had as much */
    double seconds;
};

struct report_checkpoint {
    int64_t step, epoch;
    const char *path;
    double seconds;
};

struct report_end {
    enum status status; /* the job's exit code */
    int64_t step, epoch;
    double seconds;
    const char *reason; /* why it ended: "epochs", "patience", "max_steps", "signal", ... */
};

void report_start(struct report *report, const struct report_start *start);
void report_step(struct report *report, const struct report_step *step);
void report_eval(struct report *report, const struct report_eval *eval);
void report_checkpoint(struct report *report, const struct report_checkpoint *checkpoint);
void report_end(struct report *report, const struct report_end *end);

/* ---- results ---- */

/* Collective. Largest resident memory of any rank so far, in 10^6 bytes. */
double report_peak_rss_mb(const struct comm *comm);

/* Collective. metrics.json and result.txt of the run; fails too if an event was lost. */
CHECKED enum status report_finish(struct report *report, const struct report_results *results);

#endif
