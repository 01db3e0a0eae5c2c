/* Outline: this rank's training sequences, as sets of items of one domain; how many sequences an item
 * occurs in and beside how many others, over all ranks; the rows of all items; rows of this rank's items
 * and of its sequences, with their weights. */
#include "jobs/features/graph_rows.h"
#include "core/distinct.h"
#include "core/mem.h"
#include "mpi/collectives.h"
#include "partition/range.h"
#include <math.h>
#include <string.h>

/* Sets of items that occur together. */
struct baskets {
    int64_t count;
    int64_t *offsets; /* [count + 1] */
    int32_t *items;
};

struct graph {
    struct arena arena; /* of what all ranks have given */
    struct baskets baskets;
    int64_t *times;  /* [items] n: baskets that have it */
    int64_t *beside; /* [items] D: items beside it, in all baskets */
    struct sparse x; /* of all items */
};

/* ---- baskets ---- */

/* The distinct items of one domain in a sequence become a basket, if they are several. */
static void add_basket(struct arena *arena, const int32_t *items, int64_t n, struct range domain,
                       struct baskets *to) {
    struct arena_mark mark = arena_mark(arena);
    int32_t *of = arena_alloc(arena, n, sizeof *of), *place = arena_alloc(arena, n, sizeof *place);
    int64_t count = 0, first = to->offsets[to->count];
    for (int64_t i = 0; i < n; i++)
        if (items[i] >= domain.lo && items[i] < domain.hi)
            of[count++] = items[i];
    count = distinct(arena, of, count, to->items + first, place);
    if (count > 1)
        to->offsets[++to->count] = first + count;
    arena_release(arena, mark);
}

static enum status read_baskets(const struct comm *comm, const struct dataset *dataset,
                                struct baskets *out) {
    struct range mine = range_of(dataset->counts[SPLIT_TRAIN], comm->size, comm->rank);
    struct range domain[2] = {{0, dataset->domain_items[0]},
                              {dataset->domain_items[0], dataset->items}};
    struct sequences block;
    struct arena arena = {0};
    TRY(dataset_read_sequences(comm, dataset, SPLIT_TRAIN, mine.lo, mine.hi, &block));
    out->offsets = mem_zero(2 * block.count + 1, sizeof *out->offsets);
    out->items = mem_alloc(block.offsets[block.count], sizeof *out->items);
    for (int64_t s = 0; s < block.count; s++)
        for (int d = 0; d < 2; d++)
            add_basket(&arena, block.items + block.offsets[s],
                       block.offsets[s + 1] - block.offsets[s], domain[d], out);
    arena_free(&arena);
    sequences_free(&block);
    return STATUS_OK;
}

static void count_occurrences(const struct comm *comm, int64_t items, struct graph *g) {
    const struct baskets *b = &g->baskets;
    g->times = mem_zero(items, sizeof *g->times);
    g->beside = mem_zero(items, sizeof *g->beside);
    for (int64_t s = 0; s < b->count; s++)
        for (int64_t e = b->offsets[s]; e < b->offsets[s + 1]; e++) {
            g->times[b->items[e]]++;
            g->beside[b->items[e]] += b->offsets[s + 1] - b->offsets[s] - 1;
        }
    comm_sum_i64(comm, g->times, items);
    comm_sum_i64(comm, g->beside, items);
}

/* ---- rows ---- */

/* Entries of every row of all ranks become offsets. */
static void gather_rows(const struct comm *comm, const struct sparse *x, int64_t items,
                        struct graph *g) {
    struct collectives c = collectives_of(comm);
    int64_t *rows = collectives_gather_count(&c, &g->arena, x->rows);
    int64_t *entries = collectives_gather_count(&c, &g->arena, x->offsets[x->rows]);
    int64_t *length = arena_alloc(&g->arena, x->rows, sizeof *length);
    for (int64_t i = 0; i < x->rows; i++)
        length[i] = x->offsets[i + 1] - x->offsets[i];
    length = collectives_gather(&c, &g->arena, length, rows, sizeof *length);
    g->x = (struct sparse){
        .rows = items,
        .columns = x->columns,
        .offsets = arena_alloc(&g->arena, items + 1, sizeof *g->x.offsets),
        .column = collectives_gather(&c, &g->arena, x->column, entries, sizeof *x->column),
        .value = collectives_gather(&c, &g->arena, x->value, entries, sizeof *x->value)};
    g->x.offsets[0] = 0;
    for (int64_t i = 0; i < items; i++)
        g->x.offsets[i + 1] = g->x.offsets[i] + length[i];
}

