#include "core/catalogue/rank.h"
#include "core/catalogue/softmax.h"
#include "core/gemm.h"
#include "core/log.h"
#include "core/search.h"
#include "core/vec.h"
#include <omp.h>
#include <string.h>

enum { CHUNK = 512, LANES = 16 };

struct work {
    const struct ranking *ranking;
    int softmaxes, threads;
    int first[CATALOGUE_TERMS + 1];
    struct running *sum[STREAMS][CATALOGUE_TERMS]; /* by stream and softmax, [threads][samples] */
    real *log_sum[STREAMS][CATALOGUE_TERMS];       /* [samples] */
    real *target_logit[STREAMS][CATALOGUE_TERMS];  /* [samples] as the tiles have it */
    real *target_score;                            /* [samples] */
    struct rank_count *full, *sampled;             /* [threads][samples] */
    real *logits, *scores;                         /* [threads][samples, CHUNK] */
};

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static void allocate(struct work *w, struct arena *arena) {
    int64_t n = w->ranking->samples, all = w->threads * n;
    for (int s = 0; s < STREAMS; s++)
        for (int f = 0; f < w->softmaxes; f++) {
            w->sum[s][f] = arena_alloc(arena, all, sizeof(struct running));
            w->log_sum[s][f] = arena_alloc(arena, n, sizeof(real));
            w->target_logit[s][f] = arena_alloc(arena, n, sizeof(real));
            for (int64_t i = 0; i < all; i++)
                w->sum[s][f][i] = running_empty;
        }
    w->target_score = arena_alloc(arena, n, sizeof(real));
    w->full = arena_alloc(arena, all, sizeof *w->full);
    w->sampled = arena_alloc(arena, all, sizeof *w->sampled);
    memset(w->full, 0, (size_t)all * sizeof *w->full);
    memset(w->sampled, 0, (size_t)all * sizeof *w->sampled);
    w->logits = arena_alloc(arena, all * CHUNK, sizeof(real));
    w->scores = arena_alloc(arena, all * CHUNK, sizeof(real));
    memset(w->logits, 0, (size_t)(all * CHUNK) * sizeof(real));
}

/* z[samples, CHUNK] for items [i0, i0 + width) of stream s and softmax f. */
static void chunk_logits(const struct work *w, int s, int f, int64_t i0, int64_t width, real *z) {
    const struct ranking *r = w->ranking;
    for (int m = w->first[f]; m < w->first[f + 1]; m++)
        gemm_serial(NO_TRANS, TRANS, r->samples, width, r->dim[m], 1, r->stream[s].q[m], r->dim[m],
                    r->items[m] + i0 * r->dim[m], r->dim[m], m > w->first[f], z, CHUNK);
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
                chunk_logits(w, s, f, i0, width, z);
                for (int64_t t = 0; t < n; t++) {
                    running_count(&w->sum[s][f][k * n + t], width, z + t * CHUNK);
                    if (candidates && r->target[t] >= i0 && r->target[t] < i0 + width)
                        w->target_logit[s][f][t] = z[t * CHUNK + r->target[t] - i0];
                }
            }
    }
}

static void join_sums(struct work *w, int s) {
    int64_t n = w->ranking->samples;
    for (int f = 0; f < w->softmaxes; f++)
        for (int64_t t = 0; t < n; t++) {
            struct running total = w->sum[s][f][t];
            for (int k = 1; k < w->threads; k++)
                running_merge(&total, &w->sum[s][f][k * n + t]);
            w->log_sum[s][f][t] = (real)running_log(&total);
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
        if (!isfinite((double)score[0]))
            return log_error(STATUS_FAIL, "evaluation: the score of item %d is not finite",
                             (int)r->target[t]);
    }
    return STATUS_OK;
}

HOT static struct rank_count count_row(int64_t n, const real *score, real target) {
    int64_t above = 0, equal = 0;
    for (int64_t i = 0; i < n; i++) {
        above += score[i] > target;
        equal += score[i] == target;
    }
    return (struct rank_count){above, equal};
}

