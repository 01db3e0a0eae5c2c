/* A split is dealt to the ranks by cost. Negatives of the sampled protocol are drawn per sample. The
 * models: a rank ranks its samples in batches of one domain, item rows of all items made once.
 * Popularity: the same outcomes from counts of events. Outcomes are collected on rank 0, which computes
 * the metrics in the order of the data set. */
#include "jobs/engine/evaluation.h"
#include "core/catalogue/rank.h"
#include "core/fault.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/phase.h"
#include "core/rng.h"
#include "core/search.h"
#include "core/text.h"
#include "jobs/engine/popularity.h"
#include "jobs/engine/ranker.h"
#include "mpi/reduce_ordered.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The counts of one sample on their way to rank 0. */
struct outcome {
    int64_t place;
    int32_t target, domain;
    struct rank_count full, sampled;
};

/* ---- samples ---- */

static int64_t target_cost(const void *context, const int32_t *items, int64_t length) {
    const struct dataset *dataset = context;
    return 1 + dataset->domain_items[items[length - 1] >= dataset->domain_items[0]];
}

static int shares_per_rank(const struct run *run) {
    bool fixed = run->config.train.reproducible && REDUCE_SHARES % run->comm->size == 0;
    return fixed ? REDUCE_SHARES / run->comm->size : 1;
}

/* All samples are one step, in the order of the data set. */
static void deal(struct evaluation *e, const struct shard *shard) {
    int64_t *place = mem_alloc(shard->home.count, sizeof *place);
    for (int64_t i = 0; i < shard->home.count; i++)
        place[i] = shard->first + i;
    shard_deal(shard, place, shard->count, shard->comm->size * e->shares, &e->hand);
    mem_free(place);
}

enum status evaluation_open(struct evaluation *e, const struct run *run, enum split split) {
    struct shard shard;
    *e = (struct evaluation){.run = run,
                             .split = split,
                             .count = run->dataset.counts[split],
                             .shares = shares_per_rank(run)};
    TRY(shard_open(&shard, run->comm, &run->dataset, split, &run->model.catalogue.clock,
                   target_cost, &run->dataset));
    deal(e, &shard);
    shard_close(&shard);
    return STATUS_OK;
}

void evaluation_close(struct evaluation *e) {
    hand_free(&e->hand);
    *e = (struct evaluation){0};
}

static int32_t target_of(const struct evaluation *e, int64_t i) {
    return e->hand.values[e->hand.offsets[i + 1] - 1];
}

/* What is known when the target is asked for. */
static struct sample history_of(const struct evaluation *e, int64_t i) {
    struct sample sample = hand_sample(&e->hand, i, e->hand.place[i]);
    sample.length--;
    return sample;
}

static int domain_of(const struct evaluation *e, int32_t item) {
    return item >= e->run->dataset.domain_items[0];
}

/* ---- negatives of the sampled protocol ---- */

struct negatives {
    int64_t *offsets;
    int32_t *items;
    uint8_t *taken; /* [items of the catalogue], all zero between samples */
};

static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static void mark(const struct evaluation *e, int64_t i, uint8_t *taken, uint8_t value) {
    for (int64_t k = e->hand.offsets[i]; k < e->hand.offsets[i + 1]; k++)
        taken[e->hand.values[k]] = value;
}

/* Items of [lo, hi) that are not taken. */
static int64_t available(const uint8_t *taken, int64_t lo, int64_t hi) {
    int64_t n = 0;
    for (int64_t i = lo; i < hi; i++)
        n += !taken[i];
    return n;
}

/* `want` of the items of [lo, hi) that are not taken, which are more; ascending. */
static void draw(const struct evaluation *e, int64_t i, int64_t lo, int64_t hi, int64_t want,
                 uint8_t *taken, int32_t *out) {
    const struct config *config = &e->run->config;
    uint64_t key = rng_key((uint64_t)config->run.seed, RNG_CANDIDATES, (uint64_t)e->split,
                           (uint64_t)e->hand.place[i]);
    int64_t n = 0;
    for (uint64_t counter = 0; n < want; counter++) {
        int32_t item = (int32_t)(lo + rng_below(key, counter, hi - lo));
        if (taken[item])
            continue;
        taken[item] = config->eval.exclude_history;
        out[n++] = item;
    }
    for (int64_t k = 0; k < n; k++)
        taken[out[k]] = 0;
    qsort(out, (size_t)n, sizeof *out, ascending);
}

