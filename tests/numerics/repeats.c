/* Rankings that know how often users repeat, against probabilities by plain loops: of one softmax, of a
 * mixture of several of which one has more items than the candidates, of a model's own scores, of all
 * three together; and the count of repeats. */
#include "core/repeats.h"
#include "core/catalogue/rank.h"
#include "tests/numerics/check.h"
#include <float.h>

enum {
    N = 1300, /* items, those from COPY on are copies of the first */
    COPY = 650,
    LO = 30, /* candidates */
    HI = 1290,
    B = 300,
    D = 16,
    WIDTH = HI - LO,
    PARTS = 3,
    DRAWN = 30,
    LENGTH = 12,
    ALL_OF_THEM = 8 /* the sample whose history has all candidates */
};

static const double rates[PARTS] = {0.3, 1e-4, 0.02};

struct fixture {
    real items[N * D], q[3][B * D];
    bool present[3][B];
    int32_t state[B], target[B], added[2 * B], history[B][2 * N], drawn[B * DRAWN];
    real value[2 * B];
    struct sample samples[B];
    int64_t offsets[B + 1];
    struct query part[PARTS];
    struct arena arena;
    struct rank_lists of_history, excluded, negatives;
};

/* Of 32 values; those of a state that is a multiple of 32 are the same. */
static double own_score(int64_t state, int64_t item) {
    return (double)(item * state & 31) / 7;
}

static void score_by_hand(const void *context, const void *state, int64_t samples,
                          const struct chunk *chunk, int thread, real *out) {
    (void)context, (void)thread;
    for (int64_t t = 0; t < samples; t++)
        for (int64_t i = 0; i < chunk->width; i++)
            out[t * CHUNK + i] = (real)own_score(((const int32_t *)state)[t], chunk->lo + i);
}

/* The target, its copy twice, the next item, one that is no candidate, and others. In every fifth the
 * target is new; every seventh has no history, or none of candidates; that of sample 8 has them all. */
static void fill_history(struct fixture *f, int t) {
    int32_t *item = f->history[t], target = f->target[t];
    const int32_t first[] = {t % 5 ? target : 3, target + COPY, 5, target + COPY, target + 1};
    enum { FIRST = sizeof first / sizeof *first };
    int64_t n = t % 7 == 3 ? 0 : LENGTH;
    for (int64_t k = 0; k < n; k++)
        item[k] = t % 7 == 5 ? (int32_t)(k % LO)
                  : k < FIRST
                      ? first[k]
                      : (int32_t)(LO + rng_below(check_key(3), (uint64_t)(t * LENGTH + k), WIDTH));
    for (int32_t i = LO; i < HI && t == ALL_OF_THEM; i++)
        item[n++] = i;
    f->samples[t] = (struct sample){item, n, t, NULL};
}

static struct query_head *add_head(struct fixture *f, struct query *query, int s, double weight) {
    struct query_head *head =
        query_add_head(query, query_add_term(query, weight, f->present[s], FUSION_PROBABILITY));
    head->q = f->q[s], head->items = f->items, head->dim = D;
    return head;
}

static void open_parts(struct fixture *f) {
    for (int k = 0; k < PARTS; k++)
        f->part[k] = (struct query){.samples = B, .lo = LO, .hi = HI, .repeats = rates[k]};
    (void)add_head(f, &f->part[0], 0, 1);
    add_head(f, &f->part[1], 1, 0.8)->eps = (real)1e-12;
    struct query_head *wide = add_head(f, &f->part[1], 2, 0.5);
    wide->lo = 0, wide->hi = N;
    f->part[1].added = (struct query_added){2, f->added, f->value};
    f->part[2].scorer =
        (struct query_scorer){.score = score_by_hand, .state = f->state, .bytes = 4, .flops = 5};
}

static struct fixture *fixture_new(void) {
    struct fixture *f = mem_zero(1, sizeof *f);
    for (int64_t i = 0; i < N * D; i++)
        f->items[i] = (real)rng_normal(check_key(1), (uint64_t)i);
    memcpy(f->items + COPY * D, f->items, (N - COPY) * D * sizeof *f->items);
    for (int s = 0; s < 3; s++)
        for (int64_t i = 0; i < B * D; i++)
            f->q[s][i] = (real)(0.7 * rng_normal(check_key(2), (uint64_t)(s * B * D + i)));
    for (int t = 0; t < B; t++) {
        f->present[0][t] = true;
        f->present[1][t] = t % 11 && t % 4;
        f->present[2][t] = t % 11 && t % 3;
        f->target[t] = LO + 2 * t;
        f->state[t] = t;
        f->added[2 * t] = t % 3 && t % 11 ? f->target[t] : 7;
        f->added[2 * t + 1] = t % 22 ? LO + t : -1;
        f->value[2 * t] = (real)0.02, f->value[2 * t + 1] = (real)0.01;
        for (int k = 0; k < DRAWN; k++)
            f->drawn[t * DRAWN + k] = f->target[t] + 1 + k / 2;
        f->offsets[t + 1] = (t + 1) * DRAWN;
        fill_history(f, t);
    }
    open_parts(f);
    f->of_history = rank_own_items(&f->arena, f->samples, NULL, B);
    f->excluded = rank_own_items(&f->arena, f->samples, f->target, B);
    f->negatives = (struct rank_lists){f->offsets, f->drawn};
    return f;
}

