#include "core/metrics.h"
#include "tests/balanced.h"
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

BALANCED(metrics);

static const struct numbers cutoffs = {3, {1, 5, 10}};
static const struct figure mrr = {FIGURE_MRR, 0};

/* Sums of a handful of terms below 1 */
static void near(double got, double want, const char *what) {
    cr_expect(fabs(got - want) <= 8 * DBL_EPSILON, "%s: %.17g, not %.17g", what, got, want);
}

Test(metrics, rank_without_ties) {
    cr_expect_eq(metrics_rank(0, 0, TIES_MEAN), 1);
    cr_expect_eq(metrics_rank(7, 0, TIES_MEAN), 8);
    cr_expect_eq(metrics_rank(7, 0, TIES_OPTIMISTIC), 8);
    cr_expect_eq(metrics_rank(7, 0, TIES_PESSIMISTIC), 8);
}

/* Three others share the score: places 8 to 11. */
Test(metrics, rank_with_ties) {
    cr_expect_eq(metrics_rank(7, 3, TIES_OPTIMISTIC), 8);
    cr_expect_eq(metrics_rank(7, 3, TIES_MEAN), 9.5);
    cr_expect_eq(metrics_rank(7, 3, TIES_PESSIMISTIC), 11);
}

/* Domain 0: ranks 1, 3, 20; domain 1: ranks 2, 10. */
Test(metrics, by_hand) {
    static const struct metrics_place place[] = {
        {1, 30, 0}, {2, 30, 1}, {3, 30, 0}, {20, 30, 0}, {10, 30, 1}};
    struct metrics_table t;
    metrics_compute(place, 5, 0, &cutoffs, &mrr, &t);
    cr_expect(t.domain[0].count == 3 && t.domain[1].count == 2 && t.all.count == 5);
    near(t.domain[0].mrr, (1 + 1 / 3.0 + 1 / 20.0) / 3, "mrr 0");
    near(t.domain[1].mrr, (1 / 2.0 + 1 / 10.0) / 2, "mrr 1");
    near(t.all.mrr, (1 + 1 / 3.0 + 1 / 20.0 + 1 / 2.0 + 1 / 10.0) / 5, "mrr");
    near(t.domain[0].hr[0], 1 / 3.0, "hr@1");
    near(t.domain[0].hr[1], 2 / 3.0, "hr@5");
    near(t.domain[0].hr[2], 2 / 3.0, "hr@10");
    near(t.domain[1].hr[0], 0, "hr@1 of 1");
    near(t.domain[1].hr[2], 1, "hr@10 of 1");
    near(t.all.hr[2], 4 / 5.0, "hr@10 of all");
    near(t.domain[0].ndcg[0], 1 / 3.0, "ndcg@1");
    near(t.domain[0].ndcg[1], (1 + 0.5) / 3, "ndcg@5"); /* log2(4) = 2 */
    near(t.domain[1].ndcg[2], (1 / log2(3) + 1 / log2(11)) / 2, "ndcg@10 of 1");
    near(t.all.ndcg[1], (1 + 0.5 + 1 / log2(3)) / 5, "ndcg@5 of all");
}

/* A mean rank of 1.5 misses the first place, and lies between ranks 1 and 2. */
Test(metrics, half_ranks) {
    static const struct metrics_place place[] = {{1.5, 30, 0}, {10.5, 30, 0}};
    struct metrics_table t;
    metrics_compute(place, 2, 0, &cutoffs, &mrr, &t);
    near(t.all.mrr, (1 / 1.5 + 1 / 10.5) / 2, "mrr");
    near(t.all.hr[0], 0, "hr@1");
    near(t.all.hr[1], 0.5, "hr@5");
    near(t.all.hr[2], 0.5, "hr@10");
    near(t.all.ndcg[2], 1 / log2(2.5) / 2, "ndcg@10");
}

Test(metrics, nothing_has_no_figure) {
    struct metrics_table t;
    metrics_compute(NULL, 0, 999, &cutoffs, &mrr, &t);
    cr_expect(t.all.count == 0 && isnan(t.all.mrr) && isnan(t.all.hr[2]) && isnan(t.all.ndcg[2]));
    cr_expect(t.all.unranked == 0 && t.all.fewer == 0 && t.all.fewest == -1);
    metrics_compute(&(struct metrics_place){1, 7, 1}, 1, 0, &cutoffs, &mrr, &t);
    cr_expect(t.domain[0].count == 0 && isnan(t.domain[0].mrr));
    cr_expect_eq(t.domain[1].mrr, 1);
    cr_expect_eq(t.all.mrr, 1);
    cr_expect(isnan(t.domain[0].select));
}

/* Of 9 others that were wanted: 9, 9, 4 and none, whose target is not the first of one. */
Test(metrics, too_few_candidates) {
    static const struct metrics_place place[] = {{4, 9, 0}, {1, 0, 1}, {2, 4, 0}, {1, 9, 0}};
    struct metrics_table t;
    metrics_compute(place, 4, 9, &cutoffs, &mrr, &t);
    cr_expect(t.all.count == 3 && t.all.unranked == 1 && t.all.fewer == 2 && t.all.fewest == 0);
    near(t.all.mrr, (1 / 4.0 + 1 / 2.0 + 1) / 3, "mrr");
    cr_expect(t.domain[0].count == 3 && t.domain[0].unranked == 0);
    cr_expect(t.domain[0].fewer == 1 && t.domain[0].fewest == 4);
    cr_expect(t.domain[1].count == 0 && t.domain[1].unranked == 1 && isnan(t.domain[1].mrr));
    metrics_compute(place, 4, 0, &cutoffs, &mrr, &t);
    cr_expect(t.all.fewer == 0 && t.all.unranked == 1);
}

/* Its cut-off need not be one of the others. */
Test(metrics, selection) {
    static const struct metrics_place place[] = {{1, 30, 0}, {7, 30, 1}, {15, 30, 0}};
    static const struct figure ndcg = {FIGURE_NDCG, 7}, hr = {FIGURE_HR, 6};
    struct metrics_table t;
    metrics_compute(place, 3, 0, &cutoffs, &mrr, &t);
    cr_expect_eq(t.all.select, t.all.mrr);
    metrics_compute(place, 3, 0, &cutoffs, &ndcg, &t);
    near(t.all.select, (1 + 1 / 3.0) / 3, "ndcg@7");
    near(t.domain[1].select, 1 / 3.0, "ndcg@7 of 1");
    metrics_compute(place, 3, 0, &cutoffs, &hr, &t);
    near(t.all.select, 1 / 3.0, "hr@6");
}
