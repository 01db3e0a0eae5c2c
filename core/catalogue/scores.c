/* Outline: one flat list of the softmaxes of all terms, and for it
 *
 *     several softmaxes, or probabilities wanted:
 *         normalisers: log-sum-exp of every softmax over its items, by thread, then joined
 *         scores: sum over softmaxes of weight exp(z - log_sum)
 *     one softmax:
 *         targets' logits in double precision
 *         scores: logits, in double precision where they are close to the target's */
#include "core/catalogue/scores.h"
#include "core/check.h"
#include "core/log.h"
#include "core/vec.h"
#include <omp.h>
#include <string.h>

enum { LANES = 16 }; /* numbers of a vector instruction at most */

/* ---- plan ---- */

static void add_softmax(struct scores *s, const struct query_term *term,
                        const struct query_head *head, int heads) {
    double share = term->fusion == FUSION_LOGIT ? 1 : head->weight;
    struct score_softmax *softmax = &s->softmax[s->softmaxes++];
    *softmax = (struct score_softmax){.present = term->present,
                                      .weight = term->weight * share,
                                      .lo = head->lo,
                                      .hi = head->hi,
                                      .heads = heads,
                                      .head = &s->head[s->heads]};
    for (int m = 0; m < heads; m++) {
        assert(head[m].lo == softmax->lo && head[m].hi == softmax->hi);
        s->head[s->heads++] = (struct tile_head){
            .dim = head[m].dim, .states = head[m].q, .items = head[m].items, .eps = head[m].eps};
    }
}

static void plan_softmaxes(struct scores *s) {
    for (int k = 0; k < s->query->terms; k++) {
        const struct query_term *term = &s->query->term[k];
        int fused = term->fusion == FUSION_LOGIT ? term->heads : 1;
        for (int m = 0; m < term->heads; m += fused)
            add_softmax(s, term, &term->head[m], fused);
    }
}

/* Heads take turns with one buffer for divided rows. */
static void allocate_divided(struct scores *s, struct arena *arena) {
    int64_t widest = 0;
    for (int m = 0; m < s->heads; m++)
        if (s->head[m].eps > 0 && s->head[m].dim > widest)
            widest = s->head[m].dim;
    real *divided = arena_numbers(arena, s->threads * CHUNK * widest, sizeof *divided);
    for (int m = 0; m < s->heads; m++) {
        s->head[m].divided = divided;
        s->head[m].room = CHUNK * widest;
    }
}

static void allocate_softmax(struct scores *s, struct arena *arena, struct score_softmax *softmax) {
    int64_t n = s->query->samples, all = s->threads * n;
    softmax->sum = arena_numbers(arena, all, sizeof *softmax->sum);
    softmax->log_sum = arena_numbers(arena, n, sizeof *softmax->log_sum);
    softmax->target = arena_numbers(arena, n, sizeof *softmax->target);
    for (int64_t i = 0; !arena->dry && i < all; i++)
        softmax->sum[i] = logsumexp_empty;
    for (int64_t t = 0; !arena->dry && t < n; t++)
        softmax->target[t] = -REAL_MAX;
}

void scores_open(struct scores *s, struct arena *arena, const struct query *query,
                 const int32_t *target, bool probabilities) {
    int64_t n = query->samples;
    *s = (struct scores){.query = query, .target = target, .threads = omp_get_max_threads()};
    plan_softmaxes(s);
    s->logits = s->softmaxes == 1 && target && !probabilities;
    allocate_divided(s, arena);
    s->target_score = arena_numbers(arena, n, sizeof *s->target_score);
    s->margin = arena_numbers(arena, n, sizeof *s->margin);
    s->peak = arena_numbers(arena, n, sizeof *s->peak);
    s->joined = arena_numbers(arena, n, sizeof *s->joined);
    if (s->logits)
        return;
    for (int f = 0; f < s->softmaxes; f++)
        allocate_softmax(s, arena, &s->softmax[f]);
    s->z = arena_numbers(arena, s->threads * n * CHUNK, sizeof *s->z);
    if (!arena->dry) /* lanes beyond a chunk's width are computed with, not used */
        memset(s->z, 0, (size_t)(s->threads * n * CHUNK) * sizeof *s->z);
}

static bool is_here(const struct scores *s, int64_t t, int64_t lo, int64_t hi) {
    return s->target && s->target[t] >= lo && s->target[t] < hi;
}

/* The same on all ranks: the first speaks. */
static enum status not_finite(const struct scores *s, const char *what) {
    return s->query->collectives && s->query->collectives->rank
               ? STATUS_FAIL
               : log_error(STATUS_FAIL, "%s not finite", what);
}

