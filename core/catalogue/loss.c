/* Outline: plan the tiles; for each tile of positions: gather the states, sweep 1 (all threads,
 * each its own chunks of items), join the threads' sums into the loss and the factors of the
 * gradients, sweep 2 (learned rows). A "softmax" here is what has one normaliser: a term in
 * probability fusion, all terms together in logit fusion. With collectives a tile takes the next
 * `quota` positions of every rank, rank after rank. */
#include "core/catalogue/loss.h"
#include "core/catalogue/softmax.h"
#include "core/check.h"
#include "core/gemm_bf16.h"
#include "core/ops/norm.h"
#include "core/vec.h"
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 512, TILE = 512, TILE_KEPT = 64 };

/* Everything of one call; scratch lives in the tape's arena until the call returns. */
struct work {
    const struct catalogue_loss *loss;
    bool record;
    gemm_fn *product; /* single-threaded, in the tape's precision */
    int softmaxes, threads;
    int first[CATALOGUE_TERMS + 1]; /* terms of softmax s: first[s] .. first[s + 1] - 1 */
    bool learned[CATALOGUE_TERMS];  /* of a softmax: some of its item rows take gradients */
    bool keep;                      /* exponentials stay between the sweeps */
    int64_t tile, chunks;
    const struct catalogue_hit *hits; /* by column and row of the tiles, counted through */
    int64_t hit_count;
    int64_t quota;    /* positions of a rank in a tile */
    int64_t tiles;    /* of all ranks */
    int64_t *all;     /* [ranks] positions of every rank */
    int64_t *of_rank; /* [ranks] rows of the tile at hand */
    real *peak;       /* [softmaxes, tile] */
    double *peer_sum; /* [softmaxes, tile] */

