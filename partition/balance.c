#include "partition/balance.h"
#include "core/mem.h"
#include <stdlib.h>

struct entry {
    int64_t cost, index;
};

static int larger_first(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    if (x->cost != y->cost)
        return x->cost > y->cost ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static int least_loaded(const int64_t *load, int size) {
    int best = 0;
    for (int r = 1; r < size; r++)
        if (load[r] < load[best])
            best = r;
    return best;
}

void balance(const int64_t *cost, int64_t n, int size, int32_t *owner) {
    struct entry *order = mem_alloc(n, sizeof *order);
    int64_t *load = mem_zero(size, sizeof *load);
    for (int64_t i = 0; i < n; i++)
        order[i] = (struct entry){cost[i], i};
    qsort(order, (size_t)n, sizeof *order, larger_first);
    for (int64_t i = 0; i < n; i++) {
        int r = least_loaded(load, size);
        owner[order[i].index] = r;
        load[r] += order[i].cost;
    }
    mem_free(order);
    mem_free(load);
}

double balance_imbalance(const int64_t *cost, const int32_t *owner, int64_t n, int size) {
    int64_t *load = mem_zero(size, sizeof *load), sum = 0, max = 0;
    for (int64_t i = 0; i < n; i++) {
        load[owner[i]] += cost[i];
        sum += cost[i];
    }
    for (int r = 0; r < size; r++)
        max = load[r] > max ? load[r] : max;
    mem_free(load);
    return sum ? (double)max * size / (double)sum : 1;
}
