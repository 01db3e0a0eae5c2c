/* Frequencies of the draws against their probabilities: a deviation of five standard errors is a
 * fault. */
#include "core/sampler.h"
#include "core/rng.h"
#include "tests/balanced.h"
#include <criterion/criterion.h>
#include <math.h>

BALANCED(sampler);

enum { ITEMS = 12, DRAWS = 200000 };
static const int32_t events[ITEMS] = {3, 0, 1, 100, 7, 0, 0, 0, 16, 2, 1, 0};

static void check_range(const struct sampler *s, int64_t lo, int64_t hi) {
    int64_t count[ITEMS] = {0};
    double sum = 0;
    uint64_t key = rng_key(5, RNG_TEST, (uint64_t)lo, (uint64_t)hi);
    for (uint64_t k = 0; k < DRAWS; k++) {
        int32_t item = sampler_draw(s, lo, hi, key, k);
        cr_assert(item >= lo && item < hi, "item %d of [%d, %d)", item, (int)lo, (int)hi);
        count[item]++;
    }
    for (int64_t i = lo; i < hi; i++) {
        double p = exp(sampler_log_probability(s, lo, hi, (int32_t)i));
        cr_expect(fabs((double)count[i] / DRAWS - p) <= 5 * sqrt(p * (1 - p) / DRAWS),
                  "item %d: %g of the draws, probability %g", (int)i, (double)count[i] / DRAWS, p);
        sum += p;
    }
    cr_expect_float_eq(sum, 1, 1e-12);
}

Test(sampler, uniform) {
    struct sampler s;
    sampler_open(&s, ITEMS, NULL, 0);
    check_range(&s, 0, ITEMS);
    check_range(&s, 4, 9);
    sampler_close(&s);
}

Test(sampler, by_popularity) {
    struct sampler s;
    sampler_open(&s, ITEMS, events, 0.75);
    cr_expect_float_eq(sampler_log_probability(&s, 2, 4, 3), -log1p(pow(100, -0.75)), 1e-12);
    check_range(&s, 0, ITEMS);
    check_range(&s, 2, 10);
    sampler_close(&s);
}

/* A range where nothing happened is drawn from uniformly. */
Test(sampler, range_without_events) {
    struct sampler s;
    sampler_open(&s, ITEMS, events, 0.75);
    cr_expect_float_eq(sampler_log_probability(&s, 5, 8, 6), -log(3), 1e-12);
    check_range(&s, 5, 8);
    sampler_close(&s);
}

/* From a pool an item comes as often as it stands there; a range that the pool lacks as before. */
Test(sampler, pool) {
    static const int32_t pool[8] = {7, 3, 3, 11, 3, 1, 7, 0};
    int64_t count[ITEMS] = {0}, inside = 0;
    struct sampler s;
    sampler_open(&s, ITEMS, events, 1);
    sampler_pool(&s, pool, 3);
    sampler_pool(&s, pool, 8);
    for (uint64_t k = 0; k < DRAWS; k++) {
        int32_t item = sampler_draw(&s, 1, 11, 17, k);
        cr_assert(item == 1 || item == 3 || item == 7, "item %d", item);
        count[item]++;
        inside += sampler_draw(&s, 8, 11, 18, k) == 8;
    }
    cr_expect(fabs((double)count[3] / DRAWS - 0.5) <= 5 * sqrt(0.25 / DRAWS));
    cr_expect(fabs((double)count[7] / DRAWS - 1. / 3) <= 5 * sqrt(2. / 9 / DRAWS));
    double p = exp(sampler_log_probability(&s, 8, 11, 8));
    cr_expect(fabs((double)inside / DRAWS - p) <= 5 * sqrt(p * (1 - p) / DRAWS));
    sampler_close(&s);
}
