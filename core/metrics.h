/* Ranking metrics of a list of ranks (methods: MRR without cut-off, NDCG@k, HR@k). Not collective.
 */
#ifndef CORE_METRICS_H
#define CORE_METRICS_H
#include "core/options.h"
#include <stdint.h>

struct metrics {
    int64_t count;
    double mrr, ndcg[OPTION_LIST], hr[OPTION_LIST]; /* by cut-off; fractions */
};

/* Per domain of the target and over all. */
struct metrics_table {
    struct metrics domain[2], all;
};

/* Ranks (1 = best; halves and the like come from mean ties) of `n` samples with target domain 0 or
 * 1, summed in the given order. An empty domain has count 0, and NaN for its figures. */
void metrics_compute(const double *rank, const uint8_t *domain, int64_t n,
                     const struct numbers *cutoffs, struct metrics_table *out);

/* Rank of a score with `above` better and `equal` other equal candidates. */
double metrics_rank(int64_t above, int64_t equal, int ties);

/* The figure that model selection maximises; NaN of no targets. */
double metrics_select(const struct metrics *metrics, const struct numbers *cutoffs, int select);

#endif
