#include "core/catalogue/rank.h"
#include "core/catalogue/softmax.h"
#include "core/gemm.h"
#include "core/log.h"
#include "core/ops/norm.h"
#include "core/search.h"
#include "core/vec.h"
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 512, LANES = 16, COUNT_FIELDS = 3 };

struct work {
    const struct ranking *ranking;
    int softmaxes, threads;
    int only; /* the one stream with a weight, whose logits are the scores; -1: probabilities are */
    int first[CATALOGUE_TERMS + 1];
    struct logsumexp *sum[STREAMS][CATALOGUE_TERMS]; /* by stream and softmax, [threads][samples] */
    real *log_sum[STREAMS][CATALOGUE_TERMS];         /* [samples] */
    real *target_logit[STREAMS][CATALOGUE_TERMS];    /* [samples] as the tiles have it */
    real *target_score;                              /* [samples] */
    real *margin; /* [samples] of logits: rounding may have moved the tiles' by so much */
    struct rank_count *full, *sampled; /* [threads][samples] */
    real *unit[CATALOGUE_TERMS];       /* [threads][CHUNK, d] divided rows */
    real *logits, *scores;             /* [threads][samples, CHUNK] */
    real *peak;                        /* [samples], with collectives */
    double *peer_sum;                  /* [samples] */
    struct top *top;                   /* [threads][samples]; NULL: targets count */
};

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static void allocate(struct work *w, struct arena *arena) {
    int64_t n = w->ranking->samples, all = w->threads * n;
    for (int s = 0; s < STREAMS; s++)
        for (int f = 0; f < w->softmaxes; f++) {
            w->sum[s][f] = arena_numbers(arena, all, sizeof(struct logsumexp));
            w->log_sum[s][f] = arena_numbers(arena, n, sizeof(real));
            w->target_logit[s][f] = arena_numbers(arena, n, sizeof(real));
        }
    w->peak = arena_numbers(arena, n, sizeof *w->peak);
    w->peer_sum = arena_numbers(arena, n, sizeof *w->peer_sum);
    w->target_score = arena_numbers(arena, n, sizeof(real));
    w->margin = arena_numbers(arena, n, sizeof(real));
    w->full = arena_numbers(arena, all, sizeof *w->full);
    w->sampled = arena_numbers(arena, all, sizeof *w->sampled);
    for (int m = 0; m < w->ranking->terms; m++)
        w->unit[m] =
            w->ranking->eps[m] > 0
                ? arena_numbers(arena, w->threads * CHUNK * w->ranking->dim[m], sizeof(real))
                : NULL;
    w->logits = w->only < 0 ? arena_numbers(arena, all * CHUNK, sizeof(real)) : NULL;
    w->scores = arena_numbers(arena, all * CHUNK, sizeof(real));
}

static void clear(struct work *w) {
    int64_t n = w->ranking->samples, all = w->threads * n;
    for (int s = 0; s < STREAMS; s++)
        for (int f = 0; f < w->softmaxes; f++) {
            for (int64_t i = 0; i < all; i++)
                w->sum[s][f][i] = logsumexp_empty;
            for (int64_t i = 0; i < n; i++)
                w->target_logit[s][f][i] = -REAL_MAX;
        }
    memset(w->full, 0, (size_t)all * sizeof *w->full);
    memset(w->sampled, 0, (size_t)all * sizeof *w->sampled);
    if (w->logits)
        memset(w->logits, 0, (size_t)(all * CHUNK) * sizeof(real));
}

/* z[samples, CHUNK] for items [i0, i0 + width) of stream s and softmax f. */
static void chunk_logits(const struct work *w, int s, int f, int64_t i0, int64_t width, int k,
                         real *z) {
    const struct ranking *r = w->ranking;
    for (int m = w->first[f]; m < w->first[f + 1]; m++) {
        const real *rows = r->items[m] + i0 * r->dim[m];
        real *unit = w->unit[m] ? w->unit[m] + k * CHUNK * r->dim[m] : NULL;
        if (unit)
            unit_rows(rows, width, r->dim[m], r->eps[m], unit);
        gemm_serial(NO_TRANS, TRANS, r->samples, width, r->dim[m], 1, r->stream[s].q[m], r->dim[m],
                    unit ? unit : rows, r->dim[m], m > w->first[f], z, CHUNK);
    }
}

