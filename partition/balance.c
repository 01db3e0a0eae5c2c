#include "partition/balance.h"
#include <stdlib.h>
#include <string.h>

static int larger_first(const void *a, const void *b, void *costs) {
    const int64_t *cost = costs, i = *(const int64_t *)a, j = *(const int64_t *)b;
    if (cost[i] != cost[j])
        return cost[i] > cost[j] ? -1 : 1;
    return i < j ? -1 : 1;
}

static int least_loaded(const int64_t *load, int owners) {
    int best = 0;
    for (int r = 1; r < owners; r++)
        if (load[r] < load[best])
            best = r;
    return best;
}

void balance(const int64_t *cost, int64_t n, int owners, int64_t *room, int32_t *owner) {
    int64_t *order = room, *load = room + n;
    memset(load, 0, (size_t)owners * sizeof *load);
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    qsort_r(order, (size_t)n, sizeof *order, larger_first, (void *)(uintptr_t)cost);
    for (int64_t i = 0; i < n; i++) {
        int r = least_loaded(load, owners);
        owner[order[i]] = r;
        load[r] += cost[order[i]];
    }
}

double balance_imbalance(const int64_t *cost, const int32_t *owner, int64_t n, int owners,
                         int64_t *room) {
    int64_t *load = room, sum = 0, max = 0;
    memset(load, 0, (size_t)owners * sizeof *load);
    for (int64_t i = 0; i < n; i++) {
        load[owner[i]] += cost[i];
        sum += cost[i];
    }
    for (int r = 0; r < owners; r++)
        max = load[r] > max ? load[r] : max;
    return sum ? (double)max * owners / (double)sum : 1;
}
