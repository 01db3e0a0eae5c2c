/* Outline: every part prepares its scores; of several, a pass over the candidates takes the moments of
 * each, which the threads, then the ranks join; a chunk's scores are the parts', one after another brought
 * to scale and added up. Then come the targets' scores, and those between the bounds of what rounding
 * makes of a target's, in double precision. */
#include "core/catalogue/blend.h"
#include "core/log.h"
#include "core/vec.h"
#include <omp.h>
#include <string.h>

/* Probabilities below this count as this: their order is not known from single precision. */
#define LEAST_PROBABILITY ((real)1e-30)

/* Scores that differ by less of their mean are the same but for rounding. */
#define FLAT 1e-5

/* ---- plan ---- */

/* The parts of a query, itself if it has none. */
static int parts_of(const struct query *query) {
    return query->parts > 0 ? query->parts : 1;
}

static const struct query *part_of(const struct query *query, int k) {
    return query->parts > 0 ? &query->part[k] : query;
}

int64_t blend_samples(const struct query *query, int64_t items, bool probabilities) {
    int64_t least = query->samples;
    for (int k = 0; k < parts_of(query); k++) {
        int64_t samples = scores_samples(part_of(query, k), items, probabilities && !query->parts);
        least = samples < least ? samples : least;
    }
    return least;
}

static void open_several(struct blend *b, struct arena *arena) {
    int64_t n = b->query->samples, rows = b->parts * n;
    for (int k = 0; k < b->parts; k++) {
        b->of[k] = query_part(&b->query->part[k], b->query->first, n);
        scores_open(&b->part[k], arena, &b->of[k], NULL, false);
    }
    b->moments = arena_numbers(arena, b->threads * rows, sizeof *b->moments);
    b->scale = arena_numbers(arena, rows, sizeof *b->scale);
    b->tile = arena_numbers(arena, b->threads * n * CHUNK, sizeof *b->tile);
}

static void open_history(struct blend *b, struct arena *arena, const struct rank_lists *history) {
    int64_t rows = b->parts * b->query->samples;
    b->history = history;
    b->history_share = arena_numbers(arena, rows, sizeof *b->history_share);
    b->history_factor = arena_numbers(arena, rows, sizeof *b->history_factor);
}

void blend_open(struct blend *b, struct arena *arena, const struct query *query,
                const int32_t *target, const struct rank_lists *history,
                const struct rank_lists *wanted, bool probabilities) {
    int parts = parts_of(query), threads = omp_get_max_threads();
    int64_t n = query->samples;
    *b = (struct blend){.query = query,
                        .target = target,
                        .threads = threads,
                        .parts = parts,
                        .of = arena_alloc(arena, parts, sizeof *b->of),
                        .part = arena_alloc(arena, parts, sizeof *b->part),
                        .target_score = arena_numbers(arena, n, sizeof *b->target_score),
                        .error = arena_numbers(arena, threads * n, sizeof *b->error)};
    if (query->parts > 0)
        open_several(b, arena);
    else
        scores_open(&b->part[0], arena, query, wanted, probabilities);
    if (history && query_has_repeats(query))
        open_history(b, arena, history);
}

/* ---- what a part gives ---- */

HOT static void take_logs(int64_t n, real *x) {
    for (int64_t i = 0; i < n; i++)
        x[i] = REAL_F(log)(x[i] < LEAST_PROBABILITY ? LEAST_PROBABILITY : x[i]);
}

/* f_k of a chunk, in the thread's tile. */
static real *part_chunk(struct blend *b, int k, const struct chunk *chunk, int thread) {
    int64_t n = b->query->samples;
    real *tile = b->tile + thread * n * CHUNK;
    scores_chunk(&b->part[k], chunk, thread, tile);
    for (int64_t t = 0; t < n && scores_kind(&b->part[k]) == SCORES_PROBABILITIES; t++)
        take_logs(chunk->width, tile + t * CHUNK);
    return tile;
}

static double part_exact(const struct blend *b, int k, int64_t t, int64_t i) {
    double score = (double)scores_exact(&b->part[k], t, i);
    return scores_kind(&b->part[k]) == SCORES_PROBABILITIES
               ? log(fmax(score, (double)LEAST_PROBABILITY))
               : score;
}

/* Of f_k in the thread's last chunk: the error of a logarithm is the relative one of its number, and
 * what single precision cannot tell from 0 is small beside the least probability. */
static double part_error(const struct blend *b, int k, int thread, int64_t t) {
    double error = (double)scores_error(&b->part[k], thread, t);
    return scores_kind(&b->part[k]) == SCORES_PROBABILITIES
               ? 2 * error + 32 * (double)REAL_MIN / (double)LEAST_PROBABILITY
               : error;
}

/* ---- one scale for all parts ---- */

static struct blend_moments *moments_of(const struct blend *b, int thread, int k) {
    return b->moments + (thread * b->parts + k) * b->query->samples;
}

HOT static void add_moments(int64_t n, const real *x, struct blend_moments *m) {
    double sum = 0, square = 0;
#pragma omp simd reduction(+ : sum, square)
    for (int64_t i = 0; i < n; i++) {
        sum += (double)x[i];
        square += (double)x[i] * (double)x[i];
    }
    m->count += (double)n;
    m->sum += sum;
    m->square += square;
}

