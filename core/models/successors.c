#include "core/models/successors.h"
#include "core/distinct.h"
#include "core/mem.h"
#include <stdbool.h>
#include <string.h>

int64_t successors_pairs(const int64_t *offsets, const int32_t *items, int64_t n, int64_t a_items,
                         int kind, struct item_pair *pairs) {
    int64_t count = 0;
    for (int64_t s = 0; s < n; s++) {
        int32_t before[2] = {-1, -1}; /* the last item, by domain where that counts */
        for (int64_t k = offsets[s]; k < offsets[s + 1]; k++) {
            int32_t *last = &before[kind == FOLLOW_OWN && items[k] >= a_items];
            if (*last >= 0)
                pairs[count++] = (struct item_pair){*last, items[k]};
            *last = items[k];
        }
    }
    return count;
}

/* By one of their items, the next or the first; pairs with the same keep their order. Those of item i
 * become out[first[i] .. first[i + 1]). */
static void sort_pairs(const struct item_pair *in, int64_t n, bool by_next, int64_t items,
                       int64_t *first, struct item_pair *out) {
    memset(first, 0, (size_t)(items + 1) * sizeof *first);
    for (int64_t k = 0; k < n; k++)
        first[(by_next ? in[k].next : in[k].item) + 1]++;
    for (int64_t i = 0; i < items; i++)
        first[i + 1] += first[i];
    for (int64_t k = 0; k < n; k++)
        out[first[by_next ? in[k].next : in[k].item]++] = in[k];
    memmove(first + 1, first, (size_t)items * sizeof *first);
    first[0] = 0;
}

/* Entries of the pairs of an item, whose next ascend, from entry `at` of the matrix on; returns the
 * entry behind them. */
static int64_t fold(const struct item_pair *pairs, int64_t n, int64_t at, struct sparse *m) {
    for (int64_t k = 0; k < n; k++) {
        if (k > 0 && pairs[k].next == pairs[k - 1].next) {
            m->value[at - 1]++;
            continue;
        }
        m->column[at] = pairs[k].next;
        m->value[at++] = 1;
    }
    return at;
}

void successors_set(struct successors *successors, int kind, const struct item_pair *pairs,
                    int64_t n, int64_t items) {
    struct sparse *m = &successors->next[kind];
    int64_t *first = mem_alloc(items + 1, sizeof *first);
    struct item_pair *by_next = mem_alloc(n, sizeof *by_next),
                     *sorted = mem_alloc(n, sizeof *sorted);
    sort_pairs(pairs, n, true, items, first, by_next);
    sort_pairs(by_next, n, false, items, first, sorted);
    *m = (struct sparse){.rows = items,
                         .columns = (int32_t)items,
                         .offsets = mem_zero(items + 1, sizeof *m->offsets),
                         .column = mem_alloc(n, sizeof *m->column),
                         .value = mem_alloc(n, sizeof *m->value)};
    for (int64_t i = 0; i < items; i++)
        m->offsets[i + 1] = fold(sorted + first[i], first[i + 1] - first[i], m->offsets[i], m);
    mem_free(first);
    mem_free(by_next);
    mem_free(sorted);
}

void successors_open(struct successors *successors, const int64_t *offsets, const int32_t *items,
                     int64_t n, int64_t a_items, int64_t all_items) {
    struct item_pair *pairs = mem_alloc(offsets[n], sizeof *pairs);
    for (int kind = 0; kind < FOLLOWS; kind++)
        successors_set(successors, kind, pairs,
                       successors_pairs(offsets, items, n, a_items, kind, pairs), all_items);
    mem_free(pairs);
}

void successors_close(struct successors *successors) {
    for (int kind = 0; kind < FOLLOWS; kind++) {
        mem_free(successors->next[kind].offsets);
        mem_free(successors->next[kind].column);
        mem_free(successors->next[kind].value);
    }
    *successors = (struct successors){0};
}

int64_t successors_bytes(const struct successors *successors) {
    int64_t bytes = 0;
    for (int kind = 0; kind < FOLLOWS; kind++) {
        const struct sparse *m = &successors->next[kind];
        bytes += 8 * (m->rows + 1) + 8 * m->offsets[m->rows];
    }
    return bytes;
}

void successors_select(const struct sparse *next, struct arena *arena, const int32_t *item,
                       int64_t n, struct sparse *rows, int32_t **column) {
    int64_t at = 0, entries = 0;
    for (int64_t i = 0; i < n; i++)
        entries += next->offsets[item[i] + 1] - next->offsets[item[i]];
    int32_t *all = arena_alloc(arena, entries, sizeof *all);
    *column = arena_alloc(arena, entries, sizeof **column);
    *rows = (struct sparse){.rows = n,
                            .offsets = arena_alloc(arena, n + 1, sizeof *rows->offsets),
                            .column = arena_alloc(arena, entries, sizeof *rows->column),
                            .value = arena_alloc(arena, entries, sizeof *rows->value)};
    rows->offsets[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = next->offsets[item[i]]; k < next->offsets[item[i] + 1]; k++, at++) {
            all[at] = next->column[k];
            rows->value[at] = next->value[k];
        }
        rows->offsets[i + 1] = at;
    }
    rows->columns = (int32_t)distinct(arena, all, entries, *column, rows->column);
}