static int64_t take_all(const uint8_t *taken, int64_t lo, int64_t hi, int32_t *out) {
    int64_t n = 0;
    for (int64_t i = lo; i < hi; i++)
        if (!taken[i])
            out[n++] = (int32_t)i;
    return n;
}

/* With eval.exclude_history the user's own items are left out and nothing is drawn twice; without,
 * draws are independent and only the target is left out, as C2DSR does. Where that leaves no
 * more items than are wanted, each of them is a negative once. */
static int64_t draw_negatives(const struct evaluation *e, int64_t i, uint8_t *taken, int32_t *out) {
    const struct config *config = &e->run->config;
    int32_t target = target_of(e, i);
    int64_t lo = domain_of(e, target) ? e->run->dataset.domain_items[0] : 0;
    int64_t hi = lo + e->run->dataset.domain_items[domain_of(e, target)];
    int64_t want = config->eval.sampled_negatives;
    mark(e, i, taken, config->eval.exclude_history);
    taken[target] = 1;
    if (available(taken, lo, hi) > want)
        draw(e, i, lo, hi, want, taken, out);
    else
        want = take_all(taken, lo, hi, out);
    mark(e, i, taken, 0);
    return want;
}

static struct negatives negatives_new(const struct evaluation *e) {
    int64_t items = e->run->dataset.items, want = e->run->config.eval.sampled_negatives;
    return (struct negatives){
        mem_alloc(RANKER_BATCH + 1, sizeof(int64_t)),
        mem_alloc(RANKER_BATCH * (want < items ? want : items), sizeof(int32_t)),
        mem_zero(items, 1)};
}

static void negatives_free(struct negatives *n) {
    mem_free(n->offsets);
    mem_free(n->items);
    mem_free(n->taken);
}

static void negatives_draw(const struct evaluation *e, const int64_t *index, int64_t n,
                           struct negatives *negatives) {
    negatives->offsets[0] = 0;
    for (int64_t k = 0; k < n; k++)
        negatives->offsets[k + 1] =
            negatives->offsets[k] +
            draw_negatives(e, index[k], negatives->taken, negatives->items + negatives->offsets[k]);
}

/* ---- from counts to metrics ---- */

static struct metrics_place place_of(const struct rank_count *count, int domain, int ties) {
    return (struct metrics_place){metrics_rank(count->above, count->equal, ties), count->all,
                                  domain, count->equal > 0};
}

static double *keep_kind(const struct metrics_place *place, int64_t n) {
    double *rank = mem_alloc(n, sizeof *rank);
    for (int64_t i = 0; i < n; i++)
        rank[i] = place[i].others > 0 ? place[i].rank : NAN;
    return rank;
}

/* Every sample has its outcome. */
static void keep_ranks(const struct evaluation *e, const struct outcome *all,
                       const struct metrics_place *full, const struct metrics_place *sampled) {
    const struct config *config = &e->run->config;
    struct ranks *r = e->ranks;
    *r = (struct ranks){.count = e->count,
                        .target = mem_alloc(e->count, sizeof *r->target),
                        .domain = mem_alloc(e->count, sizeof *r->domain),
                        .excluded = config->eval.exclude_history};
    for (int64_t i = 0; i < e->count; i++) {
        r->target[all[i].place] = all[i].target;
        r->domain[all[i].place] = (uint8_t)all[i].domain;
    }
    if (config->eval.candidates != CANDIDATES_SAMPLED)
        r->rank[RANKS_FULL] = keep_kind(full, e->count);
    if (config->eval.candidates != CANDIDATES_FULL)
        r->rank[RANKS_SAMPLED] = keep_kind(sampled, e->count);
}

