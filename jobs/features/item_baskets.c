/* Outline: this rank's training sequences, as sets of items of one domain; how many of them an item is in
 * and beside how many others, over all ranks. The rows of all items; rows of this rank's items and of its
 * baskets, with their weights. Sums over what is beside an item, some columns at a time. */
#include "jobs/features/item_baskets.h"
#include "core/distinct.h"
#include "core/mem.h"
#include "mpi/collectives.h"
#include "partition/range.h"
#include <math.h>
#include <string.h>

enum { SMOOTH_COLUMNS = 16 };

/* The rows of all items, in the arena. */
struct item_rows {
    struct arena arena;
    struct sparse x;
};

/* ---- baskets ---- */

/* The distinct items of one domain in a sequence become a basket, if they are several. */
static void add_basket(struct arena *arena, const int32_t *items, int64_t n, struct range domain,
                       struct item_baskets *to) {
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
                                struct item_baskets *out) {
    struct range domain[2] = {{0, dataset->domain_items[0]},
                              {dataset->domain_items[0], dataset->items}};
    struct sequences block;
    struct arena arena = {0};
    TRY(dataset_read_block(comm, dataset, SPLIT_TRAIN, &block));
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

static void count_occurrences(const struct comm *comm, struct item_baskets *b) {
    b->times = mem_zero(b->all, sizeof *b->times);
    b->beside = mem_zero(b->all, sizeof *b->beside);
    for (int64_t s = 0; s < b->count; s++)
        for (int64_t e = b->offsets[s]; e < b->offsets[s + 1]; e++) {
            b->times[b->items[e]]++;
            b->beside[b->items[e]] += b->offsets[s + 1] - b->offsets[s] - 1;
        }
    comm_sum_i64(comm, b->times, b->all);
    comm_sum_i64(comm, b->beside, b->all);
}

enum status item_baskets_open(const struct comm *comm, const struct dataset *dataset,
                              struct item_baskets *out) {
    *out = (struct item_baskets){.all = dataset->items};
    TRY(read_baskets(comm, dataset, out));
    count_occurrences(comm, out);
    return STATUS_OK;
}

bool item_baskets_empty(const struct item_baskets *b) {
    for (int64_t i = 0; i < b->all; i++)
        if (b->beside[i])
            return false;
    return true;
}

void item_baskets_close(struct item_baskets *b) {
    mem_free(b->offsets);
    mem_free(b->items);
    mem_free(b->times);
    mem_free(b->beside);
    *b = (struct item_baskets){0};
}

/* ---- rows ---- */

/* D_i^(-1/2), 0 of an item beside none. */
static double factor_of(const struct item_baskets *b, int64_t item) {
    return b->beside[item] ? 1 / sqrt((double)b->beside[item]) : 0;
}

/* Entries of every row of all ranks become offsets. */
static void gather_rows(const struct comm *comm, const struct sparse *x, int64_t items,
                        struct item_rows *g) {
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
static int64_t entries_of(const struct item_baskets *b, const struct sparse *x, int64_t s) {
    int64_t n = 0;
    for (int64_t e = b->offsets[s]; e < b->offsets[s + 1]; e++)
        n += x->offsets[b->items[e] + 1] - x->offsets[b->items[e]];
    return n < x->columns ? n : x->columns;
}

static void make_room(const struct item_baskets *b, const struct sparse *x,
                      const struct sparse *all, struct svd_gram *out) {
    int64_t rows = x->rows + b->count, entries = x->offsets[x->rows];
    for (int64_t s = 0; s < b->count; s++)
        entries += entries_of(b, all, s);
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
static void add_item(const struct item_baskets *b, const struct sparse *x, int64_t i, int64_t item,
                     double mu, struct svd_gram *out) {
    int64_t at = out->rows.offsets[out->rows.rows], n = x->offsets[i + 1] - x->offsets[i];
    double own = b->beside[item] ? (double)b->times[item] / (double)b->beside[item] : 0;
    memcpy(out->rows.column + at, x->column + x->offsets[i], (size_t)n * sizeof *x->column);
    memcpy(out->rows.value + at, x->value + x->offsets[i], (size_t)n * sizeof *x->value);
    end_row(out, at + n, 1 - mu - mu * own);
}

/* z_s, which counts mu. `sum` [columns] is zero, before and after. */
static void add_basket_row(const struct item_baskets *b, const struct sparse *x, int64_t s,
                           double mu, double *sum, struct svd_gram *out) {
    int64_t at = out->rows.offsets[out->rows.rows];
    for (int64_t e = b->offsets[s]; e < b->offsets[s + 1]; e++) {
        int64_t item = b->items[e];
        double factor = factor_of(b, item);
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

void item_baskets_gram(const struct comm *comm, const struct item_baskets *b,
                       const struct sparse *x, double mu, struct svd_gram *out) {
    struct item_rows all = {0};
    int64_t first = range_of(b->all, comm->size, comm->rank).lo;
    double *sum = mem_zero(x->columns, sizeof *sum);
    gather_rows(comm, x, b->all, &all);
    *out = (struct svd_gram){0};
    make_room(b, x, &all.x, out);
    for (int64_t i = 0; i < x->rows; i++)
        add_item(b, x, i, first + i, mu, out);
    for (int64_t s = 0; s < b->count; s++)
        add_basket_row(b, &all.x, s, mu, sum, out);
    mem_free(sum);
    arena_free(&all.arena);
}

void item_baskets_free_gram(struct svd_gram *gram) {
    mem_free(gram->rows.offsets);
    mem_free(gram->rows.column);
    mem_free(gram->rows.value);
    mem_free(gram->weight);
    *gram = (struct svd_gram){0};
}

/* ---- smoothing ---- */

/* beside[i] = the sum of q over the items beside i in the baskets of all ranks; q and beside [all, n]. */
static void sum_beside(const struct comm *comm, const struct item_baskets *b, int n,
                       const double *q, double *beside) {
    double sum[SMOOTH_COLUMNS];
    memset(beside, 0, (size_t)(b->all * n) * sizeof *beside);
    for (int64_t s = 0; s < b->count; s++) {
        memset(sum, 0, sizeof sum);
        for (int64_t e = b->offsets[s]; e < b->offsets[s + 1]; e++)
            for (int j = 0; j < n; j++)
                sum[j] += q[b->items[e] * (int64_t)n + j];
        for (int64_t e = b->offsets[s]; e < b->offsets[s + 1]; e++)
            for (int j = 0; j < n; j++)
                beside[b->items[e] * (int64_t)n + j] += sum[j] - q[b->items[e] * (int64_t)n + j];
    }
    comm_sum_f64(comm, beside, b->all * n);
}

/* Columns [from, from + n). */
static void smooth_columns(const struct comm *comm, const struct item_baskets *b, int k, int from,
                           int n, double *p) {
    struct range mine = range_of(b->all, comm->size, comm->rank);
    double *q = mem_zero(b->all * n, sizeof *q), *beside = mem_alloc(b->all * n, sizeof *beside);
    for (int64_t i = mine.lo; i < mine.hi; i++)
        for (int j = 0; j < n; j++)
            q[i * n + j] = factor_of(b, i) * p[(i - mine.lo) * k + from + j];
    comm_sum_f64(comm, q, b->all * n);
    sum_beside(comm, b, n, q, beside);
    for (int64_t i = mine.lo; i < mine.hi; i++)
        for (int j = 0; j < n; j++) {
            double *x = &p[(i - mine.lo) * k + from + j];
            *x = (*x + factor_of(b, i) * beside[i * n + j]) / 2;
        }
    mem_free(q);
    mem_free(beside);
}

void item_baskets_smooth(const struct comm *comm, const struct item_baskets *b, int k, double *p) {
    for (int from = 0; from < k; from += SMOOTH_COLUMNS)
        smooth_columns(comm, b, k, from, k - from < SMOOTH_COLUMNS ? k - from : SMOOTH_COLUMNS, p);
}
