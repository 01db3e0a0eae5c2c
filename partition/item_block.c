#include "partition/item_block.h"
#include "partition/range.h"

struct item_block item_block_of(int64_t a_items, int64_t items, int size, int rank) {
    struct range a = range_of(a_items, size, rank), b = range_of(items - a_items, size, rank);
    return (struct item_block){{a.lo, a_items + b.lo}, {a.hi, a_items + b.hi}};
}

void item_block_first(int64_t a_items, int64_t items, int size, int64_t *first) {
    for (int r = 0; r < size; r++) {
        struct item_block block = item_block_of(a_items, items, size, r);
        for (int d = 0; d < DOMAINS; d++)
            first[d * size + r] = block.lo[d];
    }
    first[DOMAINS * size] = items;
}