static void fixture_free(struct fixture *f) {
    arena_free(&f->arena);
    mem_free(f);
}

static bool has(const struct fixture *f, int t, int64_t i) {
    return rank_lists_between(&f->of_history, t, i, i + 1).n > 0;
}

/* ---- the definition ---- */

static double product(const struct fixture *f, int s, int t, int64_t i) {
    double sum = 0;
    for (int64_t k = 0; k < D; k++)
        sum += (double)f->q[s][t * D + k] * (double)f->items[i * D + k];
    return sum;
}

static double norm(const struct fixture *f, int64_t i) {
    double sum = 0;
    for (int64_t k = 0; k < D; k++)
        sum += (double)f->items[i * D + k] * (double)f->items[i * D + k];
    return sqrt(sum);
}

/* p[i] += weight softmax(z)[i], over the items [lo, hi). */
static void add_softmax(const struct fixture *f, int s, int t, double weight, int64_t lo,
                        int64_t hi, bool divided, double p[N]) {
    double e[N], sum = 0;
    for (int64_t i = lo; i < hi; i++)
        sum += e[i] = exp(product(f, s, t, i) / (divided ? norm(f, i) : 1));
    for (int64_t i = lo; i < hi && f->present[s][t]; i++)
        p[i] += weight * e[i] / sum;
}

/* What part k gives: scores, of the model's own their exponentials. */
static void part_plainly(const struct fixture *f, int k, int t, double p[N]) {
    memset(p, 0, N * sizeof *p);
    if (k == 0)
        add_softmax(f, 0, t, 1, LO, HI, false, p);
    for (int64_t i = 0; i < N && k == 2; i++)
        p[i] = exp(own_score(t, i));
    if (k != 1)
        return;
    add_softmax(f, 1, t, 0.8, LO, HI, true, p);
    add_softmax(f, 2, t, 0.5, 0, N, false, p);
    for (int j = 2 * t; j < 2 * t + 2; j++)
        if (f->added[j] >= 0)
            p[f->added[j]] += (double)f->value[j];
}

/* The probability of the history's items among the candidates. */
static double share_plainly(const struct fixture *f, int t, const double p[N]) {
    double all = 0, of_history = 0;
    for (int64_t i = LO; i < HI; i++) {
        all += p[i];
        of_history += has(f, t, i) ? p[i] : 0;
    }
    return all > 0 ? of_history / all : 0;
}

/* p[LO..HI) becomes p' over its sum, 0 where all are. */
static void weigh_plainly(const struct fixture *f, int t, double r, double p[N]) {
    double share = share_plainly(f, t, p), sum = 0;
    for (int64_t i = LO; i < HI; i++) {
        if (share > 0)
            p[i] *= has(f, t, i) ? r / share : (1 - r) / (1 - share);
        sum += p[i];
    }
    for (int64_t i = LO; i < HI; i++)
        p[i] = sum > 0 ? p[i] / sum : 0;
}

/* The mean of the parts' logarithms, each brought to mean 0 and variance 1 over the candidates, and then with
 * log f for the history's items. */
static void blend_plainly(const struct fixture *f, const double r[PARTS], int t, double score[N]) {
    memset(score, 0, N * sizeof *score);
    for (int k = 0; k < PARTS; k++) {
        double p[N], mean = 0, square = 0;
        part_plainly(f, k, t, p);
        double share = share_plainly(f, t, p);
        bool weighed = r[k] > 0 && share > 0 && share < 1 - 1e-9;
        double more = weighed ? log(r[k] * (1 - share) / ((1 - r[k]) * share)) : 0;
        for (int64_t i = LO; i < HI; i++)
            mean += (p[i] = log(fmax(p[i], 1e-30))) / WIDTH;
        for (int64_t i = LO; i < HI; i++)
            square += (p[i] - mean) * (p[i] - mean) / WIDTH;
        for (int64_t i = LO; i < HI && square > 1e-9; i++)
            score[i] += (p[i] + (has(f, t, i) ? more : 0) - mean) / sqrt(square) / PARTS;
    }
}

/* ---- ranks ---- */

/* Logits err by some D eps |q| |e|, below 100 eps here; so do, relatively, probabilities, and their sums. */
static const double tolerance = 1000 * (double)REAL_EPS;