static void visit_moments(void *blend, const struct chunk *chunk, int thread) {
    struct blend *b = blend;
    for (int k = 0; k < b->parts; k++) {
        const real *tile = part_chunk(b, k, chunk, thread);
        for (int64_t t = 0; t < b->query->samples; t++)
            add_moments(chunk->width, tile + t * CHUNK, moments_of(b, thread, k) + t);
    }
}

/* The first thread's moments become those of all threads and ranks. */
static void join_moments(struct blend *b) {
    const struct collectives *collectives = b->query->collectives;
    int64_t rows = b->parts * b->query->samples;
    struct blend_moments *all = b->moments;
    for (int64_t r = rows; r < b->threads * rows; r++) {
        all[r % rows].count += all[r].count;
        all[r % rows].sum += all[r].sum;
        all[r % rows].square += all[r].square;
    }
    if (collectives)
        collectives->sum(collectives->context, &all->count,
                         rows * (int64_t)(sizeof *all / sizeof all->count));
}

static bool take_scales(struct blend *b) {
    int64_t rows = b->parts * b->query->samples;
    bool finite = true;
    memset(b->moments, 0, (size_t)(b->threads * rows) * sizeof *b->moments);
    chunks_visit(b->query->lo, b->query->hi, b->threads, visit_moments, b);
    join_moments(b);
    for (int64_t r = 0; r < rows; r++) {
        const struct blend_moments *m = &b->moments[r];
        double mean = m->sum / m->count,
               deviation = sqrt(fmax(m->square / m->count - mean * mean, 0));
        finite = finite && isfinite(m->square);
        b->scale[r] = (struct blend_scale){
            mean, deviation > FLAT * (1 + fabs(mean)) ? 1 / (b->parts * deviation) : 0};
    }
    return finite;
}

/* sum += factor (x - mean); returns the largest size of an x. */
HOT static real add_scaled(int64_t n, const real *x, real mean, real factor, real *sum) {
    real largest = 0;
#pragma omp simd reduction(max : largest)
    for (int64_t i = 0; i < n; i++) {
        real size = x[i] < 0 ? -x[i] : x[i];
        largest = size > largest ? size : largest;
        sum[i] += factor * (x[i] - mean);
    }
    return largest;
}

/* Beside its own error each part has that of four operations and as many sums as there are parts. */
static void blend_parts(struct blend *b, const struct chunk *chunk, int thread, real *out) {
    int64_t n = b->query->samples;
    real *error = b->error + thread * n;
    memset(out, 0, (size_t)(n * CHUNK) * sizeof *out);
    memset(error, 0, (size_t)n * sizeof *error);
    for (int k = 0; k < b->parts; k++) {
        const real *tile = part_chunk(b, k, chunk, thread);
        for (int64_t t = 0; t < n; t++) {
            const struct blend_scale *scale = &b->scale[k * n + t];
            real largest = add_scaled(chunk->width, tile + t * CHUNK, (real)scale->mean,
                                      (real)scale->factor, out + t * CHUNK);
            double rounding =
                (4 + b->parts) * (double)REAL_EPS * (fabs(scale->mean) + (double)largest);
            error[t] += (real)(scale->factor * (part_error(b, k, thread, t) + rounding));
        }
    }
}

static real exact_of_several(const struct blend *b, int64_t t, int64_t i, bool of_history) {
    double score = 0;
    for (int k = 0; k < b->parts; k++) {
        int64_t row = k * b->query->samples + t;
        const struct blend_scale *scale = &b->scale[row];
        double more = of_history ? b->history_factor[row] : 0;
        score += scale->factor * (part_exact(b, k, t, i) + more - scale->mean);
    }
    return (real)score;
}

/* Of an item of the history, or of another. */
static real exact(const struct blend *b, int64_t t, int64_t i, bool of_history) {
    if (b->query->parts > 0)
        return exact_of_several(b, t, i, of_history);
    real score = scores_exact(&b->part[0], t, i);
    if (!of_history)
        return score;
    return scores_kind(&b->part[0]) == SCORES_PROBABILITIES
               ? (real)((double)score * exp(b->history_factor[t]))
               : (real)((double)score + b->history_factor[t]);
}

real blend_exact(const struct blend *b, int64_t t, int64_t i) {
    return exact(b, t, i, b->history && rank_lists_between(b->history, t, i, i + 1).n > 0);
}

/* ---- items of the histories ---- */

static struct rank_list history_of(const struct blend *b, int64_t t) {
    return rank_lists_between(b->history, t, b->query->lo, b->query->hi);
}

static double share_of(const struct blend *b, int k, int64_t t) {
    struct rank_list list = history_of(b, t);
    double share = 0;
    for (int64_t j = 0; j < list.n; j++)
        share += scores_share(&b->part[k], t, list.items[j]);
    return share;
}

