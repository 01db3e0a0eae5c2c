#include "core/repeats.h"
#include "core/mem.h"

void repeats_add(struct repeats *r, const int64_t *offsets, const int32_t *item, int64_t count,
                 int64_t items, int64_t a_items) {
    int64_t *last = mem_zero(items, sizeof *last); /* the last sequence of each item, from 1 */
    for (int64_t s = 0; s < count; s++)
        for (int64_t k = offsets[s]; k < offsets[s + 1]; k++) {
            int domain = item[k] >= a_items;
            r->targets[domain] += k > offsets[s];
            r->repeated[domain] += last[item[k]] == s + 1;
            last[item[k]] = s + 1;
        }
    mem_free(last);
}

double repeats_rate(const struct repeats *r, int domain) {
    return ((double)r->repeated[domain] + 0.5) / ((double)r->targets[domain] + 1);
}

double repeats_percent(const struct repeats *r, int domain) {
    double targets = (double)r->targets[domain];
    return targets > 0 ? 100 * (double)r->repeated[domain] / targets : 0;
}
