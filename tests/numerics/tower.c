/* Scores of a tower against a loop in double precision; and that a score is the same bits wherever its
 * item stands. */
#include "core/catalogue/tower.h"
#include "check.h"
#include "core/mem.h"
#include "core/rng.h"
#include "tests/balanced.h"
#include <math.h>

BALANCED(tower);

enum { ITEMS = CHUNK + 37, SAMPLES = 3, WIDTH = 11, MIDDLE = 7 };

struct fixture {
    struct tower tower;
    struct arena arena;
    real items[ITEMS * WIDTH], users[SAMPLES * WIDTH];
    real w[2][MIDDLE * WIDTH], b[2][MIDDLE];
    real out[SAMPLES * CHUNK];
};

static void fill(real *x, int64_t n, uint64_t key) {
    for (int64_t i = 0; i < n; i++)
        x[i] = (real)rng_normal(check_key(key), (uint64_t)i);
}

static struct query_scorer fixture_open(struct fixture *f) {
    *f = (struct fixture){.tower = {.width = WIDTH, .items = f->items, .layers = 2}};
    fill(f->items, ITEMS * WIDTH, 1);
    fill(f->users, SAMPLES * WIDTH, 2);
    for (int k = 0; k < 2; k++) {
        fill(f->w[k], MIDDLE * WIDTH, 3 + (uint64_t)k);
        fill(f->b[k], MIDDLE, 5 + (uint64_t)k);
    }
    f->tower.layer[0] = (struct tower_layer){MIDDLE, WIDTH, f->w[0], f->b[0]};
    f->tower.layer[1] = (struct tower_layer){1, MIDDLE, f->w[1], f->b[1]};
    return tower_scorer(&f->tower, &f->arena);
}

static double reference(const struct fixture *f, int64_t sample, int64_t item) {
    double score = (double)f->b[1][0];
    for (int o = 0; o < MIDDLE; o++) {
        double h = (double)f->b[0][o];
        for (int i = 0; i < WIDTH; i++)
            h += (double)f->w[0][o * WIDTH + i] *
                 fmax((double)f->users[sample * WIDTH + i] + (double)f->items[item * WIDTH + i], 0);
        score += (double)f->w[1][o] * fmax(h, 0);
    }
    return score;
}

Test(tower, scores_are_those_of_a_loop) {
    struct fixture *f = mem_alloc(1, sizeof *f);
    struct query_scorer scorer = fixture_open(f);
    cr_expect_eq(scorer.bytes, WIDTH * (int64_t)sizeof(real));
    for (int64_t lo = 0; lo < ITEMS; lo += CHUNK) {
        struct chunk chunk = {lo / CHUNK, lo, lo + CHUNK < ITEMS ? CHUNK : ITEMS - lo};
        scorer.score(scorer.context, f->users, SAMPLES, &chunk, 0, f->out);
        for (int64_t s = 0; s < SAMPLES; s++)
            for (int64_t i = 0; i < chunk.width; i++) {
                double got = (double)f->out[s * CHUNK + i], want = reference(f, s, lo + i);
                cr_expect(fabs(got - want) <= WIDTH * MIDDLE * 10 * (double)REAL_EPS,
                          "item %ld: %.9g, %.9g", (long)(lo + i), got, want);
            }
    }
    arena_free(&f->arena);
    mem_free(f);
}

Test(tower, a_score_does_not_depend_on_its_place) {
    struct fixture *f = mem_alloc(1, sizeof *f);
    struct query_scorer scorer = fixture_open(f);
    struct chunk whole = {0, 0, CHUNK}, one = {0, 0, 1}, shifted = {0, 5, CHUNK};
    real moved[SAMPLES * CHUNK], alone[CHUNK];
    scorer.score(scorer.context, f->users, SAMPLES, &whole, 0, f->out);
    scorer.score(scorer.context, f->users, SAMPLES, &shifted, 0, moved);
    cr_expect_arr_eq(f->out + 5, moved, (CHUNK - 5) * sizeof *moved);
    for (one.lo = 0; one.lo < CHUNK; one.lo++) {
        scorer.score(scorer.context, f->users + WIDTH, 1, &one, 0, alone);
        cr_expect_eq(alone[0], f->out[CHUNK + one.lo], "item %ld", (long)one.lo);
    }
    arena_free(&f->arena);
    mem_free(f);
}
