#include "core/sampler.h"
#include "core/mem.h"
#include "core/rng.h"
#include <math.h>

void sampler_open(struct sampler *s, int64_t items, const int32_t *events, double alpha) {
    *s = (struct sampler){0};
    if (!events)
        return;
    s->cumulative = mem_alloc(items + 1, sizeof *s->cumulative);
    s->cumulative[0] = 0;
    for (int64_t i = 0; i < items; i++)
        s->cumulative[i + 1] = s->cumulative[i] + (events[i] > 0 ? pow(events[i], alpha) : 0);
}

void sampler_close(struct sampler *s) {
    mem_free(s->cumulative);
    *s = (struct sampler){0};
}

/* Weight of a range; 0: its items are drawn uniformly. */
static double weight(const struct sampler *s, int64_t lo, int64_t hi) {
    return s && s->cumulative ? s->cumulative[hi] - s->cumulative[lo] : 0;
}

int32_t sampler_draw(const struct sampler *s, int64_t lo, int64_t hi, uint64_t key,
                     uint64_t counter) {
    double all = weight(s, lo, hi);
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