/* Which candidates count: the listed ones, or all but the target and those that are left out. */
static struct rank_count count_between(const double *score, int32_t target, struct rank_list listed,
                                       struct rank_list out, double error) {
    struct rank_count count = {0};
    double of_target = score[target];
    for (int64_t i = LO, j = 0; i < HI; i++) {
        while (j < out.n && out.items[j] < i)
            j++;
        int64_t times = listed.items ? 0 : i != target && !(j < out.n && out.items[j] == i);
        for (int64_t k = 0; k < listed.n; k++)
            times += listed.items[k] == i;
        count.above += score[i] > of_target + error ? times : 0;
        count.equal += fabs(score[i] - of_target) <= error ? times : 0;
        count.all += times;
    }
    return count;
}

static void expect_count(const struct rank_count *got, const struct rank_count *want, int t,
                         const char *what) {
    cr_expect(got->all == want->all && got->above >= want->above &&
                  got->above + got->equal <= want->above + want->equal,
              "%s, sample %d: %ld above and %ld equal of %ld, not %ld and %ld of %ld", what, t,
              (long)got->above, (long)got->equal, (long)got->all, (long)want->above,
              (long)want->equal, (long)want->all);
}

static struct rank_list list_of(const struct rank_lists *lists, int t) {
    return rank_lists_between(lists, t, LO, HI);
}

/* `score` is by the definition; `error` that of a score near the target's. */
static void expect_ranks(const struct fixture *f, const struct ranking *r,
                         const struct rank_count *drawn, int t, const double score[N],
                         double error) {
    const struct rank_list none = {0};
    struct rank_list out = r->excluded ? list_of(r->excluded, t) : none;
    struct rank_count full = count_between(score, f->target[t], none, out, error),
                      few = count_between(score, f->target[t], list_of(&f->negatives, t), none,
                                          error);
    expect_count(&r->full[t], &full, t, "full");
    expect_count(&r->sampled[t], &few, t, "sampled");
    expect_count(&drawn[t], &few, t, "sampled alone");
}

/* Is a sample ranked as beside the others? */
static void expect_alone(const struct fixture *f, const struct ranking *r, int t) {
    struct rank_count full, sampled;
    struct arena arena = {0};
    struct rank_lists lists[3];
    const struct rank_lists *from[3] = {r->history, r->excluded, r->negatives};
    struct ranking one = *r;
    for (int k = 0; k < 3; k++)
        if (from[k])
            lists[k] = (struct rank_lists){from[k]->offsets + t, from[k]->items};
    one.query = query_part(&r->query, t, 1);
    one.target = f->target + t, one.full = &full, one.sampled = &sampled, one.scores = NULL;
    one.history = &lists[0], one.excluded = r->excluded ? &lists[1] : NULL;
    one.negatives = &lists[2];
    cr_assert_eq(rank_targets(&arena, &one), STATUS_OK);
    cr_expect(full.above == r->full[t].above && full.equal == r->full[t].equal &&
                  sampled.above == r->sampled[t].above && sampled.equal == r->sampled[t].equal,
              "sample %d alone", t);
    arena_free(&arena);
}

struct outcome {
    struct rank_count full[B], sampled[B], drawn[B];
    real scores[B * WIDTH];
};

/* Full and sampled, sampled alone. */
static void rank_both(struct fixture *f, struct ranking *r, struct outcome *out) {
    r->target = f->target, r->history = &f->of_history, r->negatives = &f->negatives;
    r->sampled = out->drawn;
    cr_assert_eq(rank_targets(&f->arena, r), STATUS_OK);
    r->full = out->full, r->sampled = out->sampled, r->scores = out->scores;
    cr_assert_eq(rank_targets(&f->arena, r), STATUS_OK);
}

/* Scores over their sum are p'. */
static void expect_scores(const real *got, int t, bool logarithms, const double p[N]) {
    double sum = 0, x[WIDTH];
    for (int64_t i = 0; i < WIDTH; i++)
        sum += x[i] = logarithms ? exp((double)got[i]) : (double)got[i];
    for (int64_t i = 0; i < WIDTH && sum > 0; i++)
        cr_assert(fabs(x[i] / sum - p[LO + i]) <= tolerance * p[LO + i],
                  "sample %d, item %d: %.9g and not %.9g", t, (int)(LO + i), x[i] / sum, p[LO + i]);
}

