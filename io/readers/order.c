#include "io/readers/order.h"
#include "core/mem.h"
#include <string.h>

void identity_order(int64_t n, int64_t *order) {
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
}

/* Bottom-up merge sort: runs of `width` become runs of 2 * width. */
static void merge_runs(const struct moment *key, int64_t n, int64_t width, const int64_t *from,
                       int64_t *to) {
    for (int64_t lo = 0; lo < n; lo += 2 * width) {
        int64_t middle = lo + width < n ? lo + width : n;
        int64_t hi = lo + 2 * width < n ? lo + 2 * width : n;
        for (int64_t i = lo, j = middle, k = lo; k < hi; k++)
            to[k] = i < middle && (j >= hi || !moment_after(key[from[i]], key[from[j]]))
                        ? from[i++]
                        : from[j++];
    }
}

void stable_order(const struct moment *key, int64_t n, int64_t *order) {
    int64_t *other = mem_alloc(n, sizeof *other), *from = order, *to = other;
    for (int64_t width = 1; width < n; width *= 2) {
        merge_runs(key, n, width, from, to);
        int64_t *swap = from;
        from = to, to = swap;
    }
    if (from != order)
        memcpy(order, from, (size_t)n * sizeof *order);
    mem_free(other);
}