/* Chunks of a range of items are counted from its start; the candidates' chunks are the same in
 * both passes only if they start at the same item, so pass 1 sees the candidates and the rest
 * apart. */
static void sum_range(struct work *w, int s, int64_t lo, int64_t hi, bool candidates) {
    const struct ranking *r = w->ranking;
    int64_t chunks = (hi - lo + CHUNK - 1) / CHUNK, n = r->samples;
#pragma omp parallel num_threads(w->threads)
    {
        int k = omp_get_thread_num();
        real *z = w->logits + k * n * CHUNK;
        for (int64_t c = chunks * k / w->threads; c < chunks * (k + 1) / w->threads; c++)
            for (int f = 0; f < w->softmaxes; f++) {
                int64_t i0 = lo + c * CHUNK, width = min64(CHUNK, hi - i0);
                chunk_logits(w, s, f, i0, width, k, z);
                for (int64_t t = 0; t < n; t++) {
                    logsumexp_count(&w->sum[s][f][k * n + t], width, z + t * CHUNK);
                    if (candidates && r->target && r->target[t] >= i0 && r->target[t] < i0 + width)
                        w->target_logit[s][f][t] = z[t * CHUNK + r->target[t] - i0];
                }
            }
    }
}

/* The first thread's sums and the targets' logits become those of all ranks. */
static void join_peers(struct work *w, int s, int f) {
    const struct collectives *collectives = w->ranking->collectives;
    int64_t n = w->ranking->samples;
    struct logsumexp *total = w->sum[s][f];
    for (int64_t t = 0; t < n; t++)
        w->peak[t] = total[t].shift;
    collectives->max(collectives->context, w->peak, n);
    collectives->max(collectives->context, w->target_logit[s][f], n);
    for (int64_t t = 0; t < n; t++)
        w->peer_sum[t] =
            total[t].sum != 0 ? total[t].sum * exp((double)total[t].shift - (double)w->peak[t]) : 0;
    collectives->sum(collectives->context, w->peer_sum, n);
    for (int64_t t = 0; t < n; t++)
        total[t] = (struct logsumexp){w->peak[t], w->peer_sum[t]};
}

static void join_sums(struct work *w, int s) {
    int64_t n = w->ranking->samples;
    for (int f = 0; f < w->softmaxes; f++) {
        struct logsumexp *total = w->sum[s][f];
        for (int k = 1; k < w->threads; k++)
            for (int64_t t = 0; t < n; t++)
                logsumexp_merge(&total[t], &total[k * n + t]);
        if (w->ranking->collectives)
            join_peers(w, s, f);
        for (int64_t t = 0; t < n; t++)
            w->log_sum[s][f][t] = (real)logsumexp_log(&total[t]);
    }
}

/* score[i] += factor exp(z[i] - log_sum). */
HOT static void add_probability(real factor, real log_sum, int64_t n, const real *z, real *score) {
    for (int64_t i = 0; i < n; i++)
        score[i] += factor * vec_exp(z[i] - log_sum);
}

static bool uses(const struct ranking *r, int s, int64_t t) {
    return r->stream[s].weight != 0 && r->stream[s].present[t];
}

/* The same on all ranks: the first speaks. */
static enum status check_targets(const struct work *w) {
    const struct ranking *r = w->ranking;
    for (int64_t t = 0; t < r->samples; t++)
        if (!isfinite((double)w->target_score[t]))
            return r->collectives && r->collectives->rank
                       ? STATUS_FAIL
                       : log_error(STATUS_FAIL, "evaluation: the score of a target is not finite");
    return STATUS_OK;
}

/* The same vector instructions score the targets and the tiles, so that equal logits tie exactly.
 */
static enum status score_targets(struct work *w) {
    const struct ranking *r = w->ranking;
    for (int64_t t = 0; t < r->samples; t++) {
        real score[LANES] = {0}, z[LANES];
        for (int s = 0; s < STREAMS; s++)
            for (int f = 0; f < w->softmaxes && uses(r, s, t); f++) {
                for (int i = 0; i < LANES; i++)
                    z[i] = w->target_logit[s][f][t];
                add_probability((real)(r->stream[s].weight * r->weights[f]), w->log_sum[s][f][t],
                                LANES, z, score);
            }
        w->target_score[t] = score[0];
    }
    return check_targets(w);
}

HOT static struct rank_count count_row(int64_t n, const real *score, real target) {
    int64_t above = 0, equal = 0;
    for (int64_t i = 0; i < n; i++) {
        above += score[i] > target;
        equal += score[i] == target;
    }
    return (struct rank_count){above, equal, n};
}