static void count_negatives(const struct ranking *r, int64_t t, int64_t i0, int64_t width,
                            const real *score, real target, struct rank_count *count) {
    int64_t end = r->negatives->offsets[t + 1];
    const int32_t *items = r->negatives->items;
    for (int64_t j = search_first(items, r->negatives->offsets[t], end, i0);
         j < end && items[j] < i0 + width; j++) {
        count->above += score[items[j] - i0] > target;
        count->equal += score[items[j] - i0] == target;
    }
}

static void count_chunk(struct work *w, int64_t i0, int64_t width, int k) {
    const struct ranking *r = w->ranking;
    int64_t n = r->samples;
    const real *scores = w->scores + k * n * CHUNK;
    for (int64_t t = 0; t < n; t++) {
        const real *score = scores + t * CHUNK;
        struct rank_count in_chunk = count_row(width, score, w->target_score[t]);
        w->full[k * n + t].above += in_chunk.above;
        w->full[k * n + t].equal += in_chunk.equal;
        if (r->target[t] >= i0 && r->target[t] < i0 + width)
            w->full[k * n + t].equal -= score[r->target[t] - i0] == w->target_score[t];
        if (r->negatives)
            count_negatives(r, t, i0, width, score, w->target_score[t], &w->sampled[k * n + t]);
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
            chunk_logits(w, s, f, i0, width, z);
            for (int64_t t = 0; t < n; t++)
                if (r->stream[s].present[t])
                    add_probability((real)(r->stream[s].weight * r->weights[f]),
                                    w->log_sum[s][f][t], lanes, z + t * CHUNK, scores + t * CHUNK);
        }
}

static void count_candidates(struct work *w) {
    const struct ranking *r = w->ranking;
    int64_t chunks = (r->hi - r->lo + CHUNK - 1) / CHUNK;
#pragma omp parallel num_threads(w->threads)
    {
        int k = omp_get_thread_num();
        for (int64_t c = chunks * k / w->threads; c < chunks * (k + 1) / w->threads; c++) {
            int64_t i0 = r->lo + c * CHUNK, width = min64(CHUNK, r->hi - i0);
            score_chunk(w, i0, width, k);
            count_chunk(w, i0, width, k);
        }
    }
    for (int64_t t = 0; t < r->samples; t++) {
        r->full[t] = w->full[t];
        struct rank_count sampled = w->sampled[t];
        for (int k = 1; k < w->threads; k++) {
            r->full[t].above += w->full[k * r->samples + t].above;
            r->full[t].equal += w->full[k * r->samples + t].equal;
            sampled.above += w->sampled[k * r->samples + t].above;
            sampled.equal += w->sampled[k * r->samples + t].equal;
        }
        if (r->negatives)
            r->sampled[t] = sampled;
    }
}

enum status rank_targets(struct arena *arena, const struct ranking *r) {
    struct work w = {.ranking = r, .threads = omp_get_max_threads()};
    if (r->samples == 0)
        return STATUS_OK;
    w.softmaxes = r->fusion == FUSION_LOGIT ? 1 : r->terms;
    for (int f = 0; f < w.softmaxes; f++) {
        w.first[f] = f;
        w.first[f + 1] = r->fusion == FUSION_LOGIT ? r->terms : f + 1;
    }
    struct arena_mark mark = arena_mark(arena);
    allocate(&w, arena);
    for (int s = 0; s < STREAMS; s++) {
        if (r->stream[s].weight == 0)
            continue;
        sum_range(&w, s, r->stream[s].lo, r->lo, false);
        sum_range(&w, s, r->lo, r->hi, true);
        sum_range(&w, s, r->hi, r->stream[s].hi, false);
        join_sums(&w, s);
    }
    enum status status = score_targets(&w);
    if (status == STATUS_OK)
        count_candidates(&w);
    arena_release(arena, mark);
    return status;
}
