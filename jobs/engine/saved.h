/* Where evaluate and recommend begin: the model that a run directory or a checkpoint holds, or several
 * models that rank together. */
#ifndef JOBS_ENGINE_SAVED_H
#define JOBS_ENGINE_SAVED_H
#include "io/report_results.h"
#include "jobs/engine/ranker.h"
#include "jobs/engine/run.h"
#include "jobs/launch/args.h"

/* What evaluate and recommend take: run directories or checkpoints, key=value pairs, and the option
 * of other items. What has a = with no / before it is a pair, unless it comes first. */
struct saved_request {
    struct args_config config; /* with the first path */
    char *path[RANKER_RUNS];   /* [paths] */
    int paths;
    bool by_key; /* --items-by-key */
};

#define SAVED_ARGS "RUN_DIR|CHECKPOINT.h5... [KEY=VALUE...]"
#define SAVED_DOC                                                                                  \
    "Several runs on the same data set rank together, by the mean over the runs of the logs of "   \
    "their probabilities, which for each user are brought to mean 0 and variance 1 over the "      \
    "items "                                                                                       \
    "of the domain. KEY=VALUE counts for all of them, and otherwise the protocol (eval.*), "       \
    "run.seed, train.placement and train.reproducible of the first. The parameters of all runs "   \
    "are in memory at once."

enum { SAVED_BY_KEY = 0x2000 };
#define SAVED_BY_KEY_HELP                                                                          \
    "Find items by their keys where the data set has others than the training; the rows of new "   \
    "ones are as before a training"

/* For parsers, not collective, as args_config_parse. */
error_t saved_parse(struct saved_request *request, int key, char *arg,
                    const struct argp_state *state);

struct saved {
    int count;
    struct run *run;                  /* [count] */
    struct checkpoint_choice *choice; /* [count]; hashes where the runs are several */
};

/* Collective. Open the model of each path with its parameters: those of a verified checkpoint, or of
 * a run directory's best (else newest) one, as its newest whole one knows it, and where each domain has
 * its own best one both of these (run_turn) (damaged newer ones are
 * warned of; a damaged best one is an error; one that a training removes meanwhile is looked for
 * again); its configuration, then the request's pairs. A file without one (any HDF5 file with /param)
 * takes the defaults, and itself as the data set. Other items than those of the training are refused
 * unless by_key (jobs/engine/restore.h).
 *
 * Of several, all take placement and reproducibility of the first; where its protocol is not a run's
 * own, there is a warning. STATUS_INPUT, naming two of them, where the data sets or the items are not
 * the same or one has the parameters of the other, and for a model that is fitted in closed form, whose
 * scores are no logs of probabilities.
 * On failure nothing stays open. */
CHECKED enum status saved_open(struct comm *comm, const struct saved_request *request,
                               struct saved *saved);
void saved_close(struct saved *saved); /* not collective; zeroes it */

/* Has a run a best epoch of each domain (eval.select_domain of its training)? Not collective. */
bool saved_is_per_domain(const struct saved *saved);

/* What the results say of each of several runs, to be given to mem_free; NULL: there is one. It points
 * to what is open. Not collective. */
struct report_run *saved_describe(const struct saved *saved);

#endif