/* Rank 0's part: every sample must have arrived once. */
static enum status compute(const struct evaluation *e, const struct outcome *all, int64_t n,
                           struct report_scores *result) {
    const struct config *config = &e->run->config;
    struct metrics_place *full = mem_zero(e->count, sizeof *full);
    struct metrics_place *sampled = mem_zero(e->count, sizeof *sampled);
    int64_t missing = 0;
    for (int64_t i = 0; i < n; i++) {
        const struct outcome *o = &all[i];
        full[o->place] = place_of(&o->full, o->domain, config->eval.ties);
        sampled[o->place] = place_of(&o->sampled, o->domain, config->eval.ties);
    }
    for (int64_t i = 0; i < e->count; i++)
        missing += full[i].rank < 1;
    if (n == e->count && !missing) {
        struct figure select = options_select_figure(config);
        metrics_compute(full, e->count, 0, &config->eval.cutoffs, &select, &result->full);
        metrics_compute(sampled, e->count, config->eval.sampled_negatives, &config->eval.cutoffs,
                        &select, &result->sampled);
        if (e->ranks)
            keep_ranks(e, all, full, sampled);
    }
    mem_free(full);
    mem_free(sampled);
    if (n == e->count && !missing)
        return STATUS_OK;
    return log_error(STATUS_FAIL, "evaluation of %s: %lld of %lld samples were ranked",
                     split_names[e->split], (long long)n, (long long)e->count);
}

static enum status finish(const struct evaluation *e, const struct outcome *mine,
                          enum status status, struct report_scores *out) {
    const struct comm *comm = e->run->comm;
    struct report_scores result = {.has_full = e->run->config.eval.candidates != CANDIDATES_SAMPLED,
                                   .has_sampled =
                                       e->run->config.eval.candidates != CANDIDATES_FULL};
    int64_t bytes;
    TRY(comm_agree(comm, status));
    struct outcome *all = comm_collect(comm, mine, e->hand.count * (int64_t)sizeof *mine, &bytes);
    status = COMM_ON_ROOT(comm, compute(e, all, bytes / (int64_t)sizeof *all, &result));
    mem_free(all);
    TRY(status);
    comm_bcast(comm, &result, sizeof result);
    *out = result;
    return STATUS_OK;
}

/* ---- the models ---- */

struct work {
    struct evaluation *e;
    struct ranker ranker;
    struct negatives negatives;
    bool sampled;
    struct outcome *outcomes;
    int64_t ranked; /* of this rank's samples */
    double since;
};

/* As far as this rank is with its samples all are. */
static void show_progress(const struct work *w) {
    const struct evaluation *e = w->e;
    double part = (double)w->ranked / (double)e->hand.count, seconds = phase_clock() - w->since;
    char left[TEXT_DURATION];
    if (e->hand.count > 0)
        log_progress("ranking %s targets, %.0f of %lld, %.0f targets/s, %s left",
                     split_names[e->split], part * (double)e->count, (long long)e->count,
                     part * (double)e->count / seconds,
                     text_duration(seconds / part - seconds, left));
}

/* Rank samples index[0..n), whose targets lie in one domain. Collective where items are shared out;
 * n may be 0 then. */
static enum status rank_batch(struct work *w, const int64_t *index, int64_t n, int domain) {
    struct evaluation *e = w->e;
    struct sample samples[RANKER_BATCH];
    int32_t target[RANKER_BATCH];
    struct rank_count full[RANKER_BATCH] = {0}, sampled[RANKER_BATCH] = {0};
    struct rank_lists negatives = {w->negatives.offsets, w->negatives.items}, own, others;
    bool all = e->run->config.eval.candidates != CANDIDATES_SAMPLED;
    struct ranking ranking = {.target = target, .full = all ? full : NULL, .sampled = sampled};
    for (int64_t k = 0; k < n; k++) {
        samples[k] = history_of(e, index[k]);
        target[k] = target_of(e, index[k]);
    }
    struct arena *arena = ranker_ask(&w->ranker, samples, n, &ranking.query);
    if (query_has_repeats(&ranking.query)) {
        own = rank_own_items(arena, samples, NULL, n);
        ranking.history = &own;
    }
    if (e->run->config.eval.exclude_history) {
        others = rank_own_items(arena, samples, target, n);
        ranking.excluded = &others;
    }
    if (w->sampled) {
        negatives_draw(e, index, n, &w->negatives);
        ranking.negatives = &negatives;
    }
    e->work.flops += query_flops(&ranking.query);
    TRY(rank_targets(arena, &ranking));
    for (int64_t k = 0; k < n; k++)
        w->outcomes[index[k]] =
            (struct outcome){e->hand.place[index[k]], target[k], domain, full[k], sampled[k]};
    return STATUS_OK;
}

