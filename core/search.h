/* Binary search. Not collective. */
#ifndef CORE_SEARCH_H
#define CORE_SEARCH_H
#include <stdint.h>

/* First index in [lo, hi) of ascending values with sorted[index] >= x; hi if there is none. */
static inline int64_t search_first(const int32_t *sorted, int64_t lo, int64_t hi, int64_t x) {
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (sorted[mid] < x)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

#endif