/* Of the items of a list in a chunk. */
static struct rank_count count_listed(const struct rank_lists *lists, int64_t t, int64_t i0,
                                      int64_t width, const real *score, real target) {
    struct rank_count count = {0};
    int64_t end = lists->offsets[t + 1];
    const int32_t *items = lists->items;
    for (int64_t j = search_first(items, lists->offsets[t], end, i0);
         j < end && items[j] < i0 + width; j++) {
        count.above += score[items[j] - i0] > target;
        count.equal += score[items[j] - i0] == target;
        count.all++;
    }
    return count;
}

static void add_count(struct rank_count *sum, struct rank_count more, int64_t sign) {
    sum->above += sign * more.above;
    sum->equal += sign * more.equal;
    sum->all += sign * more.all;
}

static void count_chunk(struct work *w, int64_t i0, int64_t width, int k) {
    const struct ranking *r = w->ranking;
    int64_t n = r->samples;
    const real *scores = w->scores + k * n * CHUNK;
    for (int64_t t = 0; t < n; t++) {
        const real *score = scores + t * CHUNK;
        struct rank_count *full = &w->full[k * n + t];
        real target = w->target_score[t];
        add_count(full, count_row(width, score, target), 1);
        if (r->target[t] >= i0 && r->target[t] < i0 + width)
            add_count(full, count_row(1, score + r->target[t] - i0, target), -1);
        if (r->excluded)
            add_count(full, count_listed(r->excluded, t, i0, width, score, target), -1);
        if (r->negatives)
            add_count(&w->sampled[k * n + t],
                      count_listed(r->negatives, t, i0, width, score, target), 1);
        if (r->scores)
            memcpy(r->scores + t * (r->hi - r->lo) + i0 - r->lo, score,
                   (size_t)width * sizeof *score);
    }
}

static void score_chunk(struct work *w, int64_t i0, int64_t width, int k) {
    const struct ranking *r = w->ranking;
    int64_t n = r->samples, lanes = (width + LANES - 1) / LANES * LANES;
    real *z = w->logits + k * n * CHUNK, *scores = w->scores + k * n * CHUNK;
    memset(scores, 0, (size_t)(n * CHUNK) * sizeof *scores);
    for (int s = 0; s < STREAMS; s++)
        for (int f = 0; f < w->softmaxes && r->stream[s].weight != 0; f++) {
            chunk_logits(w, s, f, i0, width, k, z);
            for (int64_t t = 0; t < n; t++)
                if (r->stream[s].present[t])
                    add_probability((real)(r->stream[s].weight * r->weights[f]),
                                    w->log_sum[s][f][t], lanes, z + t * CHUNK, scores + t * CHUNK);
        }
}

/* ---- one softmax alone: its logits rank as its probabilities do ---- */

/* The stream that alone has a weight, -1: there are several, or several softmaxes, or the
 * probabilities themselves are wanted. */
static int only_stream(const struct ranking *r, int softmaxes, bool probabilities) {
    int only = -1, streams = 0;
    for (int s = 0; s < STREAMS; s++)
        if (r->stream[s].weight != 0)
            only = s, streams++;
    return streams == 1 && softmaxes == 1 && !probabilities ? only : -1;
}

