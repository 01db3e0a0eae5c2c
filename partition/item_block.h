/* The rows of an item table that a rank has, where ranks share the table out: a block of each
 * domain's items, so that every rank has its share of the work in either. On the rank they stand
 * one block after the other. Blocks are those of partition/range.h. Not collective. */
#ifndef PARTITION_ITEM_BLOCK_H
#define PARTITION_ITEM_BLOCK_H
#include <stdint.h>

enum { DOMAINS = 2 };

struct item_block {
    int64_t lo[DOMAINS], hi[DOMAINS]; /* rows [lo[d], hi[d]) of the whole table, ascending */
};

/* The block of rank `rank` of `size`, of `items` items whose first `a_items` are domain 0's. Rank 0
 * of any number has the largest block of either domain; rank 0 of 1 has all. */
struct item_block item_block_of(int64_t a_items, int64_t items, int size, int rank);

/* first[d * size + r] = lo[d] of rank r's block; first[DOMAINS * size] = items. */
void item_block_first(int64_t a_items, int64_t items, int size, int64_t *first);

/* Items of domain d. */
static inline int64_t item_block_rows(const struct item_block *p, int d) {
    return p->hi[d] - p->lo[d];
}

static inline int64_t item_block_count(const struct item_block *p) {
    return item_block_rows(p, 0) + item_block_rows(p, 1);
}

/* Where row i of the whole table stands, -1: not here. */
static inline int64_t item_block_index(const struct item_block *p, int64_t i) {
    return i >= p->lo[0] && i < p->hi[0]   ? i - p->lo[0]
           : i >= p->lo[1] && i < p->hi[1] ? item_block_rows(p, 0) + i - p->lo[1]
                                           : -1;
}

/* The row of the whole table that stands at place k. */
static inline int64_t item_block_item(const struct item_block *p, int64_t k) {
    int64_t first = item_block_rows(p, 0);
    return k < first ? p->lo[0] + k : p->lo[1] + k - first;
}

#endif
