#include "core/catalogue/top.h"
#include <stdbool.h>
#include <stdlib.h>

static bool better(const struct top_item *a, const struct top_item *b) {
    return a->score > b->score || (a->score == b->score && a->item < b->item);
}

static void swap(struct top_item *a, struct top_item *b) {
    struct top_item t = *a;
    *a = *b;
    *b = t;
}

static void sift_up(struct top_item *list, int64_t i) {
    for (; i > 0 && better(&list[(i - 1) / 2], &list[i]); i = (i - 1) / 2)
        swap(&list[i], &list[(i - 1) / 2]);
}

static void sift_down(struct top_item *list, int64_t n) {
    for (int64_t i = 0;;) {
        int64_t worst = i;
        for (int64_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
            if (better(&list[worst], &list[child]))
                worst = child;
        if (worst == i)
            return;
        swap(&list[i], &list[worst]);
        i = worst;
    }
}

void top_add(struct top *top, struct top_item x) {
    if (top->count < top->k) {
        top->list[top->count] = x;
        sift_up(top->list, top->count++);
    } else if (top->k > 0 && better(&x, &top->list[0])) {
        top->list[0] = x;
        sift_down(top->list, top->count);
    }
}

static int best_first(const void *a, const void *b) {
    return better(a, b) ? -1 : better(b, a);
}

void top_sort(struct top *top) {
    qsort(top->list, (size_t)top->count, sizeof *top->list, best_first);
}