static enum status check_targets(const struct scores *s) {
    for (int64_t t = 0; s->target && t < s->query->samples; t++)
        if (!isfinite((double)s->target_score[t]))
            return not_finite(s, "evaluation: the score of a target is");
    return STATUS_OK;
}

/* ---- normalisers ---- */

struct pass_one {
    const struct scores *scores;
    struct score_softmax *softmax;
};

static void add_chunk(void *context, const struct chunk *chunk, int thread) {
    const struct pass_one *pass = context;
    const struct scores *s = pass->scores;
    struct score_softmax *softmax = pass->softmax;
    int64_t n = s->query->samples;
    real *z = s->z + thread * n * CHUNK;
    tile_logits(softmax->head, softmax->heads, gemm_serial, n, chunk, thread, z);
    for (int64_t t = 0; t < n; t++) {
        logsumexp_count(&softmax->sum[thread * n + t], chunk->width, z + t * CHUNK);
        if (is_here(s, t, chunk->lo, chunk->lo + chunk->width))
            softmax->target[t] = z[t * CHUNK + s->target[t] - chunk->lo];
    }
}

/* The first thread's sums and the targets' logits become those of all ranks. */
static void join_ranks(const struct scores *s, struct score_softmax *softmax) {
    const struct collectives *collectives = s->query->collectives;
    int64_t n = s->query->samples;
    struct logsumexp *total = softmax->sum;
    for (int64_t t = 0; t < n; t++)
        s->peak[t] = total[t].shift;
    collectives->max(collectives->context, s->peak, n);
    collectives->max(collectives->context, softmax->target, n);
    for (int64_t t = 0; t < n; t++)
        s->joined[t] = total[t].sum * logsumexp_factor(&total[t], s->peak[t]);
    collectives->sum(collectives->context, s->joined, n);
    for (int64_t t = 0; t < n; t++)
        total[t] = (struct logsumexp){s->peak[t], s->joined[t]};
}

/* Chunks are counted from the start of a range. The candidates' have to be those of scores_chunk,
 * so that equal rows keep equal logits: the candidates and the rest are ranges of their own. */
static void normalise(const struct scores *s, struct score_softmax *softmax) {
    const struct query *query = s->query;
    int64_t n = query->samples;
    struct pass_one pass = {s, softmax};
    chunks_visit(softmax->lo, query->lo, s->threads, add_chunk, &pass);
    chunks_visit(query->lo, query->hi, s->threads, add_chunk, &pass);
    chunks_visit(query->hi, softmax->hi, s->threads, add_chunk, &pass);
    for (int k = 1; k < s->threads; k++)
        for (int64_t t = 0; t < n; t++)
            logsumexp_merge(&softmax->sum[t], &softmax->sum[k * n + t]);
    if (query->collectives)
        join_ranks(s, softmax);
    for (int64_t t = 0; t < n; t++)
        softmax->log_sum[t] = (real)logsumexp_log(&softmax->sum[t]);
}

static enum status check_normalisers(const struct scores *s) {
    for (int f = 0; f < s->softmaxes; f++)
        for (int64_t t = 0; t < s->query->samples; t++)
            if (s->softmax[f].present[t] && !isfinite((double)s->softmax[f].log_sum[t]))
                return not_finite(s, "the scores of a history are");
    return STATUS_OK;
}

/* ---- scores by probabilities ---- */

/* score[i] += factor exp(z[i] - log_sum). */
HOT static void add_probability(real factor, real log_sum, int64_t n, const real *z, real *score) {
    for (int64_t i = 0; i < n; i++)
        score[i] += factor * vec_exp(z[i] - log_sum);
}

/* The same vector instructions score the targets and the tiles, so that equal logits tie exactly.
 */
static void score_targets(struct scores *s) {
    for (int64_t t = 0; t < s->query->samples; t++) {
        real score[LANES] = {0}, z[LANES];
        for (int f = 0; f < s->softmaxes; f++) {
            const struct score_softmax *softmax = &s->softmax[f];
            for (int i = 0; i < LANES; i++)
                z[i] = softmax->target[t];
            if (softmax->present[t])
                add_probability((real)softmax->weight, softmax->log_sum[t], LANES, z, score);
        }
        s->target_score[t] = score[0];
    }
}

