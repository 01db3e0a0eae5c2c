/* Ranking over items that the ranks share out is ranking over whole tables. */
#include "core/catalogue/rank.h"
#include "core/mem.h"
#include "core/rng.h"
#include "mpi/collectives.h"
#include "tests/mpitest.h"
#include <string.h>

enum { X = 300, Y = 700, N = X + Y, D = 8, SAMPLES = 5, HISTORY = 60, WANTED = 40 };

/* A rank's samples. Candidates are the items of Y. */
struct fixture {
    real items[N * D], q[SAMPLES * D];
    bool present[SAMPLES];
    int32_t target[SAMPLES], history[SAMPLES][HISTORY + Y], negatives[SAMPLES * WANTED];
    int64_t drawn[SAMPLES + 1];
    int32_t few[SAMPLES * 4];
    real share[SAMPLES], value[SAMPLES * 4];
    struct sample samples[SAMPLES];
};

/* The first sample has nothing, the second one every candidate, the others some items of either
 * domain, the target among them and all of them twice. */
static void fill_history(struct fixture *f, int t, uint64_t key) {
    int64_t n = 0;
    for (int32_t i = X; i < N && t == 1; i++)
        f->history[t][n++] = i;
    for (; n < HISTORY - 1 && t > 1; n += 2)
        f->history[t][n] = f->history[t][n + 1] =
            n ? (int32_t)rng_below(key, (uint64_t)n, N) : f->target[t];
    f->samples[t] = (struct sample){f->history[t], n, t, NULL};
}

static void fill(struct fixture *f) {
    uint64_t common = rng_key(1, RNG_TEST, 0, 0);
    uint64_t mine = rng_key(2, RNG_TEST, (uint64_t)test_comm.rank, 0);
    for (int64_t i = 0; i < N * D; i++)
        f->items[i] = (real)rng_normal(common, (uint64_t)i);
    for (int64_t i = 0; i < SAMPLES * D; i++)
        f->q[i] = (real)rng_normal(mine, (uint64_t)i);
    for (int t = 0; t < SAMPLES; t++) {
        f->present[t] = true;
        f->target[t] = X + (int32_t)rng_below(mine, (uint64_t)t, Y - WANTED);
        f->drawn[t + 1] = (t + 1) * WANTED;
        for (int k = 0; k < WANTED; k++)
            f->negatives[t * WANTED + k] = f->target[t] + 1 + k;
        fill_history(f, t, rng_key(3, RNG_TEST, (uint64_t)test_comm.rank, (uint64_t)t));
    }
}

/* Rows of the items that are here, in the order of their places. */
static real *rows_local(const struct fixture *f, const struct item_block *local) {
    real *rows = mem_alloc(item_block_count(local) * D, sizeof *rows);
    for (int64_t k = 0; k < item_block_count(local); k++)
        memcpy(rows + k * D, f->items + item_block_item(local, k) * D, D * sizeof *rows);
    return rows;
}

static struct ranking ranking_of(struct fixture *f, const real *rows, int64_t lo, int64_t hi) {
    struct ranking r = {.query = {.samples = SAMPLES, .lo = lo, .hi = hi}, .target = f->target};
    struct query_head *head =
        query_add_head(&r.query, query_add_term(&r.query, 1, f->present, FUSION_PROBABILITY));
    head->q = f->q, head->items = rows, head->dim = D;
    return r;
}

/* A model's own scores, of 16 values: most candidates tie with many others. `context` says which
 * items are here, NULL: all. */
static void score_by_hand(const void *context, const void *state, int64_t samples,
                          const struct chunk *chunk, int thread, real *out) {
    const struct item_block *local = context;
    const real *q = state;
    (void)thread;
    for (int64_t t = 0; t < samples; t++)
        for (int64_t i = 0; i < chunk->width; i++) {
            int64_t item = local ? item_block_item(local, chunk->lo + i) : chunk->lo + i;
            out[t * CHUNK + i] = (real)((item * (int64_t)(1000 * q[t * D])) & 15);
        }
}

static struct query_scorer scorer_of(const struct fixture *f, const struct item_block *local) {
    return (struct query_scorer){
        .score = score_by_hand, .context = local, .state = f->q, .bytes = D * sizeof *f->q};
}

static bool same(const struct rank_count *a, const struct rank_count *b) {
    return a->above == b->above && a->equal == b->equal && a->all == b->all;
}

/* Among what softmaxes score: a share of them, and something for the target, for items of X and of Y
 * elsewhere, for nobody; rows of ranks are not of the same width. */
static void add_few(struct fixture *f, struct query *query) {
    query->term[0].share = f->share;
    query->added = (struct query_added){3 + test_comm.rank % 2, f->few, f->value};
    for (int t = 0; t < SAMPLES; t++) {
        int32_t *few = f->few + t * query->added.width;
        f->share[t] = (real)(0.3 + 0.1 * t);
        few[0] = t % 2 ? f->target[t] : 7;
        few[1] = X + 500 + t;
        few[2] = -1;
        if (query->added.width > 3)
            few[3] = X + t;
        for (int k = 0; k < query->added.width; k++)
            f->value[t * query->added.width + k] = (real)(0.004 * (k + 1));
    }
}

enum scores { SOFTMAX, MIXTURE, OWN_SCORES, TOGETHER };

/* What the user has is no candidate, or weighed by how often users repeat. */
enum history { EXCLUDED, WEIGHED };

static void set_scores(struct fixture *f, struct query *query, enum scores scores,
                       const struct item_block *local) {
    if (scores == MIXTURE)
        add_few(f, query);
    if (scores == OWN_SCORES) {
        query->terms = 0;
        query->scorer = scorer_of(f, local);
    }
}

