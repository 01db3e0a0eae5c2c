#include "partition/deal.h"
#include <stdlib.h>
#include <string.h>

static int larger_first(const void *a, const void *b, void *costs) {
    const int64_t *cost = costs, i = *(const int64_t *)a, j = *(const int64_t *)b;
    if (cost[i] != cost[j])
        return cost[i] > cost[j] ? -1 : 1;
    return i < j ? -1 : 1;
}

static int least_loaded(const struct deal *deal) {
    int least = 0;
    for (int s = 1; s < deal->shares; s++)
        if (deal->load[s] < deal->load[least])
            least = s;
    return least;
}

void deal_samples(struct deal *deal, const int64_t *cost, int64_t n, int32_t *share) {
    memset(deal->load, 0, (size_t)deal->shares * sizeof *deal->load);
    for (int64_t i = 0; i < n; i++)
        deal->order[i] = i;
    qsort_r(deal->order, (size_t)n, sizeof *deal->order, larger_first, (void *)(uintptr_t)cost);
    for (int64_t k = 0; k < n; k++) {
        int64_t i = deal->order[k];
        share[i] = least_loaded(deal);
        deal->load[share[i]] += cost[i];
    }
}

void deal_weigh(struct deal *deal, const int64_t *weight, int64_t n, const int32_t *share) {
    memset(deal->load, 0, (size_t)deal->shares * sizeof *deal->load);
    for (int64_t i = 0; i < n; i++)
        deal->load[share[i]] += weight[i];
}

int deal_largest(const struct deal *deal) {
    int largest = 0;
    for (int s = 1; s < deal->shares; s++)
        if (deal->load[s] > deal->load[largest])
            largest = s;
    return largest;
}