/* Batches of a domain's `n` samples: as many on every rank where they are ranked together. */
static int64_t batches(const struct work *w, int64_t n) {
    int64_t size = ranker_batch(&w->ranker), count = (n + size - 1) / size;
    if (ranker_is_shared(&w->ranker))
        comm_max_i64(w->e->run->comm, &count, 1);
    return count;
}

/* The samples of a share with targets in a domain. A failure with shared out items is that of all
 * ranks. */
static enum status rank_some(struct work *w, int share, int domain, int64_t *index) {
    struct evaluation *e = w->e;
    int64_t most = ranker_batch(&w->ranker), n = 0;
    for (int64_t i = 0; i < e->hand.count; i++)
        if (e->hand.share[i] == share && domain_of(e, target_of(e, i)) == domain)
            index[n++] = i;
    int64_t count = batches(w, n);
    for (int64_t b = 0; b < count; b++) {
        int64_t at = b * most < n ? b * most : n;
        int64_t size = n - at < most ? n - at : most;
        TRY(rank_batch(w, index + at, size, domain));
        w->ranked += size;
        show_progress(w);
    }
    return STATUS_OK;
}

static enum status rank_all(struct work *w) {
    int64_t *index = mem_alloc(w->e->hand.count, sizeof *index);
    int shares = w->e->shares, first = w->e->run->comm->rank * shares;
    enum status status = STATUS_OK;
    for (int domain = 0; domain < DOMAINS; domain++) {
        ranker_begin(&w->ranker, domain);
        for (int i = 0; i < shares && status == STATUS_OK; i++)
            status = rank_some(w, first + i, domain, index);
    }
    mem_free(index);
    return status;
}

enum status evaluation_run(struct evaluation *e, struct run *runs, int count,
                           struct report_scores *result) {
    struct work w = {.e = e,
                     .negatives = negatives_new(e),
                     .sampled = e->run->config.eval.candidates != CANDIDATES_FULL,
                     .outcomes = mem_zero(e->hand.count, sizeof(struct outcome)),
                     .since = phase_clock()};
    fault_point("evaluate");
    e->work = (struct tape_work){0};
    double start = phase_clock();
    ranker_open(&w.ranker, runs, count);
    enum status status = rank_all(&w);
    e->seconds = phase_clock() - start;
    status = finish(e, w.outcomes, status, result);
    e->work.flops += w.ranker.work.flops;
    e->work.bytes += w.ranker.work.bytes;
    ranker_close(&w.ranker);
    log_progress_end();
    negatives_free(&w.negatives);
    mem_free(w.outcomes);
    return status;
}

/* ---- popularity ---- */

static struct rank_count count_popular(const int32_t *events, const int32_t *items, int64_t n,
                                       int32_t target) {
    struct rank_count count = {.all = n};
    for (int64_t k = 0; k < n; k++) {
        count.above += events[items[k]] > events[target];
        count.equal += events[items[k]] == events[target];
    }
    return count;
}

/* `sorted`: the events of the domain's n items, ascending. */
static struct rank_count count_all(const int32_t *sorted, int64_t n, int32_t events) {
    int64_t up_to = search_first(sorted, 0, n, (int64_t)events + 1);
    return (struct rank_count){n - up_to, up_to - search_first(sorted, 0, n, events) - 1, n - 1};
}

/* Take the user's own items of the target's domain from the candidates of sample i. */
static void leave_out(const struct evaluation *e, int64_t i, const int32_t *events,
                      struct arena *arena, struct rank_count *count) {
    int64_t split = e->run->dataset.domain_items[0];
    struct sample sample = history_of(e, i);
    int32_t target = target_of(e, i);
    struct arena_mark mark = arena_mark(arena);
    struct rank_lists own = rank_own_items(arena, &sample, &target, 1);
    int64_t second = search_first(own.items, 0, own.offsets[1], split);
    int64_t first = domain_of(e, target) ? second : 0;
    int64_t n = domain_of(e, target) ? own.offsets[1] - second : second;
    struct rank_count out = count_popular(events, own.items + first, n, target);
    count->above -= out.above;
    count->equal -= out.equal;
    count->all -= out.all;
    arena_release(arena, mark);
}

