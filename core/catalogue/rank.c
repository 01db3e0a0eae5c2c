/* Outline: gather the samples of all ranks, if these share the items out; part by part of the
 * samples, prepare the scores, visit the candidates chunk by chunk, each thread its own, and count
 * what is above or equal to the target, or keep the best, and join the threads' results; join the
 * ranks'. */
#include "core/catalogue/rank.h"
#include "core/catalogue/blend.h"
#include "core/search.h"
#include <string.h>

enum { COUNT_FIELDS = 3, RANKING_LISTS = 3 };

struct work {
    const struct ranking *ranking;
    struct blend blend;
    real *tile;                        /* [threads][samples, CHUNK] scores */
    struct rank_count *full, *sampled; /* [threads][samples] */
    struct top *top;                   /* [threads][samples] */
};

static void open_work(struct work *w, struct arena *arena, const struct ranking *r,
                      bool probabilities) {
    *w = (struct work){.ranking = r};
    blend_open(&w->blend, arena, &r->query, r->target, r->history, r->full ? NULL : r->negatives,
               probabilities);
    w->tile = arena_numbers(arena, w->blend.threads * r->query.samples * CHUNK, sizeof *w->tile);
}

static void visit_candidates(struct work *w, chunk_fn *visit) {
    const struct query *query = &w->ranking->query;
    chunks_visit(query->lo, query->hi, w->blend.threads, visit, w);
}

static real *score_tile(struct work *w, const struct chunk *chunk, int thread) {
    real *tile = w->tile + thread * w->ranking->query.samples * CHUNK;
    blend_chunk(&w->blend, chunk, thread, tile);
    return tile;
}

/* ---- ranks of targets ---- */

HOT static struct rank_count count_row(int64_t n, const real *score, real target) {
    int64_t above = 0, equal = 0;
    for (int64_t i = 0; i < n; i++) {
        above += score[i] > target;
        equal += score[i] == target;
    }
    return (struct rank_count){above, equal, n};
}

/* Of the items of a list in a chunk. */
static struct rank_count count_listed(const struct rank_lists *lists, int64_t t,
                                      const struct chunk *chunk, const real *score, real target) {
    struct rank_list list = rank_lists_between(lists, t, chunk->lo, chunk->lo + chunk->width);
    struct rank_count count = {.all = list.n};
    for (int64_t j = 0; j < list.n; j++) {
        count.above += score[list.items[j] - chunk->lo] > target;
        count.equal += score[list.items[j] - chunk->lo] == target;
    }
    return count;
}

static void add_count(struct rank_count *sum, struct rank_count more, int64_t sign) {
    sum->above += sign * more.above;
    sum->equal += sign * more.equal;
    sum->all += sign * more.all;
}

/* All of a chunk but the target and what is excluded. */
static void count_full(const struct work *w, int64_t t, const struct chunk *chunk,
                       const real *score, struct rank_count *full) {
    const struct ranking *r = w->ranking;
    real target = w->blend.target_score[t];
    int64_t at = r->target[t] - chunk->lo;
    add_count(full, count_row(chunk->width, score, target), 1);
    if (at >= 0 && at < chunk->width)
        add_count(full, count_row(1, score + at, target), -1);
    if (r->excluded)
        add_count(full, count_listed(r->excluded, t, chunk, score, target), -1);
}

static void count_sample(struct work *w, int64_t t, const struct chunk *chunk, int k,
                         const real *score) {
    const struct ranking *r = w->ranking;
    int64_t at = k * r->query.samples + t;
    if (r->full)
        count_full(w, t, chunk, score, &w->full[at]);
    if (r->negatives)
        add_count(&w->sampled[at],
                  count_listed(r->negatives, t, chunk, score, w->blend.target_score[t]), 1);
}

static void count_chunk(void *work, const struct chunk *chunk, int thread) {
    struct work *w = work;
    const struct ranking *r = w->ranking;
    const struct query *query = &r->query;
    const real *tile = score_tile(w, chunk, thread);
    for (int64_t t = 0; t < query->samples; t++) {
        count_sample(w, t, chunk, thread, tile + t * CHUNK);
        if (r->scores)
            memcpy(r->scores + t * (query->hi - query->lo) + chunk->lo - query->lo,
                   tile + t * CHUNK, (size_t)chunk->width * sizeof *tile);
    }
}

