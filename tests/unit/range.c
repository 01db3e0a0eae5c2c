#include "partition/range.h"
#include "tests/balanced.h"
#include <criterion/criterion.h>

BALANCED(range);

static void check(int64_t n, int size) {
    int64_t at = 0;
    for (int rank = 0; rank < size; rank++) {
        struct range r = range_of(n, size, rank);
        cr_assert(r.lo == at && r.hi >= r.lo, "n %ld size %d rank %d", n, size, rank);
        cr_assert(r.hi - r.lo - n / size <= 1 && r.hi - r.lo >= n / size);
        for (int64_t i = r.lo; i < r.hi; i++)
            cr_assert_eq(range_owner(n, size, i), rank, "n %ld size %d item %ld", n, size, i);
        at = r.hi;
    }
    cr_assert_eq(at, n);
}

Test(range, blocks_cover_everything_once) {
    for (int64_t n = 0; n < 40; n++)
        for (int size = 1; size < 12; size++)
            check(n, size);
}

Test(range, large_counts_do_not_overflow) {
    int64_t n = INT64_C(3) << 40;
    struct range last = range_of(n, 1000, 999);
    cr_expect_eq(last.hi, n);
    cr_expect_eq(range_owner(n, 1000, n - 1), 999);
    cr_expect_eq(range_owner(n, 1000, 0), 0);
    cr_expect_eq(range_owner(n, 1000, last.lo - 1), 998);
}
