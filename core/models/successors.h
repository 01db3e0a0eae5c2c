/* Which items follow which in the training sequences, and how often: the graph of items that a model
 * may read (model_ops.successors). Not collective. */
#ifndef CORE_MODELS_SUCCESSORS_H
#define CORE_MODELS_SUCCESSORS_H
#include "core/arena.h"
#include "core/sparse.h"
#include <stdint.h>

/* Row i has the items that stand behind item i, ascending, with how often they do: exact, and the
 * same whatever the order of the sequences. */
enum { FOLLOW_ANY, FOLLOW_OWN, FOLLOWS }; /* next of all; next of the item's own domain */

struct successors {
    struct sparse next[FOLLOWS];
};

/* Two items, one behind the other. */
struct item_pair {
    int32_t item, next;
};

/* The pairs of one kind in n sequences, sequence s of items[offsets[s] .. offsets[s + 1]), into
 * `pairs`, which has room for one per item. `a_items` = |A|: smaller items are A's. Returns how many. */
int64_t successors_pairs(const int64_t *offsets, const int32_t *items, int64_t n, int64_t a_items,
                         int kind, struct item_pair *pairs);

/* Set one kind from all pairs, of `items` items. */
void successors_set(struct successors *successors, int kind, const struct item_pair *pairs,
                    int64_t n, int64_t items);

/* Both kinds from all sequences. */
void successors_open(struct successors *successors, const int64_t *offsets, const int32_t *items,
                     int64_t n, int64_t a_items, int64_t all_items);
void successors_close(struct successors *successors); /* safe on a zeroed object; zeroes it */

int64_t successors_bytes(const struct successors *successors);

/* The rows of n items, `item` ascending, with columns numbered anew: column c is item (*column)[c],
 * ascending, and there are rows->columns. Memory is the arena's. */
void successors_select(const struct sparse *next, struct arena *arena, const int32_t *item,
                       int64_t n, struct sparse *rows, int32_t **column);

#endif