/* What the rows of a basket have at most. */
static int64_t entries_of(const struct graph *g, int64_t s) {
    const struct baskets *b = &g->baskets;
    int64_t n = 0;
    for (int64_t e = b->offsets[s]; e < b->offsets[s + 1]; e++)
        n += g->x.offsets[b->items[e] + 1] - g->x.offsets[b->items[e]];
    return n < g->x.columns ? n : g->x.columns;
}

static void make_room(const struct graph *g, const struct sparse *x, struct svd_gram *out) {
    int64_t rows = x->rows + g->baskets.count, entries = x->offsets[x->rows];
    for (int64_t s = 0; s < g->baskets.count; s++)
        entries += entries_of(g, s);
    out->rows = (struct sparse){.columns = x->columns,
                                .offsets = mem_zero(rows + 1, sizeof *out->rows.offsets),
                                .column = mem_alloc(entries, sizeof *out->rows.column),
                                .value = mem_alloc(entries, sizeof *out->rows.value)};
    out->weight = mem_alloc(rows, sizeof *out->weight);
}

static void end_row(struct svd_gram *out, int64_t entries, double weight) {
    out->weight[out->rows.rows] = weight;
    out->rows.offsets[++out->rows.rows] = entries;
}

/* x_i, which counts 1 - mu - mu n_i / D_i. */
static void add_item(const struct graph *g, const struct sparse *x, int64_t i, int64_t item,
                     double mu, struct svd_gram *out) {
    int64_t at = out->rows.offsets[out->rows.rows], n = x->offsets[i + 1] - x->offsets[i];
    double own = g->beside[item] ? (double)g->times[item] / (double)g->beside[item] : 0;
    memcpy(out->rows.column + at, x->column + x->offsets[i], (size_t)n * sizeof *x->column);
    memcpy(out->rows.value + at, x->value + x->offsets[i], (size_t)n * sizeof *x->value);
    end_row(out, at + n, 1 - mu - mu * own);
}

/* z_s, which counts mu. `sum` [columns] is zero, before and after. */
static void add_basket_row(const struct graph *g, int64_t s, double mu, double *sum,
                           struct svd_gram *out) {
    const struct baskets *b = &g->baskets;
    const struct sparse *x = &g->x;
    int64_t at = out->rows.offsets[out->rows.rows];
    for (int64_t e = b->offsets[s]; e < b->offsets[s + 1]; e++) {
        int64_t item = b->items[e];
        double factor = 1 / sqrt((double)g->beside[item]);
        for (int64_t k = x->offsets[item]; k < x->offsets[item + 1]; k++) {
            if (sum[x->column[k]] == 0)
                out->rows.column[at++] = x->column[k];
            sum[x->column[k]] += factor * x->value[k];
        }
    }
    for (int64_t k = out->rows.offsets[out->rows.rows]; k < at; k++) {
        out->rows.value[k] = (float)sum[out->rows.column[k]];
        sum[out->rows.column[k]] = 0;
    }
    end_row(out, at, mu);
}

static void make_rows(const struct graph *g, const struct sparse *x, int64_t first, double mu,
                      struct svd_gram *out) {
    double *sum = mem_zero(x->columns, sizeof *sum);
    make_room(g, x, out);
    for (int64_t i = 0; i < x->rows; i++)
        add_item(g, x, i, first + i, mu, out);
    for (int64_t s = 0; s < g->baskets.count; s++)
        add_basket_row(g, s, mu, sum, out);
    mem_free(sum);
}

enum status graph_rows_make(const struct comm *comm, const struct dataset *dataset,
                            const struct sparse *x, double mu, struct svd_gram *out) {
    struct graph g = {0};
    *out = (struct svd_gram){0};
    TRY(read_baskets(comm, dataset, &g.baskets));
    count_occurrences(comm, dataset->items, &g);
    gather_rows(comm, x, dataset->items, &g);
    make_rows(&g, x, range_of(dataset->items, comm->size, comm->rank).lo, mu, out);
    arena_free(&g.arena);
    mem_free(g.baskets.offsets);
    mem_free(g.baskets.items);
    mem_free(g.times);
    mem_free(g.beside);
    return STATUS_OK;
}

void graph_rows_free(struct svd_gram *gram) {
    mem_free(gram->rows.offsets);
    mem_free(gram->rows.column);
    mem_free(gram->rows.value);
    mem_free(gram->weight);
    *gram = (struct svd_gram){0};
}