/* What ranks by each of the others together. */
static struct query together(struct fixture *f, const struct query *query, struct query part[3],
                             const struct item_block *local) {
    for (int k = 0; k < 3; k++) {
        part[k] = *query;
        set_scores(f, &part[k], k, local);
    }
    return query_together(part, 3);
}

/* What is the same in a ranking over whole tables and over those that are shared out. */
static void expect_same(const struct rank_count full[2][SAMPLES],
                        const struct rank_count sampled[2][SAMPLES]) {
    for (int t = 0; t < SAMPLES; t++) {
        MPI_EXPECT(same(&full[0][t], &full[1][t]), "full, sample %d", t);
        MPI_EXPECT(same(&sampled[0][t], &sampled[1][t]), "sampled, sample %d", t);
    }
}

static void expect_excluded(const struct rank_count full[SAMPLES],
                            const struct rank_count sampled[SAMPLES], enum scores scores) {
    MPI_EXPECT(full[0].all == Y - 1 && full[1].all == 0);
    MPI_EXPECT(full[2].all < Y - 1 && full[2].all >= Y - HISTORY / 2);
    MPI_EXPECT(sampled[2].all == WANTED);
    MPI_EXPECT(scores != OWN_SCORES || (full[0].equal > Y / 32 && full[0].equal < Y));
}

/* Users hardly repeat: a target that the history has stands behind all that it has not. */
static void expect_weighed(const struct fixture *f, const struct rank_lists *own,
                           const struct rank_count full[SAMPLES]) {
    for (int t = 0; t < SAMPLES; t++) {
        int64_t others = Y - rank_lists_between(own, t, X, N).n;
        bool repeats = rank_lists_between(own, t, f->target[t], f->target[t] + 1).n > 0;
        MPI_EXPECT(full[t].all == Y - 1);
        MPI_EXPECT(repeats == (t > 0) && (!repeats || full[t].above >= others),
                   "sample %d: %d above", t, (int)full[t].above);
    }
}

static void ranking_case(enum scores scores, enum history history) {
    struct fixture *f = mem_zero(1, sizeof *f);
    struct arena arena = {0};
    struct rank_count full[2][SAMPLES], sampled[2][SAMPLES];
    struct query part[2][3];
    fill(f);
    struct item_block local = item_block_of(X, N, test_comm.size, test_comm.rank);
    struct collectives collectives = collectives_of(&test_comm);
    real *rows = rows_local(f, &local);
    struct ranking r[2] = {
        ranking_of(f, f->items, X, N),
        ranking_of(f, rows, item_block_rows(&local, 0), item_block_count(&local))};
    struct rank_lists own =
        rank_own_items(&arena, f->samples, history == EXCLUDED ? f->target : NULL, SAMPLES);
    struct rank_lists negatives = {f->drawn, f->negatives};
    r[1].query.collectives = &collectives, r[1].query.local = &local;
    for (int k = 0; k < 2; k++) {
        r[k].query.repeats = history == WEIGHED ? 1e-12 : 0;
        if (scores == TOGETHER)
            r[k].query = together(f, &r[k].query, part[k], k ? &local : NULL);
        else
            set_scores(f, &r[k].query, scores, k ? &local : NULL);
        *(history == WEIGHED ? &r[k].history : &r[k].excluded) = &own;
        r[k].negatives = &negatives;
        r[k].full = full[k], r[k].sampled = sampled[k];
        MPI_REQUIRE(rank_targets(&arena, &r[k]) == STATUS_OK, "ranking %d", k);
    }
    expect_same(full, sampled);
    if (history == EXCLUDED)
        expect_excluded(full[1], sampled[1], scores);
    else
        expect_weighed(f, &own, full[1]);
    mem_free(rows);
    mem_free(f);
    arena_free(&arena);
}

MPI_TEST(rank, without_what_the_user_has_on_one_rank, 1) {
    ranking_case(SOFTMAX, EXCLUDED);
}

MPI_TEST(rank, without_what_the_user_has_on_four_ranks, 4) {
    ranking_case(SOFTMAX, EXCLUDED);
}

MPI_TEST(rank, by_scores_of_the_model_on_one_rank, 1) {
    ranking_case(OWN_SCORES, EXCLUDED);
}

MPI_TEST(rank, by_scores_of_the_model_on_four_ranks, 4) {
    ranking_case(OWN_SCORES, EXCLUDED);
}

MPI_TEST(rank, by_a_mixture_on_four_ranks, 4) {
    ranking_case(MIXTURE, EXCLUDED);
}

MPI_TEST(rank, by_all_of_these_together_on_one_rank, 1) {
    ranking_case(TOGETHER, EXCLUDED);
}

MPI_TEST(rank, by_all_of_these_together_on_four_ranks, 4) {
    ranking_case(TOGETHER, EXCLUDED);
}

MPI_TEST(rank, weighed_by_repeats_of_a_softmax_on_three_ranks, 3) {
    ranking_case(SOFTMAX, WEIGHED);
}

MPI_TEST(rank, weighed_by_repeats_of_a_mixture_on_two_ranks, 2) {
    ranking_case(MIXTURE, WEIGHED);
}

MPI_TEST(rank, weighed_by_repeats_of_scores_of_the_model_on_three_ranks, 3) {
    ranking_case(OWN_SCORES, WEIGHED);
}

MPI_TEST(rank, weighed_by_repeats_of_all_together_on_three_ranks, 3) {
    ranking_case(TOGETHER, WEIGHED);
}

MPI_TEST_MAIN()
