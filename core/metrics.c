#include "core/metrics.h"
#include <math.h>

double metrics_rank(int64_t above, int64_t equal, int ties) {
    double among = ties == TIES_OPTIMISTIC ? 0 : ties == TIES_PESSIMISTIC ? 1 : 0.5;
    return 1 + (double)above + among * (double)equal;
}

/* The figures that are wanted of each rank. */
struct wanted {
    const struct numbers *cutoffs;
    const struct figure *select;
    int64_t candidates; /* beside the target; 0: any number */
};

static void add_rank(struct metrics *m, const struct metrics_place *place,
                     const struct wanted *wanted) {
    m->count++;
    m->tied += place->tied;
    m->mrr += figure_of_rank(&(struct figure){FIGURE_MRR, 0}, place->rank);
    m->select += figure_of_rank(wanted->select, place->rank);
    for (int k = 0; k < wanted->cutoffs->count; k++) {
        double cutoff = wanted->cutoffs->value[k];
        m->hr[k] += figure_of_rank(&(struct figure){FIGURE_HR, cutoff}, place->rank);
        m->ndcg[k] += figure_of_rank(&(struct figure){FIGURE_NDCG, cutoff}, place->rank);
    }
}

static void add(struct metrics *m, const struct metrics_place *place, const struct wanted *wanted) {
    if (m->fewest < 0 || place->others < m->fewest)
        m->fewest = place->others;
    m->fewer += place->others < wanted->candidates;
    if (place->others > 0)
        add_rank(m, place, wanted);
    else
        m->unranked++;
}

static void divide(struct metrics *m, const struct numbers *cutoffs) {
    double n = m->count ? (double)m->count : NAN;
    m->mrr /= n;
    m->select /= n;
    for (int k = 0; k < cutoffs->count; k++)
        m->hr[k] /= n, m->ndcg[k] /= n;
}

void metrics_compute(const struct metrics_place *place, int64_t n, int64_t wanted,
                     const struct numbers *cutoffs, const struct figure *select,
                     struct metrics_table *out) {
    struct wanted figures = {cutoffs, select, wanted};
    *out = (struct metrics_table){{{.fewest = -1}, {.fewest = -1}}, {.fewest = -1}};
    for (int64_t i = 0; i < n; i++) {
        add(&out->domain[place[i].domain], &place[i], &figures);
        add(&out->all, &place[i], &figures);
    }
    divide(&out->domain[0], cutoffs);
    divide(&out->domain[1], cutoffs);
    divide(&out->all, cutoffs);
}
