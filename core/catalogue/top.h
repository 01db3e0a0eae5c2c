/* The best of many items by score: the higher first, of equal scores the smaller item. Not
 * collective. */
#ifndef CORE_CATALOGUE_TOP_H
#define CORE_CATALOGUE_TOP_H
#include "core/real.h"
#include <stdint.h>

struct top_item {
    real score;
    int32_t item;
};

/* The best `k` items seen so far, a heap whose root is the worst of them; `list` has room for k. */
struct top {
    struct top_item *list;
    int64_t k, count;
};

void top_add(struct top *top, struct top_item x);

/* Best first; nothing can be added any more. */
void top_sort(struct top *top);

#endif