static void open_counts(struct work *w, struct arena *arena) {
    int64_t n = w->blend.threads * w->ranking->query.samples;
    w->full = arena_numbers(arena, n, sizeof *w->full);
    w->sampled = arena_numbers(arena, n, sizeof *w->sampled);
    if (arena->dry)
        return;
    memset(w->full, 0, (size_t)n * sizeof *w->full);
    memset(w->sampled, 0, (size_t)n * sizeof *w->sampled);
}

static void join_counts(const struct work *w) {
    const struct ranking *r = w->ranking;
    int64_t n = r->query.samples;
    for (int64_t t = 0; t < n; t++) {
        struct rank_count full = {0}, sampled = {0};
        for (int k = 0; k < w->blend.threads; k++) {
            add_count(&full, w->full[k * n + t], 1);
            add_count(&sampled, w->sampled[k * n + t], 1);
        }
        if (r->full)
            r->full[t] = full;
        if (r->negatives)
            r->sampled[t] = sampled;
    }
}

/* Among the items that are here. */
static enum status count_items(struct arena *arena, const struct ranking *r) {
    struct work w;
    open_work(&w, arena, r, r->scores != NULL);
    open_counts(&w, arena);
    if (arena->dry)
        return STATUS_OK;
    TRY(blend_prepare(&w.blend));
    visit_candidates(&w, count_chunk);
    join_counts(&w);
    return STATUS_OK;
}

/* ---- the best items ---- */

/* What a score has to be at least for its item to come among the best; of equal scores the earlier
 * item is kept. */
static real least_of(const struct work *w, int thread, int64_t t, const struct top *top) {
    return top->count < top->k ? -REAL_MAX : blend_least(&w->blend, thread, t, top->list[0].score);
}

/* Candidates of sample t in a chunk that are among its best. */
static void take_sample(const struct work *w, int64_t t, const struct chunk *chunk, int thread,
                        const real *score, struct top *top) {
    real least = least_of(w, thread, t, top);
    const struct rank_lists *out = w->ranking->excluded;
    int64_t end = out ? out->offsets[t + 1] : 0;
    int64_t j = out ? search_first(out->items, out->offsets[t], end, chunk->lo) : 0;
    for (int64_t i = 0; i < chunk->width; i++) {
        while (j < end && out->items[j] < chunk->lo + i)
            j++;
        if (score[i] < least || (j < end && out->items[j] == chunk->lo + i))
            continue;
        top_add(top, (struct top_item){blend_exact(&w->blend, t, chunk->lo + i),
                                       (int32_t)(chunk->lo + i)});
        least = least_of(w, thread, t, top);
    }
}

static void take_chunk(void *work, const struct chunk *chunk, int thread) {
    struct work *w = work;
    int64_t n = w->ranking->query.samples;
    const real *tile = score_tile(w, chunk, thread);
    for (int64_t t = 0; t < n; t++)
        take_sample(w, t, chunk, thread, tile + t * CHUNK, &w->top[thread * n + t]);
}

/* Empty lists, of k items each. */
static struct top *new_tops(struct arena *arena, int64_t n, int64_t k) {
    struct top_item *list = arena_alloc(arena, n * k, sizeof *list);
    struct top *top = arena_alloc(arena, n, sizeof *top);
    memset(list, 0, (size_t)(n * k) * sizeof *list);
    for (int64_t i = 0; i < n; i++)
        top[i] = (struct top){list + i * k, k, 0};
    return top;
}

/* Of the items that are here. */
static enum status take_items(struct arena *arena, const struct ranking *r, int64_t k,
                              struct top *top) {
    struct work w;
    int64_t n = r->query.samples;
    open_work(&w, arena, r, true);
    w.top = new_tops(arena, w.blend.threads * n, k);
    TRY(blend_prepare(&w.blend));
    visit_candidates(&w, take_chunk);
    for (int64_t t = 0; t < n; t++)
        for (int p = 0; p < w.blend.threads; p++)
            for (int64_t i = 0; i < w.top[p * n + t].count; i++)
                top_add(&top[t], w.top[p * n + t].list[i]);
    return STATUS_OK;
}

/* ---- items on several ranks ---- */