static void rank_popular(const struct evaluation *e, const int32_t *events, const int32_t *sorted,
                         struct outcome *outcomes) {
    struct negatives negatives = negatives_new(e);
    struct arena arena = {0};
    const struct config *config = &e->run->config;
    const int64_t *domain_items = e->run->dataset.domain_items;
    for (int64_t i = 0; i < e->hand.count; i++) {
        int32_t target = target_of(e, i);
        int domain = domain_of(e, target);
        struct outcome *o = &outcomes[i];
        *o = (struct outcome){.place = e->hand.place[i], .target = target, .domain = domain};
        o->full = count_all(sorted + (domain ? domain_items[0] : 0), domain_items[domain],
                            events[target]);
        if (config->eval.exclude_history)
            leave_out(e, i, events, &arena, &o->full);
        if (config->eval.candidates != CANDIDATES_FULL) {
            negatives_draw(e, &i, 1, &negatives);
            o->sampled = count_popular(events, negatives.items, negatives.offsets[1], target);
        }
    }
    negatives_free(&negatives);
    arena_free(&arena);
}

enum status evaluation_popularity(struct evaluation *e, const int32_t *events,
                                  struct report_scores *result) {
    const int64_t *domain_items = e->run->dataset.domain_items;
    struct outcome *outcomes = mem_zero(e->hand.count, sizeof *outcomes);
    int32_t *sorted = mem_alloc(e->run->dataset.items, sizeof *sorted);
    memcpy(sorted, events, (size_t)e->run->dataset.items * sizeof *sorted);
    qsort(sorted, (size_t)domain_items[0], sizeof *sorted, ascending);
    qsort(sorted + domain_items[0], (size_t)domain_items[1], sizeof *sorted, ascending);
    rank_popular(e, events, sorted, outcomes);
    enum status status = finish(e, outcomes, STATUS_OK, result);
    mem_free(sorted);
    mem_free(outcomes);
    return status;
}

/* `known`: what the model scores, if it is known and its ranks are not asked for. */
static enum status score_split(struct run *runs, int count, enum split split,
                               const struct report_scores *known, const int32_t *events,
                               struct ranks *ranks, struct report_results *results) {
    struct evaluation e;
    enum status status = STATUS_OK;
    TRY(evaluation_open(&e, runs, split));
    e.ranks = ranks;
    if (known && !ranks)
        results->model[split] = *known;
    else
        status = evaluation_run(&e, runs, count, &results->model[split]);
    e.ranks = NULL;
    if (status == STATUS_OK)
        status = evaluation_popularity(&e, events, &results->popularity[split]);
    evaluation_close(&e);
    return status;
}

enum status evaluation_splits(struct run *runs, int count, const struct report_scores *valid,
                              const char *ranks, struct report_results *results) {
    const struct run *run = runs;
    struct ranks kept[SPLITS] = {0};
    int32_t *events;
    TRY(popularity_count(run->comm, &run->dataset, &events));
    enum status status = STATUS_OK;
    for (int s = SPLIT_VALID; s < SPLITS && status == STATUS_OK; s++)
        status = score_split(runs, count, s, s == SPLIT_VALID ? valid : NULL, events,
                             ranks ? &kept[s] : NULL, results);
    mem_free(events);
    if (status == STATUS_OK && ranks)
        status = ranks_write(run->comm, ranks, &run->dataset, &run->config, count,
                             results->per_domain, kept);
    for (int s = 0; s < SPLITS; s++)
        ranks_free(&kept[s]);
    return status;
}

double evaluation_select(const struct config *config, const struct report_scores *result,
                         int domain) {
    const struct metrics_table *table =
        options_select_full(config) ? &result->full : &result->sampled;
    enum target target = options_select_target(config);
    if (options_select_each(config) && table->domain[domain].count > 0)
        return table->domain[domain].select;
    return target == TARGET_BOTH ? table->all.select : table->domain[target == TARGET_B].select;
}
