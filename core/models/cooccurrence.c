#include "core/models/cooccurrence.h"
#include "core/mem.h"
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* The distinct ones of `item`, in place, ascending, and how often each is there. */
static int64_t keep_distinct(int32_t *item, int64_t n, int32_t *times) {
    int64_t kept = 0;
    qsort(item, (size_t)n, sizeof *item, ascending);
    for (int64_t k = 0; k < n; k++) {
        if (kept > 0 && item[kept - 1] == item[k]) {
            times[kept - 1]++;
            continue;
        }
        item[kept] = item[k];
        times[kept++] = 1;
    }
    return kept;
}

/* Distinct items sequence by sequence; times[] beside them. */
static void fold(struct cooccurrence *c, const struct fit_sequences *h, int32_t *times) {
    c->offsets[0] = 0;
    for (int64_t s = 0; s < c->sequences; s++) {
        int64_t at = c->offsets[s], n = h->offsets[s + 1] - h->offsets[s];
        memcpy(c->item + at, h->items + h->offsets[s], (size_t)n * sizeof *c->item);
        c->offsets[s + 1] = at + keep_distinct(c->item + at, n, times + at);
    }
}

/* The sequences of every item. */
static void turn(struct cooccurrence *c, const int32_t *times) {
    int64_t entries = c->offsets[c->sequences];
    for (int64_t k = 0; k < entries; k++)
        c->first[c->item[k] + 1]++;
    for (int64_t i = 0; i < c->items; i++)
        c->first[i + 1] += c->first[i];
    for (int64_t s = 0; s < c->sequences; s++)
        for (int64_t k = c->offsets[s]; k < c->offsets[s + 1]; k++) {
            int64_t at = c->first[c->item[k]]++;
            c->sequence[at] = (int32_t)s;
            c->times[at] = times[k];
        }
    memmove(c->first + 1, c->first, (size_t)c->items * sizeof *c->first);
    c->first[0] = 0;
}

void cooccurrence_open(struct cooccurrence *c, const struct fit_sequences *h, int64_t items) {
    int64_t events = h->offsets[h->count];
    int32_t *times = mem_alloc(events, sizeof *times);
    *c = (struct cooccurrence){.items = items,
                               .sequences = h->count,
                               .offsets = mem_alloc(h->count + 1, sizeof *c->offsets),
                               .item = mem_alloc(events, sizeof *c->item),
                               .first = mem_zero(items + 1, sizeof *c->first),
                               .sequence = mem_alloc(events, sizeof *c->sequence),
                               .times = mem_alloc(events, sizeof *c->times)};
    fold(c, h, times);
    turn(c, times);
    mem_free(times);
}

void cooccurrence_close(struct cooccurrence *c) {
    mem_free(c->offsets);
    mem_free(c->item);
    mem_free(c->first);
    mem_free(c->sequence);
    mem_free(c->times);
    *c = (struct cooccurrence){0};
}

int64_t cooccurrence_bytes(int64_t items, int64_t sequences, int64_t events) {
    return 12 * events + 8 * (items + sequences);
}

struct cooccurrence_counter cooccurrence_counter_new(int64_t items, int64_t most) {
    return (struct cooccurrence_counter){mem_zero(items, sizeof(double)),
                                         mem_alloc(items, sizeof(int32_t)),
                                         mem_alloc(most, sizeof(struct top_item))};
}

void cooccurrence_counter_free(struct cooccurrence_counter *c) {
    mem_free(c->count);
    mem_free(c->touched);
    mem_free(c->list);
}

int64_t cooccurrence_sequences(const struct cooccurrence *c, int32_t item) {
    return c->first[item + 1] - c->first[item];
}

int64_t cooccurrence_events(const struct cooccurrence *c, int32_t item) {
    int64_t events = 0;
    for (int64_t k = c->first[item]; k < c->first[item + 1]; k++)
        events += c->times[k];
    return events;
}

int64_t cooccurrence_row(const struct cooccurrence *c, int32_t item, bool by_event, double *count,
                         int32_t *touched) {
    int64_t n = 0;
    for (int64_t k = c->first[item]; k < c->first[item + 1]; k++) {
        double times = by_event ? c->times[k] : 1;
        int64_t end = c->offsets[c->sequence[k] + 1];
        for (int64_t e = c->offsets[c->sequence[k]]; e < end; e++) {
            int32_t j = c->item[e];
            if (count[j] == 0)
                touched[n++] = j;
            count[j] += times;
        }
    }
    return n;
}
