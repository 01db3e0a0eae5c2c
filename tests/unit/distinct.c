/* Distinct values beside a count over all values. */
#include "core/distinct.h"
#include "core/mem.h"
#include "core/rng.h"
#include "tests/balanced.h"

BALANCED(distinct);

enum { N = 3000 };

/* Values below `most`, the largest of which is there. */
static void compare(int64_t n, int64_t most) {
    struct arena arena = {0};
    int32_t x[N] = {0}, values[N], place[N];
    uint64_t key = rng_key(1, RNG_TEST, (uint64_t)most, (uint64_t)n);
    for (int64_t i = 0; i < n; i++)
        x[i] = (int32_t)(i ? rng_below(key, (uint64_t)i, most) : most - 1);
    int64_t count = distinct(&arena, x, n, values, place);
    for (int64_t k = 1; k < count; k++)
        cr_assert_lt(values[k - 1], values[k]);
    for (int64_t i = 0; i < n; i++)
        cr_assert(place[i] >= 0 && place[i] < count && values[place[i]] == x[i]);
    for (int64_t k = 0, seen; k < count; k++) {
        seen = 0;
        for (int64_t i = 0; i < n; i++)
            seen += x[i] == values[k];
        cr_assert_gt(seen, 0, "%d is not among them", values[k]);
    }
    arena_free(&arena);
}

Test(distinct, ascending_and_each_at_its_place) {
    const int64_t most[] = {1, 2, 100, 2048, 2049, 1 << 22, INT32_MAX};
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        compare(0, most[i]);
        compare(1, most[i]);
        compare(N, most[i]);
    }
}
