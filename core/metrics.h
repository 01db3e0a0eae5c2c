/* Ranking metrics of a list of ranks (MRR without cut-off, NDCG@k, HR@k). Not collective.
 */
#ifndef CORE_METRICS_H
#define CORE_METRICS_H
#include "core/figure.h"
#include "core/options.h"
#include <stdbool.h>
#include <stdint.h>

/* A target among the candidates of its domain, 0 or 1. Without any other candidate it has no rank.
 */
struct metrics_place {
    double rank; /* 1 = best; halves and the like come from mean ties */
    int64_t others;
    int domain;
    bool tied; /* it shares its score with another candidate */
};

struct metrics {
    int64_t count;                                  /* targets that have a rank */
    double mrr, ndcg[OPTION_LIST], hr[OPTION_LIST]; /* of them; by cut-off; fractions */
    double select;                                  /* the figure that model selection maximises */
    int64_t tied;     /* of them, those that share their score: eval.ties decides their rank */
    int64_t unranked; /* targets without a rank */
    int64_t fewest;   /* other candidates that a target has; of no targets: -1 */
    int64_t fewer;    /* targets that have fewer of them than wanted */
};

/* Per domain of the target and over all. */
struct metrics_table {
    struct metrics domain[2], all;
};

/* Figures of `n` targets of which each was to have `wanted` other candidates (0: any number),
 * summed in the given order: those of all cut-offs, and `select`. Of no ranked target they are NaN. */
void metrics_compute(const struct metrics_place *place, int64_t n, int64_t wanted,
                     const struct numbers *cutoffs, const struct figure *select,
                     struct metrics_table *out);

/* Rank of a score with `above` better and `equal` other equal candidates. */
double metrics_rank(int64_t above, int64_t equal, int ties);

#endif