    /* of the tile at hand */
    int64_t t0, rows;
    int64_t p0, home, own;    /* rows [home, home + own) are this rank's positions from p0 on */
    real *q[CATALOGUE_TERMS]; /* [tile, d] */
    double *target[CATALOGUE_TERMS]; /* by softmax, [tile] logit of the target */
    real *kept[CATALOGUE_TERMS];     /* by softmax, [chunks][tile, CHUNK] */
    real *shift[CATALOGUE_TERMS];    /* by softmax, [chunks][tile] under which they were taken */
    struct logsumexp *sum[CATALOGUE_TERMS];   /* by softmax, [threads][tile] */
    real *state[CATALOGUE_TERMS];             /* [threads][tile, d] sum of exp(z) e */
    real *unit[CATALOGUE_TERMS];              /* [threads][CHUNK, d] divided rows; NULL: as given */
    real *logits;                             /* [threads][tile, CHUNK] */
    real *scaled;                             /* [threads][tile, widest] */
    int64_t widest;                           /* d of the terms */
    struct logsumexp *total[CATALOGUE_TERMS]; /* by softmax, [tile], target included */
    double *share[CATALOGUE_TERMS];           /* by softmax, [tile] weight * r, r of methods 3.5 */
    double fusion[CATALOGUE_TERMS];           /* w */
    double fusion_grad[CATALOGUE_TERMS];
};

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int by_column(const void *a, const void *b) {
    const struct catalogue_hit *x = a, *y = b;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static void plan_softmaxes(struct work *w) {
    const struct catalogue_loss *loss = w->loss;
    w->softmaxes = loss->fusion == FUSION_LOGIT ? 1 : loss->terms;
    for (int s = 0; s < w->softmaxes; s++) {
        w->first[s] = s;
        w->first[s + 1] = loss->fusion == FUSION_LOGIT ? loss->terms : s + 1;
        for (int m = w->first[s]; m < w->first[s + 1]; m++)
            w->learned[s] |= loss->term[m].items->learned;
    }
}

/* Fusion weights: softmax of the learned logits or the fixed ones. */
static void plan_fusion(struct work *w) {
    const struct catalogue_loss *loss = w->loss;
    double sum = 0;
    for (int m = 0; m < w->softmaxes; m++) {
        w->fusion[m] = loss->fusion_logits ? exp((double)loss->fusion_logits->x[m])
                       : loss->terms == 1 || loss->fusion == FUSION_LOGIT ? 1
                                                                          : loss->weights[m];
        sum += w->fusion[m];
    }
    for (int m = 0; m < w->softmaxes; m++)
        w->fusion[m] /= sum;
}

static void plan_tiles(struct work *w) {
    const struct catalogue_loss *loss = w->loss;
    int64_t budget = loss->buffer_bytes ? loss->buffer_bytes : CATALOGUE_BUFFER, per_row = 0;
    int64_t ranks = loss->collectives ? loss->collectives->size : 1, positions = loss->positions;
    int64_t most = loss->collectives ? loss->max_local : loss->candidates;
    for (int64_t r = 0; loss->collectives && r < ranks; r++)
        positions = w->all[r] > positions ? w->all[r] : positions;
    w->chunks = (loss->candidates + CHUNK - 1) / CHUNK;
    for (int s = 0; s < w->softmaxes; s++)
        per_row += w->learned[s] ? (most + CHUNK - 1) / CHUNK * CHUNK * (int64_t)sizeof(real) : 0;
    int64_t kept_tile = per_row ? budget / per_row : TILE;
    w->keep = kept_tile >= min64(TILE_KEPT, positions * ranks);
    w->quota = min64(w->keep ? min64(kept_tile, TILE) : TILE, positions * ranks) / ranks;
    w->quota = w->quota > 0 ? w->quota : 1;
    /* Tiles of equal size. */
    w->tiles = (positions + w->quota - 1) / w->quota;
    w->quota = (positions + w->tiles - 1) / w->tiles;
    w->tile = w->quota * ranks;
}

static void allocate(struct work *w, struct arena *arena) {
    w->widest = 0;
    for (int m = 0; m < w->loss->terms; m++) {
        int64_t d = w->loss->term[m].q->cols;
        w->widest = d > w->widest ? d : w->widest;
        w->q[m] = arena_numbers(arena, w->tile * d, sizeof(real));
        w->state[m] = arena_numbers(arena, w->threads * w->tile * d, sizeof(real));
        w->unit[m] = w->loss->term[m].eps > 0
                         ? arena_numbers(arena, w->threads * CHUNK * d, sizeof(real))
                         : NULL;
    }
    for (int s = 0; s < w->softmaxes; s++) {
        bool keep = w->record && w->learned[s] && w->keep;
        w->target[s] = arena_numbers(arena, w->tile, sizeof(double));
        w->share[s] = arena_numbers(arena, w->tile, sizeof(double));
        w->total[s] = arena_numbers(arena, w->tile, sizeof(struct logsumexp));
        w->sum[s] = arena_numbers(arena, w->threads * w->tile, sizeof(struct logsumexp));
        w->kept[s] = keep ? arena_numbers(arena, w->chunks * w->tile * CHUNK, sizeof(real)) : NULL;
        w->shift[s] = keep ? arena_numbers(arena, w->chunks * w->tile, sizeof(real)) : NULL;
    }
    w->logits = arena_numbers(arena, w->threads * w->tile * CHUNK, sizeof(real));
    w->scaled = arena_numbers(arena, w->threads * w->tile * w->widest, sizeof(real));
    w->peak = arena_numbers(arena, w->softmaxes * w->tile, sizeof *w->peak);
    w->peer_sum = arena_numbers(arena, w->softmaxes * w->tile, sizeof *w->peer_sum);
}

static int64_t position(const struct work *w, int64_t t) {
    return w->p0 + t - w->home;
}

/* The target's row of position t, as it is given, and what it is to be multiplied by. */
static const real *positive_row(const struct work *w, int m, int64_t t) {
    const struct tensor *positives = w->loss->term[m].positives;
    return positives->x + w->loss->positive[position(w, t)] * positives->cols;
}

static real positive_factor(const struct work *w, int m, int64_t t) {
    const struct catalogue_term *term = &w->loss->term[m];
    const real *row = positive_row(w, m, t);
    if (term->eps <= 0 || term->positives != term->items)
        return 1;
    return 1 / REAL_F(fmax)(REAL_F(sqrt)(vec_dot(row, row, term->items->cols)), term->eps);
}

/* The tile's states, and the targets' logits, of row t of this rank. */
HOT static void gather_tile(struct work *w, int64_t t) {
    const struct catalogue_loss *loss = w->loss;
    for (int s = 0; s < w->softmaxes; s++) {
        double z = 0;
        for (int m = w->first[s]; m < w->first[s + 1]; m++) {
            const struct catalogue_term *term = &loss->term[m];
            int64_t d = term->q->cols;
            real *q = w->q[m] + t * d;
            memcpy(q, term->q->x + loss->row[position(w, t)] * d, (size_t)d * sizeof *q);
            z += (double)(vec_dot(q, positive_row(w, m, t), d) * positive_factor(w, m, t));
        }
        w->target[s][t] = z;
    }
}

static int64_t first_hit(const struct work *w, int64_t column) {
    int64_t lo = 0, hi = w->hit_count;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (w->hits[mid].column < column)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

HOT static void rescale(real factor, int64_t n, real *x) {
    vec_scale(factor, x, n);
}

HOT static void add_scaled(real factor, int64_t n, const real *x, real *y) {
    vec_axpy(factor, x, y, n);
}

/* Item rows of chunk `c` as last divided by thread `k`. */
static const real *chunk_rows(const struct work *w, int m, int64_t c, int k) {
    int64_t d = w->loss->term[m].q->cols;
    return w->unit[m] ? w->unit[m] + k * CHUNK * d
                      : w->loss->term[m].items->x + (w->loss->lo + c * CHUNK) * d;
}

/* Logits of the tile with chunk `c`, -inf at hits: z [rows, CHUNK]. Returns the chunk's width. */
static int64_t chunk_logits(const struct work *w, int s, int64_t c, int k, real *z) {
    const struct catalogue_loss *loss = w->loss;
    int64_t c0 = c * CHUNK, width = min64(CHUNK, loss->candidates - c0);
    for (int m = w->first[s]; m < w->first[s + 1]; m++) {
        const struct catalogue_term *term = &loss->term[m];
        int64_t d = term->q->cols;
        if (w->unit[m])
            unit_rows(term->items->x + (loss->lo + c0) * d, width, d, term->eps,
                      w->unit[m] + k * CHUNK * d);
        w->product(NO_TRANS, TRANS, w->rows, width, d, 1, w->q[m], d, chunk_rows(w, m, c, k), d,
                   m > w->first[s], z, CHUNK);
    }
    for (int64_t t = 0; loss->bias && t < w->rows; t++)
        add_scaled(1, width, loss->bias + c0, z + t * CHUNK);
    for (int64_t h = first_hit(w, c0); h < w->hit_count; h++) {
        const struct catalogue_hit *hit = &w->hits[h];
        if (hit->column >= c0 + width)
            break;
        if (hit->row >= w->t0 && hit->row < w->t0 + w->rows)
            z[(hit->row - w->t0) * CHUNK + hit->column - c0] = -INFINITY;
    }
    return width;
}

/* Sums of gBCE have no shift. */
static real add_sigmoids(struct logsumexp *sum, int64_t n, real *z) {
    sum->shift = 0;
    sum->sum += sigmoids_sum(n, z);
    return 1;
}

/* Sweep 1 over chunk `c`: exponentials, sums, state gradients of thread `k`. */
static void sweep_states(struct work *w, int s, int64_t c, int k) {
    const struct catalogue_loss *loss = w->loss;
    real *z = w->kept[s] ? w->kept[s] + c * w->tile * CHUNK : w->logits + k * w->tile * CHUNK;
    struct logsumexp *sum = w->sum[s] + k * w->tile;
    int64_t width = chunk_logits(w, s, c, k, z);
    for (int64_t t = 0; t < w->rows; t++) {
        real *row = z + t * CHUNK;
        real factor =
            loss->gbce > 0 ? add_sigmoids(&sum[t], width, row) : logsumexp_add(&sum[t], width, row);
        for (int m = w->first[s]; w->record && factor != 1 && m < w->first[s + 1]; m++) {
            int64_t d = loss->term[m].q->cols;
            rescale(factor, d, w->state[m] + (k * w->tile + t) * d);
        }
        if (w->shift[s])
            w->shift[s][c * w->tile + t] = sum[t].shift;
    }
    for (int m = w->first[s]; w->record && m < w->first[s + 1]; m++) {
        int64_t d = loss->term[m].q->cols;
        w->product(NO_TRANS, NO_TRANS, w->rows, d, width, 1, z, CHUNK, chunk_rows(w, m, c, k), d, 1,
                   w->state[m] + k * w->tile * d, d);
    }
}

/* rows of x scaled into out. */
HOT static void scale_row(real factor, int64_t n, const real *x, real *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = factor * x[i];
}

/* Sweep 2 over chunk `c`: gradients of the item rows, which no other thread touches. */
static void sweep_items(struct work *w, int s, int64_t c, int k) {
    const struct catalogue_loss *loss = w->loss;
    real *z = w->kept[s] ? w->kept[s] + c * w->tile * CHUNK : w->logits + k * w->tile * CHUNK;
    int64_t width = min64(CHUNK, loss->candidates - c * CHUNK);
    if (!w->kept[s]) {
        chunk_logits(w, s, c, k, z);
        for (int64_t t = 0; t < w->rows; t++)
            if (loss->gbce > 0)
                sigmoids(width, z + t * CHUNK);
            else
                exp_shifted(width, w->total[s][t].shift, z + t * CHUNK);
    }
    for (int m = w->first[s]; m < w->first[s + 1]; m++) {
        struct tensor *items = loss->term[m].items;
        int64_t d = items->cols;
        real *scaled = w->scaled + k * w->tile * w->widest;
        if (!items->learned)
            continue;
        for (int64_t t = 0; t < w->rows; t++) {
            const struct logsumexp *total = &w->total[s][t];
            double lag = w->shift[s] ? exp((double)w->shift[s][c * w->tile + t] - total->shift) : 1;
            scale_row((real)(w->share[s][t] / total->sum * lag), d, w->q[m] + t * d,
                      scaled + t * d);
        }
        w->product(TRANS, NO_TRANS, width, d, w->rows, 1, z, CHUNK, scaled, d, 1,
                   items->g + (loss->lo + c * CHUNK) * d, d);
    }
}

/* Run a sweep over all softmaxes and chunks, each thread on its own contiguous share of chunks. */
static void sweep(struct work *w, bool items) {
#pragma omp parallel num_threads(w->threads)
    {
        int k = omp_get_thread_num();
        int64_t lo = w->chunks * k / w->threads, hi = w->chunks * (k + 1) / w->threads;
        for (int s = 0; s < w->softmaxes; s++)
            for (int64_t c = lo; c < hi && (!items || w->learned[s]); c++)
                (items ? sweep_items : sweep_states)(w, s, c, k);
    }
}

static void clear_sums(struct work *w) {
    for (int s = 0; s < w->softmaxes; s++)
        for (int64_t i = 0; i < w->threads * w->tile; i++)
            w->sum[s][i] = logsumexp_empty;
    for (int m = 0; w->record && m < w->loss->terms; m++)
        memset(w->state[m], 0,
               (size_t)(w->threads * w->tile * w->loss->term[m].q->cols) * sizeof(real));
}

/* gBCE of position t. Its sigmoids are gradients as they are: the total is 1. */
static double join_sigmoids(struct work *w, int64_t t) {
    double z = w->target[0][t], sum = 0;
    for (int k = 0; k < w->threads; k++)
        sum += w->sum[0][k * w->tile + t].sum;
    w->total[0][t] = (struct logsumexp){.sum = 1};
    w->share[0][t] = w->loss->weight;
    return sum + w->loss->gbce * ((z < 0 ? -z : 0) + log1p(exp(-fabs(z))));
}

/* Join the threads' sums of position t with its target; returns -log P(target). */
static double join_softmaxes(struct work *w, int64_t t) {
    double log_p[CATALOGUE_TERMS], max = -INFINITY, p = 0;
    for (int s = 0; s < w->softmaxes; s++) {
        struct logsumexp total = {.shift = (real)w->target[s][t]};
        total.sum = exp(w->target[s][t] - (double)total.shift);
        for (int k = 0; k < w->threads; k++)
            logsumexp_merge(&total, &w->sum[s][k * w->tile + t]);
        w->total[s][t] = total;
        log_p[s] = log(w->fusion[s]) + w->target[s][t] - logsumexp_log(&total);
        max = log_p[s] > max ? log_p[s] : max;
    }
    for (int s = 0; s < w->softmaxes; s++)
        p += exp(log_p[s] - max);
    for (int s = 0; s < w->softmaxes; s++) {
        double r = exp(log_p[s] - max) / p;
        w->share[s][t] = w->loss->weight * r;
        w->fusion_grad[s] += w->loss->weight * (w->fusion[s] - r);
    }
    return -(max + log(p));
}

static double join_position(struct work *w, int64_t t) {
    return w->loss->gbce > 0 ? join_sigmoids(w, t) : join_softmaxes(w, t);
}

/* What takes the place of P(y) - 1 in the gradients of position t. */
static double target_slope(const struct work *w, int s, int64_t t) {
    double z = w->target[s][t];
    return w->loss->gbce > 0 ? -w->loss->gbce / (1 + exp(z))
                             : exp(z - logsumexp_log(&w->total[s][t])) - 1;
}

/* dq of position t: weight r (sum_i P(i) e_i - (1 - P(y)) e_y). */
HOT static void state_gradient(const struct work *w, int s, int m, int64_t t, real *dq) {
    const struct catalogue_loss *loss = w->loss;
    const struct logsumexp *total = &w->total[s][t];
    int64_t d = loss->term[m].q->cols;
    real slope = (real)(w->share[s][t] * target_slope(w, s, t));
    vec_axpy(slope * positive_factor(w, m, t), positive_row(w, m, t), dq, d);
    for (int k = 0; k < w->threads; k++) {
        const struct logsumexp *sum = &w->sum[s][k * w->tile + t];
        if (sum->sum > 0)
            vec_axpy((real)(w->share[s][t] / total->sum *
                            exp((double)sum->shift - (double)total->shift)),
                     w->state[m] + (k * w->tile + t) * d, dq, d);
    }
}

static void state_gradients(const struct work *w) {
    const struct catalogue_loss *loss = w->loss;
    for (int s = 0; s < w->softmaxes; s++)
        for (int m = w->first[s]; m < w->first[s + 1]; m++) {
            struct tensor *q = loss->term[m].q;
            if (!q->learned)
                continue;
#pragma omp parallel for schedule(static) num_threads(w->threads)
            for (int64_t t = w->home; t < w->home + w->own; t++)
                state_gradient(w, s, m, t, q->g + loss->row[position(w, t)] * q->cols);
        }
}

/* de_y = weight r (P(y) - 1) q; targets repeat, so threads take columns. */
HOT static void positive_gradient(const struct work *w, int s, int m, int64_t lo, int64_t hi) {
    const struct catalogue_loss *loss = w->loss;
    int64_t d = loss->term[m].q->cols;
    for (int64_t t = w->home; t < w->home + w->own; t++)
        vec_axpy((real)(w->share[s][t] * target_slope(w, s, t)), w->q[m] + t * d + lo,
                 loss->term[m].positives->g + loss->positive[position(w, t)] * d + lo, hi - lo);
}

static void positive_gradients(const struct work *w) {
    enum { BLOCK = 64 };
    for (int s = 0; s < w->softmaxes; s++)
        for (int m = w->first[s]; m < w->first[s + 1]; m++) {
            int64_t d = w->loss->term[m].q->cols;
            if (!w->loss->term[m].positives->learned)
                continue;
#pragma omp parallel for schedule(static) num_threads(w->threads)
            for (int64_t lo = 0; lo < d; lo += BLOCK)
                positive_gradient(w, s, m, lo, min64(lo + BLOCK, d));
        }
}

/* ---- candidates on several ranks ---- */

/* The tiles' rows of all ranks are counted through: of rank r, its position p stands in tile
 * p / quota, after the rows of the ranks before it. */
static int64_t row_of(const struct work *w, int rank, int64_t p) {
    int64_t before = p / w->quota * w->quota, row = p - before;
    for (int r = 0; r < w->loss->collectives->size; r++) {
        row += min64(w->all[r], before);
        if (r < rank)
            row += min64(w->all[r] > before ? w->all[r] - before : 0, w->quota);
    }
    return row;
}

/* Every position's own target, where it is among the candidates of this rank. */
static void gather_hits(struct work *w, struct arena *arena) {
    const struct catalogue_loss *loss = w->loss;
    int64_t total = 0, before = 0, n = 0, at = 0;
    for (int r = 0; r < loss->collectives->size; r++) {
        before += r < loss->collectives->rank ? w->all[r] : 0;
        total += w->all[r];
    }
    int32_t *target = arena_alloc(arena, total, sizeof *target);
    struct catalogue_hit *hits = arena_alloc(arena, total, sizeof *hits);
    memcpy(target + before, loss->target, (size_t)loss->positions * sizeof *target);
    loss->collectives->gather(loss->collectives->context, target, w->all, sizeof *target);
    for (int r = 0; r < loss->collectives->size; r++)
        for (int64_t p = 0; p < w->all[r]; p++, at++) {
            int64_t column = item_block_index(loss->local, target[at]) - loss->lo;
            if (column >= 0 && column < loss->candidates)
                hits[n++] = (struct catalogue_hit){column, row_of(w, r, p)};
        }
    qsort(hits, (size_t)n, sizeof *hits, by_column);
    w->hits = hits;
    w->hit_count = n;
}

/* What the ranks agree on before the first tile; false when none of them has a position. */
static bool open_peers(struct work *w, struct arena *arena) {
    const struct collectives *collectives = w->loss->collectives;
    int64_t *one = arena_alloc(arena, collectives->size, sizeof *one), total = 0;
    w->all = arena_alloc(arena, collectives->size, sizeof *w->all);
    w->of_rank = arena_alloc(arena, collectives->size, sizeof *w->of_rank);
    for (int r = 0; r < collectives->size; r++)
        one[r] = 1;
    w->all[collectives->rank] = w->loss->positions;
    collectives->gather(collectives->context, w->all, one, sizeof *w->all);
    for (int r = 0; r < collectives->size; r++)
        total += w->all[r];
    return total > 0;
}

/* Rows of tile i, and the states of the other ranks' positions. */
static void lay_out_peers(struct work *w, int64_t i) {
    const struct collectives *collectives = w->loss->collectives;
    w->rows = 0;
    for (int r = 0; r < collectives->size; r++) {
        int64_t left = w->all[r] - i * w->quota;
        if (r == collectives->rank)
            w->home = w->rows;
        w->of_rank[r] = min64(left > 0 ? left : 0, w->quota);
        w->rows += w->of_rank[r];
    }
    w->p0 = i * w->quota;
    w->own = w->of_rank[collectives->rank];
}

static void gather_states(const struct work *w) {
    const struct collectives *collectives = w->loss->collectives;
    for (int m = 0; m < w->loss->terms; m++)
        collectives->gather(collectives->context, w->q[m], w->of_rank,
                            w->loss->term[m].q->cols * (int64_t)sizeof(real));
}

/* Put the threads' sums and state gradients of row t under the common shift `peak`, into the first
 * thread's. Returns the sum. */
static double join_threads(struct work *w, int s, int64_t t, real peak) {
    double sum = 0;
    for (int k = 0; k < w->threads; k++) {
        struct logsumexp *r = &w->sum[s][k * w->tile + t];
        double factor = r->sum > 0 ? exp((double)r->shift - (double)peak) : 0;
        sum += r->sum * factor;
        for (int m = w->first[s]; w->record && m < w->first[s + 1]; m++) {
            int64_t d = w->loss->term[m].q->cols;
            real *state = w->state[m] + t * d;
            if (k == 0)
                rescale((real)factor, d, state);
            else
                add_scaled((real)factor, d, w->state[m] + (k * w->tile + t) * d, state);
        }
        *r = logsumexp_empty;
    }
    return sum;
}

/* The first thread's sums and state gradients of this rank's rows become those of all ranks. */
static void join_peers(struct work *w) {
    const struct collectives *collectives = w->loss->collectives;
    for (int s = 0; s < w->softmaxes; s++)
        for (int64_t t = 0; t < w->rows; t++) {
            real *peak = &w->peak[s * w->rows + t];
            *peak = logsumexp_empty.shift;
            for (int k = 0; k < w->threads; k++)
                *peak = REAL_F(fmax)(*peak, w->sum[s][k * w->tile + t].shift);
        }
    collectives->max(collectives->context, w->peak, w->softmaxes * w->rows);
    for (int s = 0; s < w->softmaxes; s++)
        for (int64_t t = 0; t < w->rows; t++)
            w->peer_sum[s * w->rows + t] = join_threads(w, s, t, w->peak[s * w->rows + t]);
    collectives->sum(collectives->context, w->peer_sum, w->softmaxes * w->rows);
    for (int m = 0; w->record && m < w->loss->terms; m++)
        collectives->sum_own(collectives->context, w->state[m], w->of_rank,
                             w->loss->term[m].q->cols);
    for (int s = 0; s < w->softmaxes; s++)
        for (int64_t t = w->home; t < w->home + w->own; t++)
            w->sum[s][t] =
                (struct logsumexp){w->peak[s * w->rows + t], w->peer_sum[s * w->rows + t]};
}

/* Normalisers and factors of all ranks' rows, for sweep 2. */
static void gather_totals(const struct work *w) {
    const struct collectives *collectives = w->loss->collectives;
    for (int s = 0; s < w->softmaxes; s++) {
        if (!w->learned[s])
            continue;
        collectives->gather(collectives->context, w->total[s], w->of_rank, sizeof *w->total[s]);
        collectives->gather(collectives->context, w->share[s], w->of_rank, sizeof *w->share[s]);
    }
}

/* ---- tiles ---- */

static double tile_loss(struct work *w) {
    double loss = 0;
#pragma omp parallel for schedule(static) num_threads(w->threads)
    for (int64_t t = w->home; t < w->home + w->own; t++)
        gather_tile(w, t);
    if (w->loss->collectives)
        gather_states(w);
    clear_sums(w);
    sweep(w, false);
    if (w->loss->collectives)
        join_peers(w);
    for (int64_t t = w->home; t < w->home + w->own; t++)
        loss += join_position(w, t);
    if (w->record) {
        state_gradients(w);
        positive_gradients(w);
        if (w->loss->collectives)
            gather_totals(w);
        sweep(w, true);
    }
    return loss;
}

static void plan_hits(struct work *w, struct arena *arena) {
    w->hits = w->loss->hits;
    w->hit_count = w->loss->hit_count;
    if (w->loss->collectives)
        gather_hits(w, arena);
}

static void lay_out_tile(struct work *w, int64_t i) {
    if (w->loss->collectives) {
        lay_out_peers(w, i);
        return;
    }
    w->p0 = w->t0;
    w->rows = w->own = min64(w->tile, w->loss->positions - w->t0);
}

/* Gradient buffers exist before the scratch, which is given back at the end. */
static void prepare_gradients(struct tape *tape, const struct catalogue_loss *loss) {
    for (int m = 0; m < loss->terms; m++) {
        tape_grad_zeroed(tape, loss->term[m].q);
        tape_grad_zeroed(tape, loss->term[m].items);
        tape_grad_zeroed(tape, loss->term[m].positives);
    }
    if (loss->fusion_logits)
        tape_grad_zeroed(tape, loss->fusion_logits);
}

static double all_tiles(struct work *w) {
    struct tensor *logits = w->loss->fusion_logits;
    double sum = 0;
    plan_fusion(w);
    for (int64_t i = 0; i < w->tiles; i++, w->t0 += w->rows) {
        lay_out_tile(w, i);
        sum += tile_loss(w);
    }
    for (int m = 0; w->record && logits && m < w->softmaxes; m++)
        logits->g[m] += (real)w->fusion_grad[m];
    return sum;
}

/* Told to the tape. Operations: logits, and of a loss that records the gradients of states and of
 * learned rows. Item rows are read, and for learned ones the gradients read and written, once per
 * softmax; states are read, their gradients written, the targets' rows read. */
static double useful_work(const struct work *w, struct tape *tape) {
    const struct catalogue_loss *loss = w->loss;
    const double bytes = sizeof(real);
    double positions = (double)loss->positions, items = (double)loss->candidates, flops = 0;
    if (loss->collectives) {
        positions = 0;
        for (int r = 0; r < loss->collectives->size; r++)
            positions += (double)w->all[r];
    }
    for (int m = 0; m < loss->terms; m++) {
        double d = (double)loss->term[m].q->cols;
        bool learned = w->record && loss->term[m].items->learned;
        flops += (!w->record ? 2 : learned ? 6 : 4) * positions * items * d;
        tape->shared += loss->collectives ? (w->record ? 2 : 1) * bytes * positions * d : 0;
        tape_add_bytes(tape, bytes * d * ((learned ? 3 : 1) * items + 3 * positions));
    }
    return flops;
}

static void check_term(const struct catalogue_loss *loss, const struct catalogue_term *term) {
    assert(term->items->cols == term->q->cols && term->positives->cols == term->q->cols);
    assert(loss->lo >= 0 && loss->candidates >= 0);
    assert(loss->lo + loss->candidates <= term->items->rows);
    debug_assert(all_within(loss->row, loss->positions, 0, term->q->rows));
    debug_assert(all_within(loss->positive, loss->positions, 0, term->positives->rows));
}

static void check_loss(const struct catalogue_loss *loss) {
    assert(loss->terms > 0 && loss->terms <= CATALOGUE_TERMS);
    assert(!loss->fusion_logits || has_shape(loss->fusion_logits, 1, loss->terms));
    assert(loss->gbce == 0 ||
           (!loss->collectives && (loss->terms == 1 || loss->fusion == FUSION_LOGIT)));
    for (int m = 0; m < loss->terms; m++)
        check_term(loss, &loss->term[m]);
}

double catalogue_loss(struct tape *tape, const struct catalogue_loss *loss) {
    check_loss(loss);
    struct work w = {.loss = loss,
                     .record = tape->record,
                     .product = tape->bf16 ? gemm_bf16_serial : gemm_serial,
                     .threads = omp_get_max_threads()};
    double sum = 0;
    if (w.record)
        prepare_gradients(tape, loss);
    struct arena_mark mark = arena_mark(&tape->arena);
    if (loss->collectives ? !open_peers(&w, &tape->arena) : loss->positions == 0) {
        arena_release(&tape->arena, mark);
        return 0;
    }
    plan_softmaxes(&w);
    plan_tiles(&w);
    plan_hits(&w, &tape->arena);
    allocate(&w, &tape->arena);
    size_t tiles = tape->arena.used - mark.used;
    tape->tiles = tiles > tape->tiles ? tiles : tape->tiles;
    if (tape_counts(tape, useful_work(&w, tape)))
        sum = all_tiles(&w);
    arena_release(&tape->arena, mark);
    return sum;
}

void catalogue_hits_of_targets(const int32_t *target, int64_t n, int64_t lo,
                               struct catalogue_hit *hits) {
    for (int64_t t = 0; t < n; t++)
        hits[t] = (struct catalogue_hit){target[t] - lo, t};
    qsort(hits, (size_t)n, sizeof *hits, by_column);
}

struct catalogue_hit *catalogue_hits_of_negatives(struct arena *arena, const int32_t *negatives,
                                                  int64_t k, const int32_t *target, int64_t n,
                                                  int64_t *count) {
    /* Both sides sorted by item; `column` holds the item while they are joined. */
    struct catalogue_hit *by_item = arena_alloc(arena, n + k, sizeof *by_item);
    struct catalogue_hit *negative = by_item + n, *hits = NULL;
    catalogue_hits_of_targets(target, n, 0, by_item);
    catalogue_hits_of_targets(negatives, k, 0, negative);
    for (int fill = 0; fill < 2; fill++) {
        int64_t t0 = 0;
        *count = 0;
        for (int64_t j = 0; j < k; j++) {
            while (t0 < n && by_item[t0].column < negative[j].column)
                t0++;
            for (int64_t t = t0; t < n && by_item[t].column == negative[j].column; t++) {
                if (fill)
                    hits[*count] = (struct catalogue_hit){negative[j].row, by_item[t].row};
                ++*count;
            }
        }
        if (!fill)
            hits = arena_alloc(arena, *count, sizeof *hits);
    }
    qsort(hits, (size_t)*count, sizeof *hits, by_column);
    return hits;
}
