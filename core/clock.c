#include "core/clock.h"
#include "core/check.h"
#include <string.h>

bool clock_equal(const struct clock *a, const struct clock *b) {
    return a->knots == b->knots && !memcmp(a->at, b->at, (size_t)a->knots * sizeof *a->at);
}

/* at[lo] <= moment < at[hi] where the moment lies within the knots. */
real clock_place(const struct clock *clock, int64_t moment) {
    int lo = 0, hi = clock->knots - 1;
    assert(clock->knots > 0);
    if (moment <= clock->at[lo])
        return 0;
    if (moment >= clock->at[hi])
        return (real)hi;
    while (hi - lo > 1) {
        int mid = lo + (hi - lo) / 2;
        if (clock->at[mid] <= moment)
            lo = mid;
        else
            hi = mid;
    }
    double from = (double)clock->at[lo], to = (double)clock->at[hi];
    return (real)(lo + ((double)moment - from) / (to - from));
}
