/* Every rank gets the sequences that have one of its items and makes these items' rows; then all get all
 * rows. */
#include "core/models/item_graph.h"
#include "core/mem.h"
#include "core/models/cooccurrence.h"
#include <math.h>
#include <string.h>

#define SHRINK 20

double item_graph_strength(const struct item_graph *g, int32_t i, int32_t j, int32_t together,
                           bool own) {
    double x = g->sequences[i] - own + SHRINK, y = g->sequences[j] - own + SHRINK;
    return (together - own) / (sqrt(x) * sqrt(y));
}

int64_t item_graph_bytes(int64_t items, int64_t most) {
    return most > 0 ? items * (8 * DOMAINS * most + 4) : 0;
}

void item_graph_free(struct item_graph *g) {
    mem_free(g->neighbour);
    mem_free(g->together);
    mem_free(g->sequences);
    *g = (struct item_graph){0};
}

/* ---- rows ---- */

static void put_row(struct item_graph *g, int32_t i, int d, struct top *top, const double *count) {
    int64_t at = item_graph_at(g, i, d);
    top_sort(top);
    for (int64_t k = 0; k < g->most; k++) {
        int32_t j = k < top->count ? top->list[k].item : -1;
        g->neighbour[at + k] = j;
        g->together[at + k] = j < 0 ? 0 : (int32_t)count[j];
    }
}

static void make_row(struct item_graph *g, const struct cooccurrence *pairs, int32_t i,
                     struct cooccurrence_counter *c) {
    struct top top[DOMAINS] = {{c->list, g->most, 0}, {c->list + g->most, g->most, 0}};
    int64_t n = cooccurrence_row(pairs, i, false, c->count, c->touched);
    for (int64_t k = 0; k < n; k++) {
        int32_t j = c->touched[k];
        double strength = item_graph_strength(g, i, j, (int32_t)c->count[j], false);
        if (j != i)
            top_add(&top[j >= g->a_items], (struct top_item){(real)strength, j});
    }
    for (int d = 0; d < DOMAINS; d++)
        put_row(g, i, d, &top[d], c->count);
    for (int64_t k = 0; k < n; k++)
        c->count[c->touched[k]] = 0;
}

static void make_rows(struct item_graph *g, const struct cooccurrence *pairs,
                      const struct item_block *mine) {
    int64_t rows = item_block_count(mine);
#pragma omp parallel
    {
        struct cooccurrence_counter counter = cooccurrence_counter_new(g->items, DOMAINS * g->most);
#pragma omp for schedule(dynamic, 16)
        for (int64_t k = 0; k < rows; k++)
            make_row(g, pairs, (int32_t)item_block_item(mine, k), &counter);
        cooccurrence_counter_free(&counter);
    }
}

/* ---- all ---- */

void item_graph_make(struct item_graph *g, const struct fit *fit, int64_t items, int64_t a_items,
                     int64_t most) {
    const struct collectives *ranks = fit->collectives;
    struct item_block mine = item_block_of(a_items, items, ranks->size, ranks->rank);
    struct fit_sequences brought;
    struct cooccurrence pairs;
    *g = (struct item_graph){.items = items,
                             .a_items = a_items,
                             .most = most,
                             .neighbour = mem_alloc(items * DOMAINS * most, sizeof *g->neighbour),
                             .together = mem_alloc(items * DOMAINS * most, sizeof *g->together),
                             .sequences = mem_alloc(items, sizeof *g->sequences)};
    fit_bring_items(fit, a_items, items, &brought);
    cooccurrence_open(&pairs, &brought, items);
    fit_sequences_free(&brought);
    for (int64_t k = 0; k < item_block_count(&mine); k++) {
        int32_t i = (int32_t)item_block_item(&mine, k);
        g->sequences[i] = (int32_t)cooccurrence_sequences(&pairs, i);
    }
    fit_gather_items(fit, a_items, items, g->sequences, sizeof *g->sequences);
    make_rows(g, &pairs, &mine);
    cooccurrence_close(&pairs);
    int64_t bytes = DOMAINS * most * (int64_t)sizeof *g->neighbour;
    fit_gather_items(fit, a_items, items, g->neighbour, bytes);
    fit_gather_items(fit, a_items, items, g->together, bytes);
}