static double dot(const real *x, const real *y, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

/* The logit of item i, rounded once: the same for equal rows, wherever they stand. */
static real logit_of(const struct work *w, int64_t t, int64_t i) {
    const struct ranking *r = w->ranking;
    double z = 0;
    for (int m = 0; m < r->terms; m++) {
        int64_t d = r->dim[m];
        const real *row = r->items[m] + i * d;
        double norm = r->eps[m] > 0 ? fmax(sqrt(dot(row, row, d)), (double)r->eps[m]) : 1;
        z += dot(r->stream[w->only].q[m] + t * d, row, d) / norm;
    }
    return (real)z;
}

/* A product with a row of norm 1, and the division by that norm, err by at most d + 8 roundings of
 * |q|. */
static real margin_of(const struct work *w, int64_t t) {
    const struct ranking *r = w->ranking;
    double margin = 0;
    for (int m = 0; m < r->terms; m++) {
        const real *q = r->stream[w->only].q[m] + t * r->dim[m];
        margin += (double)(r->dim[m] + 8) * sqrt(dot(q, q, r->dim[m]));
    }
    return (real)(2 * margin * (double)REAL_EPS);
}

/* Of the rows of a chunk as they are multiplied; at least 1. */
static real largest_norm(const struct work *w, int64_t i0, int64_t width) {
    const struct ranking *r = w->ranking;
    real largest = 1;
    for (int m = 0; m < r->terms; m++)
        for (int64_t i = i0; r->eps[m] <= 0 && i < i0 + width; i++) {
            const real *row = r->items[m] + i * r->dim[m];
            largest = REAL_F(fmax)(largest, vec_dot(row, row, r->dim[m]));
        }
    return REAL_F(sqrt)(largest);
}

/* Targets' logits; those of samples without a state are 0, as all their items' are. */
static enum status aim(struct work *w) {
    const struct ranking *r = w->ranking;
    for (int64_t t = 0; t < r->samples; t++) {
        bool here = r->target[t] >= r->lo && r->target[t] < r->hi;
        w->margin[t] = margin_of(w, t);
        w->target_score[t] = !uses(r, w->only, t) ? 0
                             : here               ? logit_of(w, t, r->target[t])
                                                  : -REAL_MAX;
    }
    if (r->collectives)
        r->collectives->max(r->collectives->context, w->target_score, r->samples);
    return check_targets(w);
}

/* Logits that are the target's but for rounding are taken without it. */
static void sharpen_row(const struct work *w, int64_t t, int64_t i0, int64_t width, real norm,
                        real *z) {
    real target = w->target_score[t], margin = norm * w->margin[t];
    int64_t near = 0;
    for (int64_t i = 0; i < width; i++)
        near += REAL_F(fabs)(z[i] - target) <= margin;
    for (int64_t i = 0; near > 0 && i < width; i++)
        if (REAL_F(fabs)(z[i] - target) <= margin) {
            z[i] = logit_of(w, t, i0 + i);
            near--;
        }
}

static void logit_chunk(struct work *w, int64_t i0, int64_t width, int k) {
    const struct ranking *r = w->ranking;
    real *scores = w->scores + k * r->samples * CHUNK, norm = largest_norm(w, i0, width);
    chunk_logits(w, w->only, 0, i0, width, k, scores);
    for (int64_t t = 0; t < r->samples; t++)
        if (r->stream[w->only].present[t])
            sharpen_row(w, t, i0, width, norm, scores + t * CHUNK);
        else
            memset(scores + t * CHUNK, 0, CHUNK * sizeof *scores);
}

/* ---- all candidates ---- */

/* Candidates of sample t in a chunk that may be among its best. */
static void take_row(const struct work *w, int64_t t, int64_t i0, int64_t width, const real *score,
                     struct top *top) {
    const struct rank_lists *out = w->ranking->excluded;
    int64_t end = out ? out->offsets[t + 1] : 0;
    int64_t j = out ? search_first(out->items, out->offsets[t], end, i0) : 0;
    for (int64_t i = 0; i < width; i++) {
        while (j < end && out->items[j] < i0 + i)
            j++;
        if (top->count == top->k && score[i] <= top->list[0].score)
            continue; /* of equal scores the earlier item is kept */
        if (j == end || out->items[j] != i0 + i)
            top_add(top, (struct top_item){score[i], (int32_t)(i0 + i)});
    }
}

static void take_chunk(struct work *w, int64_t i0, int64_t width, int k) {
    int64_t n = w->ranking->samples;
    for (int64_t t = 0; t < n; t++)
        take_row(w, t, i0, width, w->scores + (k * n + t) * CHUNK, &w->top[k * n + t]);
}

static void join_counts(struct work *w) {
    const struct ranking *r = w->ranking;
    for (int64_t t = 0; t < r->samples; t++) {
        r->full[t] = w->full[t];
        struct rank_count sampled = w->sampled[t];
        for (int k = 1; k < w->threads; k++) {
            add_count(&r->full[t], w->full[k * r->samples + t], 1);
            add_count(&sampled, w->sampled[k * r->samples + t], 1);
        }
        if (r->negatives)
            r->sampled[t] = sampled;
    }
}

/* All candidates get their scores. */
static void see_candidates(struct work *w) {
    const struct ranking *r = w->ranking;
    int64_t chunks = (r->hi - r->lo + CHUNK - 1) / CHUNK;
#pragma omp parallel num_threads(w->threads)
    {
        int k = omp_get_thread_num();
        for (int64_t c = chunks * k / w->threads; c < chunks * (k + 1) / w->threads; c++) {
            int64_t i0 = r->lo + c * CHUNK, width = min64(CHUNK, r->hi - i0);
            (w->only < 0 ? score_chunk : logit_chunk)(w, i0, width, k);
            (w->top ? take_chunk : count_chunk)(w, i0, width, k);
        }
    }
}

/* ---- what users have ---- */

static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

struct rank_lists rank_own_items(struct arena *arena, const struct sample *samples,
                                 const int32_t *target, int64_t n) {
    int64_t *offsets = arena_alloc(arena, n + 1, sizeof *offsets), room = 0, kept = 0;
    for (int64_t t = 0; t < n; t++)
        room += samples[t].length;
    int32_t *items = arena_alloc(arena, room, sizeof *items);
    for (int64_t t = 0; t < n; t++) {
        int64_t first = kept, length = samples[t].length;
        offsets[t] = first;
        memcpy(items + first, samples[t].items, (size_t)length * sizeof *items);
        qsort(items + first, (size_t)length, sizeof *items, ascending);
        for (int64_t k = first; k < first + length; k++)
            if ((kept == first || items[kept - 1] != items[k]) &&
                !(target && items[k] == target[t]))
                items[kept++] = items[k];
    }
    offsets[n] = kept;
    return (struct rank_lists){offsets, items};
}

/* ---- items on several ranks ---- */

/* A copy for all ranks of `count` rows of `bytes` bytes here, counts[r] on rank r. */
static void *gather(struct arena *arena, const struct collectives *collectives, const void *mine,
                    const int64_t *counts, int64_t bytes) {
    int64_t total = 0, before = 0;
    for (int r = 0; r < collectives->size; r++) {
        before += r < collectives->rank ? counts[r] : 0;
        total += counts[r];
    }
    char *all = arena_alloc(arena, total, (size_t)bytes);
    if (counts[collectives->rank])
        memcpy(all + before * bytes, mine, (size_t)(counts[collectives->rank] * bytes));
    collectives->gather(collectives->context, all, counts, bytes);
    return all;
}

static int64_t *gather_count(struct arena *arena, const struct collectives *collectives,
                             int64_t mine) {
    int64_t *one = arena_alloc(arena, collectives->size, sizeof *one);
    for (int r = 0; r < collectives->size; r++)
        one[r] = 1;
    return gather(arena, collectives, &mine, one, sizeof mine);
}

/* Of all samples' lists, the places of the items that are here. */
static struct rank_lists *gather_lists(struct arena *arena, const struct ranking *r,
                                       const struct rank_lists *lists, const int64_t *samples,
                                       int64_t n) {
    struct rank_lists *all = arena_alloc(arena, 1, sizeof *all);
    int64_t *length = arena_alloc(arena, r->samples, sizeof *length);
    int64_t *offsets = arena_alloc(arena, n + 1, sizeof *offsets), at = 0, kept = 0;
    for (int64_t t = 0; t < r->samples; t++)
        length[t] = lists->offsets[t + 1] - lists->offsets[t];
    int64_t *counts = gather_count(arena, r->collectives, lists->offsets[r->samples]);
    int32_t *items = gather(arena, r->collectives, lists->items, counts, sizeof *items);
    length = gather(arena, r->collectives, length, samples, sizeof *length);
    for (int64_t t = 0; t < n; t++) {
        offsets[t] = kept;
        for (int64_t k = 0; k < length[t]; k++, at++)
            if (item_block_index(r->local, items[at]) >= 0)
                items[kept++] = (int32_t)item_block_index(r->local, items[at]);
    }
    offsets[n] = kept;
    *all = (struct rank_lists){offsets, items};
    return all;
}

/* Of all `n` samples, from those of this rank. */
static const real *gather_states(struct arena *arena, const struct ranking *r, const real *mine,
                                 const int64_t *samples, int64_t n, int64_t d) {
    if (arena->dry)
        return arena_numbers(arena, n * d, sizeof *mine);
    return gather(arena, r->collectives, mine, samples, d * (int64_t)sizeof *mine);
}

/* The samples of all ranks, samples[r] of rank r. */
static struct ranking gather_samples(struct arena *arena, const struct ranking *r,
                                     const int64_t *samples) {
    struct ranking all = *r;
    all.samples = 0;
    for (int k = 0; k < r->collectives->size; k++)
        all.samples += samples[k];
    if (r->target) {
        int32_t *target = gather(arena, r->collectives, r->target, samples, sizeof *target);
        for (int64_t t = 0; t < all.samples; t++)
            target[t] = (int32_t)item_block_index(r->local, target[t]);
        all.target = target;
    }
    for (int s = 0; s < STREAMS; s++) {
        struct rank_stream *stream = &all.stream[s];
        if (stream->weight == 0)
            continue;
        stream->present = gather(arena, r->collectives, stream->present, samples, sizeof(bool));
        for (int m = 0; m < r->terms; m++)
            stream->q[m] = gather_states(arena, r, stream->q[m], samples, all.samples, r->dim[m]);
    }
    if (r->excluded)
        all.excluded = gather_lists(arena, r, r->excluded, samples, all.samples);
    if (r->negatives)
        all.negatives = gather_lists(arena, r, r->negatives, samples, all.samples);
    all.full = arena_alloc(arena, all.samples, sizeof *all.full);
    all.sampled = arena_alloc(arena, all.samples, sizeof *all.sampled);
    memset(all.sampled, 0, (size_t)all.samples * sizeof *all.sampled);
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
    int64_t n = all->samples, before = 0;
    double *sum = arena_alloc(arena, 2 * COUNT_FIELDS * n, sizeof *sum);
    for (int64_t t = 0; t < n; t++) {
        put_count(&all->full[t], sum + COUNT_FIELDS * t);
        put_count(&all->sampled[t], sum + COUNT_FIELDS * (n + t));
    }
    r->collectives->sum(r->collectives->context, sum, 2 * COUNT_FIELDS * n);
    for (int k = 0; k < r->collectives->rank; k++)
        before += samples[k];
    for (int64_t t = 0; t < r->samples; t++) {
        r->full[t] = get_count(sum + COUNT_FIELDS * (before + t));
        if (r->negatives)
            r->sampled[t] = get_count(sum + COUNT_FIELDS * (n + before + t));
    }
}

static void open_work(struct work *w, struct arena *arena, const struct ranking *r,
                      bool probabilities) {
    *w = (struct work){.ranking = r, .threads = omp_get_max_threads()};
    w->softmaxes = r->fusion == FUSION_LOGIT ? 1 : r->terms;
    w->only = only_stream(r, w->softmaxes, probabilities);
    for (int f = 0; f < w->softmaxes; f++) {
        w->first[f] = f;
        w->first[f + 1] = r->fusion == FUSION_LOGIT ? r->terms : f + 1;
    }
    allocate(w, arena);
    if (!arena->dry)
        clear(w);
}

/* The first pass. */
static void normalise(struct work *w) {
    const struct ranking *r = w->ranking;
    for (int s = 0; s < STREAMS; s++) {
        if (r->stream[s].weight == 0)
            continue;
        sum_range(w, s, r->stream[s].lo, r->lo, false);
        sum_range(w, s, r->lo, r->hi, true);
        sum_range(w, s, r->hi, r->stream[s].hi, false);
        join_sums(w, s);
    }
}

static enum status rank_items(struct arena *arena, const struct ranking *r) {
    struct work w;
    open_work(&w, arena, r, r->scores != NULL);
    if (arena->dry)
        return STATUS_OK;
    if (w.only < 0)
        normalise(&w);
    TRY(w.only < 0 ? score_targets(&w) : aim(&w));
    see_candidates(&w);
    join_counts(&w);
    return STATUS_OK;
}

static enum status rank_together(struct arena *arena, const struct ranking *r) {
    int64_t *samples = gather_count(arena, r->collectives, r->samples);
    struct ranking all = gather_samples(arena, r, samples);
    if (all.samples == 0)
        return STATUS_OK;
    TRY(rank_items(arena, &all)); /* the same outcome on all ranks */
    if (arena->dry)
        return STATUS_OK;
    sum_counts(arena, r, &all, samples);
    return STATUS_OK;
}

enum status rank_targets(struct arena *arena, const struct ranking *r) {
    struct arena_mark mark = arena_mark(arena);
    enum status status = r->collectives   ? rank_together(arena, r)
                         : r->samples > 0 ? rank_items(arena, r)
                                          : STATUS_OK;
    arena_release(arena, mark);
    return status;
}

double rank_flops(const struct ranking *r) {
    double states = 0, width = 0, ranks = r->collectives ? r->collectives->size : 1;
    for (int s = 0; s < STREAMS; s++)
        for (int64_t t = 0; t < r->samples; t++)
            states += uses(r, s, t);
    for (int m = 0; m < r->terms; m++)
        width += (double)r->dim[m];
    return 2 * states * width * ranks * (double)(r->hi - r->lo);
}

/* ---- the best items ---- */

static enum status check_sums(const struct work *w) {
    const struct ranking *r = w->ranking;
    for (int s = 0; s < STREAMS; s++)
        for (int f = 0; f < w->softmaxes; f++)
            for (int64_t t = 0; t < r->samples; t++)
                if (uses(r, s, t) && !isfinite((double)w->log_sum[s][f][t]))
                    return r->collectives && r->collectives->rank
                               ? STATUS_FAIL
                               : log_error(STATUS_FAIL, "the scores of a history are not finite");
    return STATUS_OK;
}

static void open_top(struct work *w, struct arena *arena, int64_t k) {
    int64_t n = w->threads * w->ranking->samples;
    struct top_item *list = arena_alloc(arena, n * k, sizeof *list);
    w->top = arena_alloc(arena, n, sizeof *w->top);
    for (int64_t i = 0; i < n; i++)
        w->top[i] = (struct top){list + i * k, k, 0};
}

/* Of this rank's items; k of all samples. */
static enum status top_items(struct arena *arena, const struct ranking *r, struct top *top) {
    struct work w;
    open_work(&w, arena, r, true);
    open_top(&w, arena, top[0].k);
    normalise(&w);
    TRY(check_sums(&w));
    see_candidates(&w);
    for (int64_t t = 0; t < r->samples; t++)
        for (int k = 0; k < w.threads; k++)
            for (int64_t i = 0; i < w.top[k * r->samples + t].count; i++)
                top_add(&top[t], w.top[k * r->samples + t].list[i]);
    return STATUS_OK;
}

/* Every rank's best items for all samples come together, a rank keeps its own samples'. */
static void join_tops(struct arena *arena, const struct ranking *r, const struct top *all,
                      int64_t n, int64_t first, struct top *top) {
    int64_t k = all[0].k;
    int64_t *rows = arena_alloc(arena, r->collectives->size, sizeof *rows);
    int64_t *count = arena_alloc(arena, n, sizeof *count);
    for (int p = 0; p < r->collectives->size; p++)
        rows[p] = n;
    for (int64_t t = 0; t < n; t++) {
        count[t] = all[t].count;
        for (int64_t i = 0; i < count[t]; i++)
            all[t].list[i].item = (int32_t)item_block_item(r->local, all[t].list[i].item);
    }
    count = gather(arena, r->collectives, count, rows, sizeof *count);
    const struct top_item *list =
        gather(arena, r->collectives, all[0].list, rows, k * (int64_t)sizeof *list);
    for (int64_t t = 0; t < r->samples; t++)
        for (int p = 0; p < r->collectives->size; p++)
            for (int64_t i = 0, at = p * n + first + t; i < count[at]; i++)
                top_add(&top[t], list[at * k + i]);
}

static enum status top_together(struct arena *arena, const struct ranking *r, int64_t k,
                                struct top *top) {
    int64_t *samples = gather_count(arena, r->collectives, r->samples), first = 0;
    struct ranking all = gather_samples(arena, r, samples);
    if (all.samples == 0)
        return STATUS_OK;
    struct top_item *list = arena_alloc(arena, all.samples * k, sizeof *list);
    struct top *found = arena_alloc(arena, all.samples, sizeof *found);
    memset(list, 0, (size_t)(all.samples * k) * sizeof *list);
    for (int64_t t = 0; t < all.samples; t++)
        found[t] = (struct top){list + t * k, k, 0};
    TRY(top_items(arena, &all, found)); /* the same outcome on all ranks */
    for (int p = 0; p < r->collectives->rank; p++)
        first += samples[p];
    join_tops(arena, r, found, all.samples, first, top);
    return STATUS_OK;
}

enum status rank_top(struct arena *arena, const struct ranking *r, int64_t k, struct top *top) {
    struct arena_mark mark = arena_mark(arena);
    enum status status = r->collectives   ? top_together(arena, r, k, top)
                         : r->samples > 0 ? top_items(arena, r, top)
                                          : STATUS_OK;
    for (int64_t t = 0; t < r->samples; t++)
        top_sort(&top[t]);
    arena_release(arena, mark);
    return status;
}
