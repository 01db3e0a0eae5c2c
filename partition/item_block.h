/* The rows of a table that are here, where ranks share it out: a block of each domain's items, so
 * that every rank has its share of the work in either. They stand one block after the other. Not
 * collective. */
#ifndef PARTITION_ITEM_BLOCK_H
#define PARTITION_ITEM_BLOCK_H
#include <stdint.h>

enum { DOMAINS = 2 };

struct item_block {
    int64_t lo[DOMAINS], hi[DOMAINS]; /* rows [lo[k], hi[k]) of the whole table, ascending */
};

static inline int64_t item_block_count(const struct item_block *p) {
    return p->hi[0] - p->lo[0] + p->hi[1] - p->lo[1];
}

/* Where row i of the whole table stands, -1: not here. */
static inline int64_t item_block_index(const struct item_block *p, int64_t i) {
    return i >= p->lo[0] && i < p->hi[0]   ? i - p->lo[0]
           : i >= p->lo[1] && i < p->hi[1] ? p->hi[0] - p->lo[0] + i - p->lo[1]
                                           : -1;
}

/* The row of the whole table that stands at place k. */
static inline int64_t item_block_item(const struct item_block *p, int64_t k) {
    int64_t first = p->hi[0] - p->lo[0];
    return k < first ? p->lo[0] + k : p->lo[1] + k - first;
}

#endif
