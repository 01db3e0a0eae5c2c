#include "core/figure.h"
#include "tests/balanced.h"
#include <criterion/criterion.h>
#include <math.h>

BALANCED(figure);

static void reads(const char *name, enum figure_kind kind, double cutoff, const char *printed) {
    struct figure figure;
    char text[FIGURE_NAME];
    cr_assert(figure_read(name, 10, &figure), "%s", name);
    cr_expect(figure.kind == kind && (kind == FIGURE_MRR || figure.cutoff == cutoff), "%s", name);
    figure_print(&figure, text);
    cr_expect_str_eq(text, printed);
}

Test(figure, names) {
    reads("mrr", FIGURE_MRR, 0, "mrr");
    reads("ndcg", FIGURE_NDCG, 10, "ndcg@10");
    reads("ndcg@100", FIGURE_NDCG, 100, "ndcg@100");
    reads("hr@1", FIGURE_HR, 1, "hr@1");
    reads("hr", FIGURE_HR, 10, "hr@10");
}

Test(figure, other_names) {
    static const char *const none[] = {"",       "m",      "mrr@5",   "mrrr",           "NDCG",
                                       "ndcg@",  "ndcg@0", "ndcg@-1", "hr@1x",          "hr@ 1",
                                       "hr@1.5", "hr@@1",  "ndc",     "hr@99999999999", "ndcg 5"};
    struct figure figure;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        cr_expect(!figure_read(none[i], 10, &figure), "%s", none[i]);
}

Test(figure, of_ranks) {
    static const struct figure mrr = {FIGURE_MRR, 0}, ndcg = {FIGURE_NDCG, 3}, hr = {FIGURE_HR, 3};
    cr_expect_eq(figure_of_rank(&mrr, 4), 0.25);
    cr_expect_eq(figure_of_rank(&ndcg, 1), 1);
    cr_expect_eq(figure_of_rank(&ndcg, 3), 0.5);
    cr_expect_eq(figure_of_rank(&ndcg, 3.5), 0);
    cr_expect_eq(figure_of_rank(&hr, 3), 1);
    cr_expect_eq(figure_of_rank(&hr, 3.5), 0);
    cr_expect(isnan(figure_of_rank(&mrr, NAN)) && isnan(figure_of_rank(&hr, NAN)));
}
