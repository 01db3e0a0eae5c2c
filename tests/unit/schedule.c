/* The learning rate, against the formulas of core/schedule.h worked out by hand. */
#include "core/schedule.h"
#include "core/models/registry.h"
#include "core/options.h"
#include "tests/balanced.h"
#include <criterion/criterion.h>
#include <math.h>

BALANCED(schedule, .init = models_register);

/* Epochs of 5 steps. */
static struct schedule make(const char *const (*pairs)[2]) {
    struct config config;
    options_defaults(&config);
    cr_assert_eq(options_set(&config, "test", "train.lr", "0.8"), STATUS_OK);
    for (; (*pairs)[0]; pairs++)
        cr_assert_eq(options_set(&config, "test", (*pairs)[0], (*pairs)[1]), STATUS_OK);
    return schedule_of(&config, 5);
}
#define MAKE(...) make((const char *const[][2]){__VA_ARGS__ __VA_OPT__(, ){NULL, NULL}})

static const struct plateau none = {0, 0};

/* The rates of the first n steps; a few roundings of numbers below 1. */
static void expect_rates(const struct schedule *s, int n, const double *want) {
    for (int i = 0; i < n; i++)
        cr_expect_float_eq(schedule_rate(s, i, &none), want[i], 4e-16, "step %d: %.17g", i + 1,
                           schedule_rate(s, i, &none));
}

Test(schedule, constant) {
    struct schedule s = MAKE();
    cr_expect(schedule_rate(&s, 0, &none) == 0.8 && schedule_rate(&s, 100000, &none) == 0.8);
}

/* One and a half epochs are 7.5 steps: the eighth is the first with the whole rate. */
Test(schedule, warmup_rises_by_step) {
    struct schedule s = MAKE({"train.warmup", "1.5"});
    const double want[] = {
        0.8 / 7.5,     0.8 * 2 / 7.5, 0.8 * 3 / 7.5, 0.8 * 4 / 7.5, 0.8 * 5 / 7.5,
        0.8 * 6 / 7.5, 0.8 * 7 / 7.5, 0.8,           0.8,           0.8};
    expect_rates(&s, 10, want);
}

/* Eight steps in all, of which 2 rise: sixths of half a period. */
Test(schedule, cosine_ends_with_the_training) {
    struct schedule s = MAKE({"train.schedule", "cosine"}, {"train.max_steps", "8"},
                             {"train.warmup", "0.4"}, {"train.min_lr", "0.2"});
    double half = sqrt(3) / 2;
    const double want[] = {0.4, 0.8, 0.8, 0.5 + 0.3 * half, 0.65, 0.5, 0.35, 0.5 - 0.3 * half,
                           0.2, 0.2};
    expect_rates(&s, 10, want);
}

Test(schedule, cosine_over_epochs) {
    struct schedule s = MAKE({"train.schedule", "cosine"}, {"train.epochs", "2"});
    cr_expect_float_eq(schedule_rate(&s, 0, &none), 0.8, 1e-16);
    cr_expect_float_eq(schedule_rate(&s, 5, &none), 0.4, 1e-16);
    cr_expect_float_eq(schedule_rate(&s, 10, &none), 0, 1e-16);
    struct schedule longer =
        MAKE({"train.schedule", "cosine"}, {"train.epochs", "2"}, {"train.max_steps", "11"});
    cr_expect(longer.total == 10);
}

/* What is longer than the training is cut off with it. */
Test(schedule, warmup_longer_than_the_training) {
    struct schedule s =
        MAKE({"train.schedule", "cosine"}, {"train.warmup", "4"}, {"train.epochs", "2"});
    for (int n = 0; n <= 10; n++)
        cr_expect_float_eq(schedule_rate(&s, n, &none), 0.8 * (n + 1) / 20, 1e-16);
}

/* Rates after evaluations that are the best (b) or not (.), 5 steps apart. */
static void expect_plateau(const struct schedule *s, const char *evaluations, const double *want) {
    struct plateau p = {0, 0};
    for (int i = 0; evaluations[i]; i++) {
        schedule_evaluated(s, 5 * (i + 1), evaluations[i] == 'b', &p);
        double rate = schedule_rate(s, 5 * (i + 1), &p);
        cr_expect_float_eq(rate, want[i], 4e-16, "evaluation %d of %s: %.17g", i + 1, evaluations,
                           rate);
    }
}

/* With a patience of 2 the third evaluation in a row that is not better lowers the rate, and the
 * count begins again; the lowest rate stays. */
Test(schedule, plateau_lowers_the_rate) {
    struct schedule s = MAKE({"train.schedule", "plateau"}, {"train.plateau_factor", "0.25"},
                             {"train.plateau_patience", "2"}, {"train.min_lr", "0.1"});
    const double want[] = {0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1};
    expect_plateau(&s, "b..b..........", want);
}

Test(schedule, plateau_without_patience) {
    struct schedule s = MAKE({"train.schedule", "plateau"}, {"train.plateau_factor", "0.5"},
                             {"train.plateau_patience", "0"});
    const double want[] = {0.8, 0.4, 0.4, 0.2, 0.1};
    expect_plateau(&s, "b.b..", want);
}

/* The evaluations of the first two epochs are within the warm-up of two and a half. */
Test(schedule, plateau_begins_behind_the_warmup) {
    struct schedule s = MAKE({"train.schedule", "plateau"}, {"train.warmup", "2.5"},
                             {"train.plateau_factor", "0.5"}, {"train.plateau_patience", "1"});
    const double want[] = {0.8 * 6 / 12.5, 0.8 * 11 / 12.5, 0.8, 0.4, 0.4};
    expect_plateau(&s, ".....", want);
}

/* Only plateau counts evaluations. */
Test(schedule, others_do_not_wait) {
    struct schedule s = MAKE({"train.plateau_patience", "0"});
    struct plateau p = {0, 0};
    schedule_evaluated(&s, 5, false, &p);
    cr_expect(p.waited == 0 && p.reductions == 0);
}
