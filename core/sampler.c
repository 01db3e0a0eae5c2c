#include "core/sampler.h"
#include "core/mem.h"
#include "core/rng.h"
#include "core/search.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

void sampler_open(struct sampler *s, int64_t items, const int32_t *events, double alpha) {
    *s = (struct sampler){0};
    if (!events)
        return;
    s->cumulative = mem_alloc(items + 1, sizeof *s->cumulative);
    s->cumulative[0] = 0;
    for (int64_t i = 0; i < items; i++)
        s->cumulative[i + 1] = s->cumulative[i] + (events[i] > 0 ? pow(events[i], alpha) : 0);
}

static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

void sampler_pool(struct sampler *s, const int32_t *items, int64_t n) {
    s->pool = mem_resize(s->pool, n, sizeof *s->pool);
    s->pool_items = n;
    if (n > 0)
        memcpy(s->pool, items, (size_t)n * sizeof *items);
    qsort(s->pool, (size_t)n, sizeof *s->pool, ascending);
}

void sampler_close(struct sampler *s) {
    mem_free(s->cumulative);
    mem_free(s->pool);
    *s = (struct sampler){0};
}

/* Weight of a range; 0: its items are drawn uniformly. */
static double weight(const struct sampler *s, int64_t lo, int64_t hi) {
    return s && s->cumulative ? s->cumulative[hi] - s->cumulative[lo] : 0;
}

struct bounds {
    int64_t lo, hi;
};

/* Items of a range in the pool. */
static struct bounds in_pool(const struct sampler *s, int64_t lo, int64_t hi) {
    if (!s || !s->pool)
        return (struct bounds){0, 0};
    return (struct bounds){search_first(s->pool, 0, s->pool_items, lo),
                           search_first(s->pool, 0, s->pool_items, hi)};
}

int32_t sampler_draw(const struct sampler *s, int64_t lo, int64_t hi, uint64_t key,
                     uint64_t counter) {
    double all = weight(s, lo, hi);
    struct bounds pool = in_pool(s, lo, hi);
    if (pool.lo < pool.hi)
        return s->pool[pool.lo + rng_below(key, counter, pool.hi - pool.lo)];
    if (all <= 0)
        return (int32_t)(lo + rng_below(key, counter, hi - lo));
    double at = s->cumulative[lo] + rng_uniform(key, counter) * all;
    int64_t first = lo, last = hi - 1; /* the last item whose sum before it is at most `at` */
    while (first < last) {
        int64_t mid = first + (last - first + 1) / 2;
        if (s->cumulative[mid] <= at)
            first = mid;
        else
            last = mid - 1;
    }
    return (int32_t)first;
}

double sampler_log_probability(const struct sampler *s, int64_t lo, int64_t hi, int32_t item) {
    double all = weight(s, lo, hi);
    if (all <= 0)
        return -log((double)(hi - lo));
    return log((s->cumulative[item + 1] - s->cumulative[item]) / all);
}