/* Samples of every rank; NULL where each ranks its own. */
static int64_t *count_samples(struct arena *arena, const struct query *query) {
    return query->collectives ? collectives_gather_count(query->collectives, arena, query->samples)
                              : NULL;
}

static int64_t samples_before(const struct query *query, const int64_t *samples) {
    int64_t before = 0;
    for (int r = 0; r < query->collectives->rank; r++)
        before += samples[r];
    return before;
}

static const int32_t *gather_targets(struct arena *arena, const struct query *query,
                                     const int32_t *mine, const int64_t *samples, int64_t n) {
    int32_t *target = collectives_gather(query->collectives, arena, mine, samples, sizeof *target);
    for (int64_t t = 0; t < n; t++)
        target[t] = (int32_t)item_block_index(query->local, target[t]);
    return target;
}

static struct rank_lists *gather_lists(struct arena *arena, const struct query *query,
                                       const struct rank_lists *mine, const int64_t *samples) {
    return mine ? rank_lists_gather(mine, arena, query->collectives, query->local, samples) : NULL;
}

/* The ranking of the samples of all ranks. */
static struct ranking ranking_of_all(struct arena *arena, const struct ranking *r,
                                     const int64_t *samples) {
    const struct query *query = &r->query;
    struct ranking all = *r;
    all.query = query_of_all(query, arena, samples);
    if (!samples)
        return all;
    int64_t n = all.query.samples;
    if (r->target)
        all.target = gather_targets(arena, query, r->target, samples, n);
    all.history = gather_lists(arena, query, r->history, samples);
    all.excluded = gather_lists(arena, query, r->excluded, samples);
    all.negatives = gather_lists(arena, query, r->negatives, samples);
    all.full = r->full ? arena_alloc(arena, n, sizeof *all.full) : NULL;
    all.sampled = arena_alloc(arena, n, sizeof *all.sampled);
    memset(all.sampled, 0, (size_t)n * sizeof *all.sampled);
    return all;
}

static void put_count(const struct rank_count *count, double x[COUNT_FIELDS]) {
    x[0] = (double)count->above;
    x[1] = (double)count->equal;
    x[2] = (double)count->all;
}

static struct rank_count get_count(const double x[COUNT_FIELDS]) {
    return (struct rank_count){(int64_t)x[0], (int64_t)x[1], (int64_t)x[2]};
}

/* Counts are exact in double precision. */
static void sum_counts(struct arena *arena, const struct ranking *r, const struct ranking *all,
                       const int64_t *samples) {
    const struct collectives *collectives = r->query.collectives;
    int64_t n = all->query.samples, before = samples_before(&r->query, samples);
    const struct rank_count none = {0};
    double *sum = arena_alloc(arena, 2 * COUNT_FIELDS * n, sizeof *sum);
    for (int64_t t = 0; t < n; t++) {
        put_count(all->full ? &all->full[t] : &none, sum + COUNT_FIELDS * t);
        put_count(&all->sampled[t], sum + COUNT_FIELDS * (n + t));
    }
    collectives->sum(collectives->context, sum, 2 * COUNT_FIELDS * n);
    for (int64_t t = 0; t < r->query.samples; t++) {
        if (r->full)
            r->full[t] = get_count(sum + COUNT_FIELDS * (before + t));
        if (r->negatives)
            r->sampled[t] = get_count(sum + COUNT_FIELDS * (n + before + t));
    }
}

/* Every rank's best items for all samples come together, a rank keeps its own samples'. */
static void join_tops(struct arena *arena, const struct query *query, const struct top *all,
                      const int64_t *samples, int64_t n, struct top *top) {
    const struct collectives *collectives = query->collectives;
    int64_t k = all[0].k, before = samples_before(query, samples);
    int64_t *rows = arena_alloc(arena, collectives->size, sizeof *rows);
    int64_t *count = arena_alloc(arena, n, sizeof *count);
    for (int p = 0; p < collectives->size; p++)
        rows[p] = n;
    for (int64_t t = 0; t < n; t++) {
        count[t] = all[t].count;
        for (int64_t i = 0; i < count[t]; i++)
            all[t].list[i].item = (int32_t)item_block_item(query->local, all[t].list[i].item);
    }
    count = collectives_gather(collectives, arena, count, rows, sizeof *count);
    const struct top_item *list =
        collectives_gather(collectives, arena, all[0].list, rows, k * (int64_t)sizeof *list);
    for (int64_t t = 0; t < query->samples; t++)
        for (int p = 0; p < collectives->size; p++)
            for (int64_t i = 0, at = p * n + before + t; i < count[at]; i++)
                top_add(&top[t], list[at * k + i]);
}

