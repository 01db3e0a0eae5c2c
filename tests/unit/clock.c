/* Places of moments between knots. */
#include "core/clock.h"
#include <criterion/criterion.h>

static const struct clock clock_of_four = {4, {-100, 0, 10, 1000000000000}};

Test(clock, knots_have_their_numbers) {
    for (int k = 0; k < clock_of_four.knots; k++)
        cr_expect_eq(clock_place(&clock_of_four, clock_of_four.at[k]), k);
}

Test(clock, places_are_linear_between_knots) {
    cr_expect_float_eq(clock_place(&clock_of_four, -75), 0.25, 1e-6);
    cr_expect_float_eq(clock_place(&clock_of_four, 9), 1.9, 1e-6);
    cr_expect_float_eq(clock_place(&clock_of_four, 500000000005), 2.5, 1e-6);
}

Test(clock, what_lies_outside_has_the_place_of_the_nearest_knot) {
    cr_expect_eq(clock_place(&clock_of_four, INT64_MIN), 0);
    cr_expect_eq(clock_place(&clock_of_four, INT64_MAX), 3);
    const struct clock one = {1, {5}};
    cr_expect_eq(clock_place(&one, 4), 0);
    cr_expect_eq(clock_place(&one, 6), 0);
}

/* The nearest number below a knot is not rounded beyond it. */
Test(clock, places_are_never_beyond_the_last_knot) {
    const struct clock two = {2, {0, INT64_MAX}};
    cr_expect_leq(clock_place(&two, INT64_MAX - 1), 1);
    cr_expect_geq(clock_place(&two, 1), 0);
}

Test(clock, equal_ones_have_the_same_knots) {
    struct clock other = clock_of_four;
    cr_expect(clock_equal(&other, &clock_of_four));
    other.at[5] = 1; /* no knot */
    cr_expect(clock_equal(&other, &clock_of_four));
    other.at[3]--;
    cr_expect_not(clock_equal(&other, &clock_of_four));
    other = clock_of_four;
    other.knots--;
    cr_expect_not(clock_equal(&other, &clock_of_four));
}
