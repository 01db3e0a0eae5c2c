#include "core/permutation.h"
#include "core/mem.h"
#include "core/rng.h"
#include <string.h>

/* The wanted elements by the places where they stand: lists by the last bits of the place. */
struct standing {
    int64_t mask, *head, *next; /* [mask + 1], [count]; -1 ends a list */
    int64_t *place;
};

static void put(struct standing *s, int64_t element, int64_t p) {
    s->place[element] = p;
    s->next[element] = s->head[p & s->mask];
    s->head[p & s->mask] = element;
}

/* Take the element at place p out, -1: it is none of the wanted. */
static int64_t take(struct standing *s, int64_t p) {
    int64_t *link = &s->head[p & s->mask];
    while (*link >= 0 && s->place[*link] != p)
        link = &s->next[*link];
    int64_t element = *link;
    if (element >= 0)
        *link = s->next[element];
    return element;
}

/* Exchange place i for good with a place j <= i. */
static void exchange(struct standing *s, int64_t i, int64_t j) {
    int64_t leaves = take(s, i), stays = j == i ? leaves : take(s, j);
    if (stays >= 0)
        s->place[stays] = i;
    if (leaves >= 0 && j != i)
        put(s, leaves, j);
}

void permutation_places(uint64_t key, int64_t n, int64_t first, int64_t count, int64_t *place) {
    struct standing s = {.place = place};
    while (s.mask + 1 < count)
        s.mask = 2 * s.mask + 1;
    s.head = mem_alloc(s.mask + 1, sizeof *s.head);
    s.next = mem_alloc(count, sizeof *s.next);
    memset(s.head, -1, (size_t)(s.mask + 1) * sizeof *s.head);
    for (int64_t i = 0; i < count; i++)
        put(&s, i, first + i);
    for (int64_t i = n - 1; i > 0; i--)
        exchange(&s, i, rng_below(key, (uint64_t)i, i + 1));
    mem_free(s.head);
    mem_free(s.next);
}
