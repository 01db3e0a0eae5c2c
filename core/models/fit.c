#include "core/models/fit.h"
#include "core/mem.h"
#include <math.h>
#include <string.h>

struct fit_sequences fit_sequences_of(const int64_t *offsets, const int32_t *items, int64_t n,
                                      int64_t most) {
    struct fit_sequences h = {.count = n, .offsets = mem_alloc(n + 1, sizeof *h.offsets)};
    h.offsets[0] = 0;
    for (int64_t s = 0; s < n; s++) {
        int64_t length = offsets[s + 1] - offsets[s];
        h.offsets[s + 1] = h.offsets[s] + (length < most ? length : most);
    }
    h.items = mem_alloc(h.offsets[n], sizeof *h.items);
    for (int64_t s = 0; s < n; s++) {
        int64_t length = h.offsets[s + 1] - h.offsets[s];
        memcpy(h.items + h.offsets[s], items + offsets[s + 1] - length,
               (size_t)length * sizeof *items);
    }
    return h;
}

void fit_sequences_free(struct fit_sequences *h) {
    mem_free(h->offsets);
    mem_free(h->items);
    *h = (struct fit_sequences){0};
}

void fit_bring_items(const struct fit *fit, int64_t a_items, int64_t items,
                     struct fit_sequences *out) {
    int32_t *owner = mem_alloc(items, sizeof *owner);
    for (int r = 0; r < fit->collectives->size; r++) {
        struct item_block block = item_block_of(a_items, items, fit->collectives->size, r);
        for (int64_t k = 0; k < item_block_count(&block); k++)
            owner[item_block_item(&block, k)] = r;
    }
    fit->bring(fit->context, owner, out);
    mem_free(owner);
}

/* The rows of a domain stand one rank after the other. */
void fit_gather_items(const struct fit *fit, int64_t a_items, int64_t items, void *rows,
                      int64_t bytes) {
    const struct collectives *ranks = fit->collectives;
    int64_t *count = mem_alloc(ranks->size, sizeof *count);
    for (int d = 0; d < DOMAINS; d++) {
        for (int r = 0; r < ranks->size; r++) {
            struct item_block block = item_block_of(a_items, items, ranks->size, r);
            count[r] = item_block_rows(&block, d);
        }
        ranks->gather(ranks->context, (char *)rows + (d ? a_items : 0) * bytes, count, bytes);
    }
    mem_free(count);
}

struct fit_size fit_size_of(const struct fit_sequences *h, int ranks, int threads) {
    struct fit_size size = {
        .ranks = ranks, .threads = threads, .sequences = h->count, .events = h->offsets[h->count]};
    for (int64_t s = 0; s < h->count; s++) {
        int64_t length = h->offsets[s + 1] - h->offsets[s];
        size.pairs += length * length;
        size.longest = length > size.longest ? length : size.longest;
    }
    return size;
}

int64_t fit_brought(const struct fit_size *size) {
    double mean = size->sequences ? (double)size->events / (double)size->sequences : 0;
    double share = 1 - pow(1 - 1.0 / size->ranks, mean);
    return (int64_t)((double)size->events * share);
}
