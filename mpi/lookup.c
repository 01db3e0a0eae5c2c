/* Outline: plan, by which ranks learn who asks whom for which rows; pull, owner to asker; push,
 * asker to owner, who adds up what the ranks give of a row. */
#include "mpi/lookup.h"
#include "core/distinct.h"
#include "core/mem.h"
#include "core/search.h"
#include <string.h>

void lookup_open(struct lookup *lookup, const struct comm *comm, const int64_t *first, int each) {
    *lookup = (struct lookup){.comm = comm, .first = first, .blocks = each * comm->size};
    route_open(&lookup->route, comm);
}

void lookup_close(struct lookup *lookup) {
    route_close(&lookup->route);
    arena_free(&lookup->arena);
    mem_free(lookup->given);
    mem_free(lookup->taken);
    mem_free(lookup->sum);
    *lookup = (struct lookup){0};
}

/* ---- the question ---- */

/* The places in the question of the rows that each rank has, ascending, and how many they are. */
static void sort_by_rank(struct lookup *l, const int32_t *row, int *count) {
    int64_t at = 0;
    for (int p = 0; p < l->comm->size; p++) {
        int64_t before = at;
        for (int k = route_rank(&l->route, p); k < l->blocks; k += l->comm->size) {
            int64_t end = search_first(row, 0, l->asks, l->first[k + 1]);
            for (int64_t i = search_first(row, 0, l->asks, l->first[k]); i < end; i++)
                l->order[at++] = (int32_t)i;
        }
        count[p] = (int)(at - before);
    }
}

/* Where a row of this rank stands among its rows. */
static int32_t place(const struct lookup *l, int32_t row) {
    int64_t before = 0;
    for (int k = l->comm->rank; k < l->blocks && row >= l->first[k]; k += l->comm->size)
        before += row < l->first[k + 1] ? row - l->first[k] : l->first[k + 1] - l->first[k];
    return (int32_t)before;
}

void lookup_plan(struct lookup *l, const int32_t *row, int64_t n, int64_t cols) {
    int size = l->comm->size;
    arena_reset(&l->arena);
    l->asks = n;
    l->order = arena_alloc(&l->arena, n, sizeof *l->order);
    int *count = arena_alloc(&l->arena, size, sizeof *count),
        *from = arena_alloc(&l->arena, size, sizeof *from);
    int32_t *asked = arena_alloc(&l->arena, n, sizeof *asked);
    route_choose(&l->route, (double)(n * cols) * sizeof(real));
    sort_by_rank(l, row, count);
    route_plan(&l->route, count, from);
    l->serves = 0;
    for (int r = 0; r < size; r++)
        l->serves += from[r];
    for (int64_t i = 0; i < n; i++)
        asked[i] = row[l->order[i]];
    l->served = arena_alloc(&l->arena, l->serves, sizeof *l->served);
    l->row = arena_alloc(&l->arena, l->serves, sizeof *l->row);
    l->of_serve = arena_alloc(&l->arena, l->serves, sizeof *l->of_serve);
    route_there(&l->route, asked, l->served, sizeof *asked);
    for (int64_t i = 0; i < l->serves; i++)
        l->served[i] = place(l, l->served[i]);
    l->rows = distinct(&l->arena, l->served, l->serves, l->row, l->of_serve);
}

/* ---- the answer, and the gradients ---- */

static int64_t columns(const struct lookup_part *part, int parts) {
    int64_t cols = 0;
    for (int p = 0; p < parts; p++)
        cols += part[p].cols;
    return cols;
}

static void make_room(struct lookup *l, int64_t cols) {
    mem_reserve(&l->given, &l->given_room, l->serves * cols, sizeof *l->given);
    mem_reserve(&l->taken, &l->taken_room, l->asks * cols, sizeof *l->taken);
}

/* Put the tables' rows row[0..n) side by side. */
static void join(const struct lookup_part *part, int parts, const int32_t *row, int64_t n,
                 real *to) {
    int64_t cols = columns(part, parts);
#pragma omp parallel for schedule(static) if (n * cols > 10000)
    for (int64_t i = 0; i < n; i++) {
        real *at = to + i * cols;
        for (int p = 0; p < parts; at += part[p++].cols)
            if (part[p].from)
                memcpy(at, part[p].from + row[i] * part[p].cols, (size_t)part[p].cols * sizeof *at);
            else
                memset(at, 0, (size_t)part[p].cols * sizeof *at);
    }
}

void lookup_pull(struct lookup *l, const struct lookup_part *part, int parts) {
    int64_t cols = columns(part, parts);
    make_room(l, cols);
    join(part, parts, l->served, l->serves, l->given);
    route_back(&l->route, l->given, l->taken, cols * (int64_t)sizeof *l->given);
#pragma omp parallel for schedule(static) if (l->asks * cols > 10000)
    for (int64_t i = 0; i < l->asks; i++) {
        const real *at = l->taken + i * cols;
        for (int p = 0; p < parts; at += part[p++].cols)
            memcpy(part[p].to + l->order[i] * part[p].cols, at, (size_t)part[p].cols * sizeof *at);
    }
}

/* sum [rows, cols]: of what the ranks gave of a table, whose columns begin at `at` of `all`. */
static void add_up(const struct lookup *l, int64_t at, int64_t cols, int64_t all, real *sum) {
    memset(sum, 0, (size_t)(l->rows * cols) * sizeof *sum);
    for (int64_t i = 0; i < l->serves; i++) {
        const real *g = l->given + i * all + at;
        real *to = sum + l->of_serve[i] * cols;
        for (int64_t c = 0; c < cols; c++)
            to[c] += g[c];
    }
}

void lookup_push(struct lookup *l, const struct lookup_part *part, int parts,
                 struct row_grad *out) {
    int64_t cols = columns(part, parts), at = 0;
    make_room(l, cols);
    join(part, parts, l->order, l->asks, l->taken);
    route_there(&l->route, l->taken, l->given, cols * (int64_t)sizeof *l->taken);
    mem_reserve(&l->sum, &l->sum_room, l->rows * cols, sizeof *l->sum);
    for (int p = 0; p < parts; at += part[p++].cols) {
        real *sum = l->sum + l->rows * at;
        add_up(l, at, part[p].cols, cols, sum);
        out[p] = (struct row_grad){l->rows, l->row, sum};
    }
}
