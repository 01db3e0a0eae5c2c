/* What a rank is worth: its reciprocal, or gain or hit up to a cut-off k. The figures of many ranks are
 * means of it. Not collective.
 *
 *   mrr      1 / rank
 *   ndcg@k   1 / log2(1 + rank) up to rank k, else 0: one target is relevant, so that the ideal is 1
 *   hr@k     1 up to rank k, else 0
 */
#ifndef CORE_FIGURE_H
#define CORE_FIGURE_H
#include <stdbool.h>

enum { FIGURE_NAME = 32 };

enum figure_kind { FIGURE_MRR, FIGURE_NDCG, FIGURE_HR };

struct figure {
    enum figure_kind kind;
    double cutoff; /* of ndcg and hr */
};

/* "mrr", "ndcg@K", "hr@K"; without @K the cut-off is `cutoff`. False: `name` is none of them. */
bool figure_read(const char *name, double cutoff, struct figure *figure);

/* The name, with its cut-off. */
void figure_print(const struct figure *figure, char name[FIGURE_NAME]);

/* NaN of a rank that is NaN. */
double figure_of_rank(const struct figure *figure, double rank);

#endif