static void probability_chunk(const struct scores *s, const struct chunk *chunk, int thread,
                              real *out) {
    int64_t n = s->query->samples, lanes = (chunk->width + LANES - 1) / LANES * LANES;
    real *z = s->z + thread * n * CHUNK;
    memset(out, 0, (size_t)(n * CHUNK) * sizeof *out);
    for (int f = 0; f < s->softmaxes; f++) {
        const struct score_softmax *softmax = &s->softmax[f];
        tile_logits(softmax->head, softmax->heads, gemm_serial, n, chunk, thread, z);
        for (int64_t t = 0; t < n; t++)
            if (softmax->present[t])
                add_probability((real)softmax->weight, softmax->log_sum[t], lanes, z + t * CHUNK,
                                out + t * CHUNK);
    }
}

/* ---- scores by logits ---- */

static double dot(const real *x, const real *y, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

/* The logit of item row i, rounded once: the same for equal rows, wherever they stand. */
static real exact_logit(const struct score_softmax *only, int64_t t, int64_t i) {
    double z = 0;
    for (int m = 0; m < only->heads; m++) {
        const struct tile_head *head = &only->head[m];
        const real *row = head->items + i * head->dim;
        double norm = head->eps > 0 ? fmax(sqrt(dot(row, row, head->dim)), (double)head->eps) : 1;
        z += dot(head->states + t * head->dim, row, head->dim) / norm;
    }
    return (real)z;
}

/* A product with a row of norm 1, and the division by that norm, err by at most d + 8 roundings of
 * |q|. */
static real margin_of(const struct score_softmax *only, int64_t t) {
    double margin = 0;
    for (int m = 0; m < only->heads; m++) {
        const struct tile_head *head = &only->head[m];
        const real *q = head->states + t * head->dim;
        margin += (double)(head->dim + 8) * sqrt(dot(q, q, head->dim));
    }
    return (real)(2 * margin * (double)REAL_EPS);
}

/* Of the rows of a chunk as they are multiplied; at least 1. */
static real largest_norm(const struct score_softmax *only, const struct chunk *chunk) {
    real largest = 1;
    for (int m = 0; m < only->heads; m++) {
        const struct tile_head *head = &only->head[m];
        for (int64_t i = chunk->lo; head->eps <= 0 && i < chunk->lo + chunk->width; i++) {
            const real *row = head->items + i * head->dim;
            largest = REAL_F(fmax)(largest, vec_dot(row, row, head->dim));
        }
    }
    return REAL_F(sqrt)(largest);
}

/* The logits of samples without a state are 0, as all their items' are. */
static void aim(struct scores *s) {
    const struct query *query = s->query;
    const struct score_softmax *only = &s->softmax[0];
    for (int64_t t = 0; t < query->samples; t++) {
        s->margin[t] = margin_of(only, t);
        s->target_score[t] = !only->present[t] ? 0
                             : is_here(s, t, query->lo, query->hi)
                                 ? exact_logit(only, t, s->target[t])
                                 : -REAL_MAX;
    }
    if (query->collectives)
        query->collectives->max(query->collectives->context, s->target_score, query->samples);
}

/* Logits that are the target's but for rounding are taken without it. */
static void sharpen_row(const struct scores *s, int64_t t, const struct chunk *chunk, real norm,
                        real *z) {
    real target = s->target_score[t], margin = norm * s->margin[t];
    int64_t near = 0;
    for (int64_t i = 0; i < chunk->width; i++)
        near += REAL_F(fabs)(z[i] - target) <= margin;
    for (int64_t i = 0; near > 0 && i < chunk->width; i++)
        if (REAL_F(fabs)(z[i] - target) <= margin) {
            z[i] = exact_logit(&s->softmax[0], t, chunk->lo + i);
            near--;
        }
}

static void logit_chunk(const struct scores *s, const struct chunk *chunk, int thread, real *out) {
    const struct score_softmax *only = &s->softmax[0];
    int64_t n = s->query->samples;
    real norm = largest_norm(only, chunk);
    tile_logits(only->head, only->heads, gemm_serial, n, chunk, thread, out);
    for (int64_t t = 0; t < n; t++)
        if (only->present[t])
            sharpen_row(s, t, chunk, norm, out + t * CHUNK);
        else
            memset(out + t * CHUNK, 0, CHUNK * sizeof *out);
}

/* ---- both ---- */

enum status scores_prepare(struct scores *s) {
    if (s->logits) {
        aim(s);
        return check_targets(s);
    }
    for (int f = 0; f < s->softmaxes; f++)
        normalise(s, &s->softmax[f]);
    if (!s->target)
        return check_normalisers(s);
    score_targets(s);
    return check_targets(s);
}

void scores_chunk(const struct scores *s, const struct chunk *chunk, int thread, real *out) {
    (s->logits ? logit_chunk : probability_chunk)(s, chunk, thread, out);
}