static void check_part(int k, bool excluded) {
    struct fixture *f = fixture_new();
    struct outcome *out = mem_zero(1, sizeof *out);
    struct ranking r = {.query = f->part[k], .excluded = excluded ? &f->excluded : NULL};
    double *p = mem_alloc(N, sizeof *p);
    rank_both(f, &r, out);
    for (int t = 0; t < B; t += 2) {
        part_plainly(f, k, t, p);
        weigh_plainly(f, t, rates[k], p);
        expect_scores(out->scores + t * WIDTH, t, k == 2, p);
        expect_ranks(f, &r, out->drawn, t, p, tolerance * p[f->target[t]]);
        if (t % 16 == 0)
            expect_alone(f, &r, t);
    }
    for (int t = 0; t < B && k == 0 && !excluded; t++) /* a copy ties if it is of the same kind */
        cr_expect_eq(out->full[t].equal, has(f, t, f->target[t]) == has(f, t, f->target[t] + COPY),
                     "sample %d: %ld equal", t, (long)out->full[t].equal);
    mem_free(p);
    mem_free(out);
    fixture_free(f);
}

Test(repeats, of_one_softmax) {
    check_part(0, false);
    check_part(0, true);
}

Test(repeats, of_a_mixture) {
    check_part(1, false);
    check_part(1, true);
}

Test(repeats, of_scores_of_the_model) {
    check_part(2, false);
    check_part(2, true);
}

/* Errors of sums over the candidates in the moments beside those of logs; see numerics/catalogue.c. */
static const double blend_tolerance = 1000 * (double)REAL_EPS + 5e3 * N * DBL_EPSILON;

/* One of three parts does not know how often users repeat, or all do. */
static void check_together(bool all) {
    struct fixture *f = fixture_new();
    struct outcome *out = mem_zero(1, sizeof *out);
    double *score = mem_alloc(N, sizeof *score), known[PARTS];
    memcpy(known, rates, sizeof known);
    if (!all)
        known[0] = f->part[0].repeats = 0;
    struct ranking r = {.query = query_together(f->part, PARTS)};
    rank_both(f, &r, out);
    for (int t = 0; t < B; t += 2) {
        blend_plainly(f, known, t, score);
        for (int64_t i = 0; i < WIDTH && t != ALL_OF_THEM; i++)
            cr_assert_float_eq((double)out->scores[t * WIDTH + i], score[LO + i], blend_tolerance,
                               "sample %d, item %d: %.9g and not %.9g", t, (int)(LO + i),
                               (double)out->scores[t * WIDTH + i], score[LO + i]);
        expect_ranks(f, &r, out->drawn, t, score, blend_tolerance);
        if (t % 16 == 0)
            expect_alone(f, &r, t);
    }
    mem_free(score);
    mem_free(out);
    fixture_free(f);
}

Test(repeats, of_several_together) {
    check_together(true);
    check_together(false);
}

/* The best items are those of the highest p'. */
Test(repeats, best_items) {
    enum { K = 6 };
    static struct top_item list[B * K];
    static struct top top[B];
    struct fixture *f = fixture_new();
    double *p = mem_alloc(N, sizeof *p);
    int64_t repeated = 0;
    for (int k = 0; k < 2; k++) {
        struct ranking r = {.query = f->part[k], .history = &f->of_history};
        for (int t = 0; t < B; t++)
            top[t] = (struct top){list + t * K, K, 0};
        cr_assert_eq(rank_top(&f->arena, &r, K, top), STATUS_OK);
        for (int t = 0; t < B; t += 3) {
            part_plainly(f, k, t, p);
            weigh_plainly(f, t, rates[k], p);
            for (int j = 0; j < K; j++) {
                int64_t better = 0, item = list[t * K + j].item;
                for (int64_t i = LO; i < HI; i++)
                    better += p[i] > p[item] * (1 + tolerance);
                cr_expect_leq(better, j, "sample %d: the best %d", t, j);
                repeated += has(f, t, item);
            }
        }
    }
    cr_expect_gt(repeated, 0);
    mem_free(p);
    fixture_free(f);
}

/* ---- counts ---- */

/* A target repeats an earlier item of its own sequence, of either kind once for each time. */
Test(repeats, are_counted) {
    const int64_t offsets[] = {0, 5, 5, 6, 12};
    const int32_t item[] = {1, 7, 1, 7, 1, /**/ 1, /**/ 7, 2, 3, 8, 7, 3};
    struct repeats r = {0}, parts = {0};
    repeats_add(&r, offsets, item, 4, 9, 5);
    cr_expect(r.targets[0] == 2 + 3 && r.repeated[0] == 2 + 1);
    cr_expect(r.targets[1] == 2 + 2 && r.repeated[1] == 1 + 1);
    for (int s = 0; s < 4; s++)
        repeats_add(&parts, offsets + s, item, 1, 9, 5);
    cr_expect(!memcmp(&r, &parts, sizeof r));
    cr_expect_eq(repeats_rate(&r, 0), 3.5 / 6);
    cr_expect_eq(repeats_percent(&r, 1), 50);
    cr_expect_eq(repeats_percent(&(struct repeats){0}, 0), 0);
}