/* log f; 0 where the history has no candidates, or these no probability. */
static double factor_of(double repeats, double share) {
    double odds = fmax((1 - share) / share, (double)REAL_EPS);
    return share > 0 ? log(repeats / (1 - repeats)) + log(odds) : 0;
}

static void take_factors(struct blend *b) {
    const struct collectives *collectives = b->query->collectives;
    int64_t n = b->query->samples;
    for (int64_t row = 0; row < b->parts * n; row++) {
        int k = (int)(row / n);
        b->history_share[row] = part_of(b->query, k)->repeats > 0 ? share_of(b, k, row % n) : 0;
    }
    if (collectives)
        collectives->sum(collectives->context, b->history_share, b->parts * n);
    for (int64_t row = 0; row < b->parts * n; row++)
        b->history_factor[row] =
            factor_of(part_of(b->query, (int)(row / n))->repeats, b->history_share[row]);
}

static void place_history(const struct blend *b, const struct chunk *chunk, real *out) {
    for (int64_t t = 0; t < b->query->samples; t++) {
        struct rank_list list =
            rank_lists_between(b->history, t, chunk->lo, chunk->lo + chunk->width);
        for (int64_t j = 0; j < list.n; j++)
            out[t * CHUNK + list.items[j] - chunk->lo] = exact(b, t, list.items[j], true);
    }
}

/* ---- targets ---- */

/* The same on all ranks: the first speaks. */
static enum status not_finite(const struct blend *b, const char *what) {
    return b->query->collectives && b->query->collectives->rank
               ? STATUS_FAIL
               : log_error(STATUS_FAIL, "%s not finite", what);
}

/* Infinity, unlike NaN, outlives the maximum over the ranks. */
static enum status aim(struct blend *b) {
    const struct query *query = b->query;
    bool finite = true;
    for (int64_t t = 0; t < query->samples; t++) {
        bool here = b->target[t] >= query->lo && b->target[t] < query->hi;
        b->target_score[t] = here ? blend_exact(b, t, b->target[t]) : -REAL_MAX;
        if (!isfinite((double)b->target_score[t]))
            b->target_score[t] = (real)INFINITY;
    }
    if (query->collectives)
        query->collectives->max(query->collectives->context, b->target_score, query->samples);
    for (int64_t t = 0; t < query->samples; t++)
        finite = finite && isfinite((double)b->target_score[t]);
    return finite ? STATUS_OK : not_finite(b, "evaluation: the score of a target is");
}

enum status blend_prepare(struct blend *b) {
    bool finite = true;
    for (int k = 0; k < b->parts; k++)
        finite = scores_prepare(&b->part[k]) && finite;
    if (finite && b->query->parts > 0)
        finite = take_scales(b);
    if (!finite)
        return not_finite(b, "the scores of a history are");
    if (b->history)
        take_factors(b);
    return b->target ? aim(b) : STATUS_OK;
}

/* ---- bounds ---- */

struct bounds {
    real least, most;
};

static bool is_own(const struct blend *b) {
    return b->query->parts == 0 && scores_kind(&b->part[0]) == SCORES_OWN;
}

/* Of probabilities the error is relative, and what is below the smallest normal number may be zero. */
static struct bounds bounds_of(const struct blend *b, real score, real error) {
    double factor = exp((double)error), zero = 16 * (double)REAL_MIN;
    bool relative = b->query->parts == 0 && scores_kind(&b->part[0]) == SCORES_PROBABILITIES;
    return relative ? (struct bounds){(real)((double)score / factor - zero),
                                      (real)((double)score * factor + zero)}
                    : (struct bounds){score - error, score + error};
}

real blend_least(const struct blend *b, int thread, int64_t t, real score) {
    return is_own(b) ? score : bounds_of(b, score, b->error[thread * b->query->samples + t]).least;
}

HOT static int64_t count_between(struct bounds bounds, int64_t n, const real *x) {
    int64_t between = 0;
    for (int64_t i = 0; i < n; i++)
        between += x[i] >= bounds.least && x[i] <= bounds.most;
    return between;
}

/* Scores that are the target's but for rounding are taken without it. */
static void sharpen_row(const struct blend *b, int64_t t, const struct chunk *chunk, real error,
                        real *score) {
    struct bounds bounds = bounds_of(b, b->target_score[t], error);
    int64_t left = count_between(bounds, chunk->width, score);
    for (int64_t i = 0; left > 0; i++)
        if (score[i] >= bounds.least && score[i] <= bounds.most) {
            score[i] = blend_exact(b, t, chunk->lo + i);
            left--;
        }
}

void blend_chunk(struct blend *b, const struct chunk *chunk, int thread, real *out) {
    int64_t n = b->query->samples;
    real *error = b->error + thread * n;
    if (b->query->parts > 0) {
        blend_parts(b, chunk, thread, out);
    } else {
        scores_chunk(&b->part[0], chunk, thread, out);
        for (int64_t t = 0; t < n; t++)
            error[t] = scores_error(&b->part[0], thread, t);
    }
    for (int64_t t = 0; b->target && !is_own(b) && t < n; t++)
        sharpen_row(b, t, chunk, error[t], out + t * CHUNK);
    if (b->history)
        place_history(b, chunk, out);
}
