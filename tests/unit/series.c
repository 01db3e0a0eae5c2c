#include "jobs/bench/series.h"
#include "core/mem.h"
#include <criterion/criterion.h>

static struct series of(const double *x, int64_t n) {
    struct series s = {0};
    for (int64_t i = 0; i < n; i++)
        series_add(&s, x[i]);
    return s;
}

Test(series, has_order_statistics_of_any_number) {
    static const double x[] = {4, 1, 3, 2, 9};
    for (int64_t n = 1; n <= 5; n++) {
        static const double median[] = {0, 4, 2.5, 3, 2.5, 3}, max[] = {0, 4, 4, 4, 4, 9};
        struct series s = of(x, n);
        cr_expect_eq(series_median(&s), median[n]);
        cr_expect_eq(series_max(&s), max[n]);
        cr_expect_eq(series_min(&s), n == 1 ? 4 : 1);
        cr_expect_eq(s.x[0], 4, "the order stays");
        series_free(&s);
    }
    cr_expect_eq(mem_live(), 0);
}
