/* Exact evaluation of a split over the full item space: rank 0 coordinates, all ranks work.
 *
 * With eval.exclude_history the items that a sample's history has are no candidates, but for the
 * target; a target without any other candidate has no rank.
 *
 * Samples are dealt to the ranks by cost (items of the target's domain). Each rank ranks its own
 * against all items; rank 0 collects the counts in data set order and computes the metrics, so that
 * they do not depend on the number of ranks. The sampled protocol draws its negatives per sample,
 * keyed by (seed, split, sample). */
#ifndef JOBS_ENGINE_EVALUATION_H
#define JOBS_ENGINE_EVALUATION_H
#include "io/ranks.h"
#include "io/report.h"
#include "io/shard.h"
#include "jobs/engine/run.h"

struct evaluation {
    const struct run *run;
    enum split split;
    int64_t count;         /* samples of the split */
    int shares;            /* ranked one after another on this rank, see evaluation_open */
    struct hand hand;      /* this rank's samples */
    struct tape_work work; /* of this rank in the last evaluation_run */
    double seconds;        /* that it ranked for there, without what came after */
    struct ranks *ranks;   /* NULL, or where rank 0 is to put them in evaluation_run; the owner's */
};

/* Collective. With train.reproducible samples are ranked in REDUCE_SHARES groups, where the ranks
 * divide that, whatever the ranks: the rounding of a score depends on the samples beside it. */
CHECKED enum status evaluation_open(struct evaluation *evaluation, const struct run *run,
                                    enum split split);
void evaluation_close(struct evaluation *evaluation); /* not collective; zeroes it */

/* Collective. Rank with the parameters of a run, those of each domain where it has two (run_turn), or of
 * `count` runs together (jobs/engine/ranker.h); the same result on all ranks. STATUS_FAIL when a
 * score is not finite or the number of ranked samples is not the expected one. */
CHECKED enum status evaluation_run(struct evaluation *evaluation, struct run *runs, int count,
                                   struct report_scores *result);

/* Collective. Rank by popularity, the baseline any model must beat: `events` [items] are the
 * training events of each item. */
CHECKED enum status evaluation_popularity(struct evaluation *evaluation, const int32_t *events,
                                          struct report_scores *result);

/* Collective. `count` runs together and popularity on the validation and test splits; data set and
 * protocol are the first run's; results->per_domain is set. `valid` is what
 * evaluation_run gave for the present parameters on the validation split; NULL: not known. `ranks`: the
 * path of the file (io/ranks.h) that is to hold the runs'; NULL: none. */
CHECKED enum status evaluation_splits(struct run *runs, int count,
                                      const struct report_scores *valid, const char *ranks,
                                      struct report_results *results);

/* The figure that selects the epoch whose parameters rank the targets of a domain (protocol_select): the
 * same for both, or of each its own (options_select_each); where a domain has no target with a rank, the
 * other one's. NaN where there is none at all. */
double evaluation_select(const struct config *config, const struct report_scores *result,
                         int domain);

#endif