/* ---- all ---- */

/* Samples that are ranked at a time, the same on all ranks. */
static int64_t part_size(struct arena *arena, const struct query *query, bool probabilities) {
    int64_t items = query->hi - query->lo;
    if (query->collectives) {
        const int64_t *all = collectives_gather_count(query->collectives, arena, items);
        for (int r = 0; r < query->collectives->size; r++)
            items = all[r] > items ? all[r] : items;
    }
    return blend_samples(query, items, probabilities);
}

static struct rank_lists *part_of(const struct rank_lists *lists, int64_t first,
                                  struct rank_lists *part) {
    if (!lists)
        return NULL;
    *part = (struct rank_lists){lists->offsets + first, lists->items};
    return part;
}

/* Samples [first, first + size) of a ranking, or to its end. */
static struct ranking ranking_part(const struct ranking *all, int64_t first, int64_t size,
                                   struct rank_lists lists[RANKING_LISTS]) {
    int64_t left = all->query.samples - first;
    struct ranking part = *all;
    part.query = query_part(&all->query, first, size < left ? size : left);
    part.target = all->target ? all->target + first : NULL;
    part.history = part_of(all->history, first, &lists[0]);
    part.excluded = part_of(all->excluded, first, &lists[1]);
    part.negatives = part_of(all->negatives, first, &lists[2]);
    part.full = all->full ? all->full + first : NULL;
    part.sampled = all->sampled ? all->sampled + first : NULL;
    part.scores = all->scores ? all->scores + first * (all->query.hi - all->query.lo) : NULL;
    return part;
}

static enum status rank_all(struct arena *arena, const struct ranking *r) {
    int64_t *samples = count_samples(arena, &r->query);
    struct ranking all = ranking_of_all(arena, r, samples);
    if (all.query.samples == 0)
        return STATUS_OK;
    int64_t n = all.query.samples, size = part_size(arena, &all.query, r->scores != NULL);
    for (int64_t first = 0; first < n; first += size) {
        struct rank_lists lists[RANKING_LISTS];
        struct ranking part = ranking_part(&all, first, size, lists);
        struct arena_mark mark = arena_mark(arena);
        enum status status = count_items(arena, &part);
        arena_release(arena, mark);
        TRY(status); /* the same on all ranks */
    }
    if (samples && !arena->dry)
        sum_counts(arena, r, &all, samples);
    return STATUS_OK;
}

static enum status top_all(struct arena *arena, const struct ranking *r, int64_t k,
                           struct top *top) {
    int64_t *samples = count_samples(arena, &r->query);
    struct ranking all = ranking_of_all(arena, r, samples);
    int64_t n = all.query.samples;
    all.target = NULL;
    if (n == 0)
        return STATUS_OK;
    struct top *found = samples ? new_tops(arena, n, k) : top;
    int64_t size = part_size(arena, &all.query, true);
    for (int64_t first = 0; first < n; first += size) {
        struct rank_lists lists[RANKING_LISTS];
        struct ranking part = ranking_part(&all, first, size, lists);
        struct arena_mark mark = arena_mark(arena);
        enum status status = take_items(arena, &part, k, found + first);
        arena_release(arena, mark);
        TRY(status); /* the same on all ranks */
    }
    if (samples)
        join_tops(arena, &r->query, found, samples, n, top);
    return STATUS_OK;
}

enum status rank_targets(struct arena *arena, const struct ranking *r) {
    struct arena_mark mark = arena_mark(arena);
    enum status status = rank_all(arena, r);
    arena_release(arena, mark);
    return status;
}

enum status rank_top(struct arena *arena, const struct ranking *r, int64_t k, struct top *top) {
    struct arena_mark mark = arena_mark(arena);
    enum status status = top_all(arena, r, k, top);
    for (int64_t t = 0; t < r->query.samples; t++)
        top_sort(&top[t]);
    arena_release(arena, mark);
    return status;
}
