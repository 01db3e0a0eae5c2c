#include "core/metrics.h"
#include <math.h>

double metrics_rank(int64_t above, int64_t equal, int ties) {
    double among = ties == TIES_OPTIMISTIC ? 0 : ties == TIES_PESSIMISTIC ? 1 : 0.5;
    return 1 + (double)above + among * (double)equal;
}

static void add_rank(struct metrics *m, const struct metrics_place *place,
                     const struct numbers *cutoffs) {
    double rank = place->rank;
    m->count++;
    m->tied += place->tied;
    m->mrr += 1 / rank;
    for (int k = 0; k < cutoffs->count; k++)
        if (rank <= cutoffs->value[k]) {
            m->hr[k]++;
            m->ndcg[k] += 1 / log2(rank + 1);
        }
}

static void add(struct metrics *m, const struct metrics_place *place, int64_t wanted,
                const struct numbers *cutoffs) {
    if (m->fewest < 0 || place->others < m->fewest)
        m->fewest = place->others;
    m->fewer += place->others < wanted;
    if (place->others > 0)
        add_rank(m, place, cutoffs);
    else
        m->unranked++;
}

static void divide(struct metrics *m, const struct numbers *cutoffs) {
    double n = m->count ? (double)m->count : NAN;
    m->mrr /= n;
    for (int k = 0; k < cutoffs->count; k++)
        m->hr[k] /= n, m->ndcg[k] /= n;
}

void metrics_compute(const struct metrics_place *place, int64_t n, int64_t wanted,
                     const struct numbers *cutoffs, struct metrics_table *out) {
    *out = (struct metrics_table){{{.fewest = -1}, {.fewest = -1}}, {.fewest = -1}};
    for (int64_t i = 0; i < n; i++) {
        add(&out->domain[place[i].domain], &place[i], wanted, cutoffs);
        add(&out->all, &place[i], wanted, cutoffs);
    }
    divide(&out->domain[0], cutoffs);
    divide(&out->domain[1], cutoffs);
    divide(&out->all, cutoffs);
}

double metrics_select(const struct metrics *metrics, const struct numbers *cutoffs, int select) {
    int last = cutoffs->count - 1;
    return select == SELECT_NDCG ? metrics->ndcg[last]
           : select == SELECT_HR ? metrics->hr[last]
                                 : metrics->mrr;
}
