/* Positions are taken in tiles and items in chunks (core/catalogue/tiles.h).
 *
 *     plan the softmaxes, the tiles, the hits and the scratch
 *     for each tile of positions:
 *         gather its states and the logits of its targets
 *         first sweep, each thread over its own chunks of items (core/catalogue/sweep.h):
 *             logits z of the chunk
 *             running maximum and sum of exp(z)    (online softmax: Milakov, Gimelshein, 2018)
 *             state gradients, not yet normalised: sum over items of exp(z_i) e_i
 *         join the threads' sums into the losses and the factors of the gradients
 *         gradients of states and targets
 *         second sweep, where item rows are learned:
 *             de_i += sum over positions t of exp(z_ti) / S_t q_t
 *
 * The exponentials of a tile are kept between the sweeps where the memory for them allows tiles
 * that are still efficient, which makes three products of T x N x d; otherwise they are computed
 * again, which makes four.
 *
 * Where ranks share the candidates out, a tile holds positions of all ranks. Each rank sweeps its
 * own candidates; sums and state gradients go to the rank whose position it is, the normalisers
 * come back, and item gradients stay where the rows are. */
#include "core/catalogue/loss.h"
#include "core/catalogue/sweep.h"
#include "core/check.h"
#include "core/vec.h"
#include <string.h>

/* Of a softmax, what the sweeps do not ask for. */
struct softmax {
    double weight;          /* w in the fusion */
    double weight_gradient; /* by the logarithm of w */
    double *target;         /* [tile] logit of the target */
};

/* Everything of one call; scratch lives in the tape's arena until the call returns. */
struct work {
    const struct catalogue_loss *loss;
    struct tiles tiles;
    struct sweep sweep;
    struct softmax softmax[CATALOGUE_HEADS];
    real *peak;  /* [softmaxes, tile], with collectives */
    double *sum; /* [softmaxes, tile] */
};

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* ---- plan ---- */

/* Fusion weights: softmax of the learned logits or the fixed ones. */
static void plan_weights(struct work *w) {
    const struct catalogue_loss *loss = w->loss;
    double sum = 0;
    int softmaxes = w->sweep.softmaxes;
    for (int s = 0; s < softmaxes; s++) {
        w->softmax[s].weight = loss->fusion_logits ? exp((double)loss->fusion_logits->x[s])
                               : softmaxes == 1    ? 1
                                                   : loss->weights[s];
        sum += w->softmax[s].weight;
    }
    for (int s = 0; s < softmaxes; s++)
        w->softmax[s].weight /= sum;
}

/* Exponentials of a learned softmax are kept. */
static void plan_tiles(struct work *w) {
    const struct catalogue_loss *loss = w->loss;
    int64_t most = loss->collectives ? loss->max_local : loss->candidates, learned = 0;
    for (int s = 0; s < w->sweep.softmaxes; s++)
        learned += w->sweep.softmax[s].learned;
    tiles_plan(&w->tiles, learned * chunk_count(most) * CHUNK * (int64_t)sizeof(real),
               loss->buffer_bytes ? loss->buffer_bytes : CATALOGUE_BUFFER);
}

/* Every position's own target, where it is among the candidates of this rank. */
static struct catalogue_hits gather_hits(const struct work *w, struct arena *arena) {
    const struct catalogue_loss *loss = w->loss;
    const struct tiles *tiles = &w->tiles;
    const int32_t *target = collectives_gather(loss->collectives, arena, loss->target,
                                               tiles->positions, sizeof *target);
    struct catalogue_hit *list = arena_alloc(arena, tiles->total, sizeof *list);
    int64_t n = 0;
    for (int r = 0; r < tiles->ranks; r++)
        for (int64_t p = 0; p < tiles->positions[r]; p++) {
            int64_t column = item_block_index(loss->local, *target++) - loss->lo;
            if (column >= 0 && column < loss->candidates)
                list[n++] = (struct catalogue_hit){column, tiles_row(tiles, r, p)};
        }
    catalogue_hits_sort(list, n);
    return (struct catalogue_hits){list, n};
}

static void allocate(struct work *w, struct arena *arena) {
    int64_t rows = w->tiles.rows, softmaxes = w->sweep.softmaxes;
    w->sweep.tile.of_rank = arena_alloc(arena, w->tiles.ranks, sizeof *w->sweep.tile.of_rank);
    sweep_allocate(&w->sweep, arena, rows, w->tiles.keeps);
    for (int s = 0; s < softmaxes; s++)
        w->softmax[s].target = arena_numbers(arena, rows, sizeof *w->softmax[s].target);
    w->peak = arena_numbers(arena, softmaxes * rows, sizeof *w->peak);
    w->sum = arena_numbers(arena, softmaxes * rows, sizeof *w->sum);
}

/* ---- states and targets of a tile ---- */

/* Of row t of the tile, one of this rank's. */
static int64_t position(const struct work *w, int64_t t) {
    return w->sweep.tile.first + t - w->sweep.tile.home;
}

/* The target's row of position t, as it is given, and what it is to be multiplied by. */
static const real *positive_row(const struct work *w, int m, int64_t t) {
    const struct tensor *positives = w->loss->head[m].positives;
    return positives->x + w->loss->positive[position(w, t)] * positives->cols;
}

static real positive_factor(const struct work *w, int m, int64_t t) {
    const struct catalogue_head *head = &w->loss->head[m];
    const real *row = positive_row(w, m, t);
    if (head->eps <= 0 || head->positives != head->items)
        return 1;
    return 1 / REAL_F(fmax)(REAL_F(sqrt)(vec_dot(row, row, head->items->cols)), head->eps);
}

HOT static void gather_row(struct work *w, int64_t t) {
    const struct catalogue_loss *loss = w->loss;
    const struct sweep *sweep = &w->sweep;
    for (int s = 0; s < sweep->softmaxes; s++) {
        double z = 0;
        for (int m = s; m < s + sweep->fused; m++) {
            int64_t d = sweep->head[m].dim;
            real *q = sweep->q[m] + t * d;
            memcpy(q, loss->head[m].q->x + loss->row[position(w, t)] * d, (size_t)d * sizeof *q);
            z += (double)(vec_dot(q, positive_row(w, m, t), d) * positive_factor(w, m, t));
        }
        w->softmax[s].target[t] = z;
    }
}

/* Of this rank's positions, and the states of all ranks'. */
static void gather_tile(struct work *w) {
    const struct collectives *collectives = w->loss->collectives;
    const struct tile *tile = &w->sweep.tile;
#pragma omp parallel for schedule(static) num_threads(w->sweep.threads)
    for (int64_t t = tile->home; t < tile->home + tile->own; t++)
        gather_row(w, t);
    for (int m = 0; collectives && m < w->loss->heads; m++)
        collectives->gather(collectives->context, w->sweep.q[m], tile->of_rank,
                            w->sweep.head[m].dim * (int64_t)sizeof(real));
}

/* ---- losses of positions ---- */

/* What row t of the tile counts, one of this rank's. */
static double share_of(const struct work *w, int64_t t) {
    return w->loss->share ? w->loss->share[position(w, t)] : 1;
}

/* Of the class that is no item. */
static const real *other_logit(const struct work *w, int64_t t) {
    return w->loss->other->x + w->loss->row[position(w, t)];
}

/* gBCE of position t. Its sigmoids are gradients as they are: the total is 1. */
static double join_sigmoids(struct work *w, int64_t t) {
    struct sweep_softmax *only = &w->sweep.softmax[0];
    double z = w->softmax[0].target[t], sum = 0;
    for (int k = 0; k < w->sweep.threads; k++)
        sum += only->sum[k * w->sweep.rows + t].sum;
    only->total[t] = (struct logsumexp){.sum = 1};
    only->factor[t] = w->loss->weight * share_of(w, t);
    return sum + w->loss->gbce * ((z < 0 ? -z : 0) + log1p(exp(-fabs(z))));
}

/* The threads' sums of position t with the exponentials of the target and of the class that is no
 * item; returns log P_s(target). */
static double join_target(struct work *w, int s, int64_t t) {
    struct sweep_softmax *softmax = &w->sweep.softmax[s];
    double z = w->softmax[s].target[t];
    struct logsumexp total = {.shift = (real)z};
    total.sum = exp(z - (double)total.shift);
    if (w->loss->other)
        logsumexp_merge(&total, &(struct logsumexp){*other_logit(w, t), 1});
    for (int k = 0; k < w->sweep.threads; k++)
        logsumexp_merge(&total, &softmax->sum[k * w->sweep.rows + t]);
    softmax->total[t] = total;
    return log(w->softmax[s].weight) + z - logsumexp_log(&total);
}

/* From log P(target) of row t of the tile that of its mixture; *weight, of the position, becomes that of
 * P in it. */
static double mix(const struct work *w, int64_t t, double log_p, double *weight) {
    struct tensor *mixture = w->loss->mixture;
    int64_t at = 2 * w->loss->row[position(w, t)];
    double in = (double)mixture->x[at] + log_p, beside = (double)mixture->x[at + 1];
    double max = fmax(in, beside), sum = max + log(exp(in - max) + exp(beside - max));
    double r = exp(in - sum);
    if (w->sweep.record && mixture->learned) {
        mixture->g[at] -= (real)(*weight * r);
        mixture->g[at + 1] -= (real)(*weight * exp(beside - sum));
    }
    *weight *= r;
    return sum;
}

/* -log P(target) of position t, with P = sum over softmaxes s of w_s P_s. */
static double join_softmaxes(struct work *w, int64_t t) {
    double log_p[CATALOGUE_HEADS], max = -INFINITY, p = 0;
    double weight = w->loss->weight * share_of(w, t);
    int softmaxes = w->sweep.softmaxes;
    for (int s = 0; s < softmaxes; s++) {
        log_p[s] = join_target(w, s, t);
        max = log_p[s] > max ? log_p[s] : max;
    }
    for (int s = 0; s < softmaxes; s++)
        p += exp(log_p[s] - max);
    double log_target = max + log(p);
    if (w->loss->mixture)
        log_target = mix(w, t, log_target, &weight);
    for (int s = 0; s < softmaxes; s++) {
        double share = exp(log_p[s] - max) / p;
        w->sweep.softmax[s].factor[t] = weight * share;
        w->softmax[s].weight_gradient += weight * (w->softmax[s].weight - share);
    }
    return -log_target;
}

static double join_positions(struct work *w) {
    const struct tile *tile = &w->sweep.tile;
    double loss = 0;
    for (int64_t t = tile->home; t < tile->home + tile->own; t++)
        loss += share_of(w, t) * (w->loss->gbce > 0 ? join_sigmoids(w, t) : join_softmaxes(w, t));
    return loss;
}

/* ---- gradients of states and targets ---- */

/* The weighted loss of position t by the target's logit in head m. */
static double target_slope(const struct work *w, int m, int64_t t) {
    int s = sweep_softmax_of(&w->sweep, m);
    const struct sweep_softmax *softmax = &w->sweep.softmax[s];
    double z = w->softmax[s].target[t];
    return softmax->factor[t] * (w->loss->gbce > 0
                                     ? -w->loss->gbce / (1 + exp(z))
                                     : exp(z - logsumexp_log(&softmax->total[t])) - 1);
}

/* dq = factor (sum over items of P(i) e_i - (1 - P(y)) e_y) of position t. */
HOT static void state_gradient(const struct work *w, int m, int64_t t, real *dq) {
    const struct sweep *sweep = &w->sweep;
    const struct sweep_softmax *softmax = &sweep->softmax[sweep_softmax_of(sweep, m)];
    const struct logsumexp *total = &softmax->total[t];
    int64_t d = sweep->head[m].dim;
    real slope = (real)target_slope(w, m, t);
    vec_axpy(slope * positive_factor(w, m, t), positive_row(w, m, t), dq, d);
    for (int k = 0; k < sweep->threads; k++) {
        const struct logsumexp *sum = &softmax->sum[k * sweep->rows + t];
        if (sum->sum > 0)
            vec_axpy((real)(softmax->factor[t] / total->sum * logsumexp_factor(sum, total->shift)),
                     sweep->state[m] + (k * sweep->rows + t) * d, dq, d);
    }
}

static void state_gradients(const struct work *w, int m) {
    const struct tile *tile = &w->sweep.tile;
    struct tensor *q = w->loss->head[m].q;
    if (!q->learned)
        return;
#pragma omp parallel for schedule(static) num_threads(w->sweep.threads)
    for (int64_t t = tile->home; t < tile->home + tile->own; t++)
        state_gradient(w, m, t, q->g + w->loss->row[position(w, t)] * q->cols);
}

/* d other = factor P(other). */
static void other_gradients(const struct work *w) {
    const struct tile *tile = &w->sweep.tile;
    const struct sweep_softmax *only = &w->sweep.softmax[0];
    for (int64_t t = tile->home; t < tile->home + tile->own; t++)
        w->loss->other->g[w->loss->row[position(w, t)]] +=
            (real)(only->factor[t] *
                   exp((double)*other_logit(w, t) - logsumexp_log(&only->total[t])));
}

/* de_y = factor (P(y) - 1) q, columns [lo, hi). */
HOT static void positive_gradient(const struct work *w, int m, int64_t lo, int64_t hi) {
    const struct tile *tile = &w->sweep.tile;
    const struct tensor *positives = w->loss->head[m].positives;
    int64_t d = positives->cols;
    for (int64_t t = tile->home; t < tile->home + tile->own; t++)
        vec_axpy((real)target_slope(w, m, t), w->sweep.q[m] + t * d + lo,
                 positives->g + w->loss->positive[position(w, t)] * d + lo, hi - lo);
}

/* Targets repeat, so threads take columns. */
static void positive_gradients(const struct work *w, int m) {
    enum { BLOCK = 64 };
    int64_t d = w->sweep.head[m].dim;
    if (!w->loss->head[m].positives->learned)
        return;
#pragma omp parallel for schedule(static) num_threads(w->sweep.threads)
    for (int64_t lo = 0; lo < d; lo += BLOCK)
        positive_gradient(w, m, lo, min64(lo + BLOCK, d));
}

/* ---- candidates on several ranks ---- */

/* The largest shift of row t over the threads. */
static real peak_of(const struct sweep *sweep, int s, int64_t t) {
    real peak = logsumexp_empty.shift;
    for (int k = 0; k < sweep->threads; k++)
        peak = REAL_F(fmax)(peak, sweep->softmax[s].sum[k * sweep->rows + t].shift);
    return peak;
}

/* Put the threads' sums and state gradients of row t under the common shift `peak`, into the first
 * thread's. Returns the sum. */
HOT static double join_threads(struct sweep *sweep, int s, int64_t t, real peak) {
    double sum = 0;
    for (int k = 0; k < sweep->threads; k++) {
        struct logsumexp *r = &sweep->softmax[s].sum[k * sweep->rows + t];
        double factor = logsumexp_factor(r, peak);
        sum += r->sum * factor;
        for (int m = s; sweep->record && m < s + sweep->fused; m++) {
            int64_t d = sweep->head[m].dim;
            real *state = sweep->state[m] + t * d;
            if (k == 0)
                vec_scale((real)factor, state, d);
            else
                vec_axpy((real)factor, sweep->state[m] + (k * sweep->rows + t) * d, state, d);
        }
        *r = logsumexp_empty;
    }
    return sum;
}

/* The first thread's sums and state gradients of this rank's rows become those of all ranks. */
static void join_ranks(struct work *w) {
    const struct collectives *collectives = w->loss->collectives;
    struct sweep *sweep = &w->sweep;
    const struct tile *tile = &sweep->tile;
    int64_t rows = tile->rows, all = sweep->softmaxes * rows;
    for (int64_t i = 0; i < all; i++)
        w->peak[i] = peak_of(sweep, (int)(i / rows), i % rows);
    collectives->max(collectives->context, w->peak, all);
    for (int64_t i = 0; i < all; i++)
        w->sum[i] = join_threads(sweep, (int)(i / rows), i % rows, w->peak[i]);
    collectives->sum(collectives->context, w->sum, all);
    for (int m = 0; sweep->record && m < w->loss->heads; m++)
        collectives->sum_own(collectives->context, sweep->state[m], tile->of_rank,
                             sweep->head[m].dim);
    for (int s = 0; s < sweep->softmaxes; s++)
        for (int64_t t = tile->home; t < tile->home + tile->own; t++)
            sweep->softmax[s].sum[t] =
                (struct logsumexp){w->peak[s * rows + t], w->sum[s * rows + t]};
}

/* Normalisers and factors of all ranks' rows, for the second sweep. */
static void gather_totals(const struct work *w) {
    const struct collectives *collectives = w->loss->collectives;
    const int64_t *rows = w->sweep.tile.of_rank;
    for (int s = 0; s < w->sweep.softmaxes; s++) {
        const struct sweep_softmax *softmax = &w->sweep.softmax[s];
        if (!softmax->learned)
            continue;
        collectives->gather(collectives->context, softmax->total, rows, sizeof *softmax->total);
        collectives->gather(collectives->context, softmax->factor, rows, sizeof *softmax->factor);
    }
}

/* ---- all tiles ---- */

static double tile_loss(struct work *w) {
    gather_tile(w);
    sweep_states(&w->sweep);
    if (w->loss->collectives)
        join_ranks(w);
    double loss = join_positions(w);
    if (!w->sweep.record)
        return loss;
    for (int m = 0; m < w->loss->heads; m++)
        state_gradients(w, m);
    if (w->loss->other && w->loss->other->learned)
        other_gradients(w);
    for (int m = 0; m < w->loss->heads; m++)
        positive_gradients(w, m);
    if (w->loss->collectives)
        gather_totals(w);
    sweep_items(&w->sweep);
    return loss;
}

static double all_tiles(struct work *w) {
    struct tensor *logits = w->loss->fusion_logits;
    double sum = 0;
    plan_weights(w);
    for (int64_t i = 0; i < w->tiles.count; i++) {
        tiles_layout(&w->tiles, i, &w->sweep.tile);
        sum += tile_loss(w);
    }
    for (int s = 0; w->sweep.record && logits && s < w->sweep.softmaxes; s++)
        logits->g[s] += (real)w->softmax[s].weight_gradient;
    return sum;
}

/* Gradient buffers exist before the scratch, which is given back at the end. */
static void prepare_gradients(struct tape *tape, const struct catalogue_loss *loss) {
    for (int m = 0; m < loss->heads; m++) {
        tape_grad_zeroed(tape, loss->head[m].q);
        tape_grad_zeroed(tape, loss->head[m].items);
        tape_grad_zeroed(tape, loss->head[m].positives);
    }
    if (loss->other)
        tape_grad_zeroed(tape, loss->other);
    if (loss->fusion_logits)
        tape_grad_zeroed(tape, loss->fusion_logits);
    if (loss->mixture)
        tape_grad_zeroed(tape, loss->mixture);
}

/* Told to the tape. Operations: logits, and of a loss that records the gradients of states and of
 * learned rows. Item rows are read, and for learned ones the gradients read and written, once per
 * head; states are read, their gradients written, the targets' rows read. */
static double useful_work(const struct work *w, struct tape *tape) {
    const struct catalogue_loss *loss = w->loss;
    const double bytes = sizeof(real);
    double positions = (double)w->tiles.total, items = (double)loss->candidates, flops = 0;
    for (int m = 0; m < loss->heads; m++) {
        double d = (double)w->sweep.head[m].dim;
        bool learned = w->sweep.record && loss->head[m].items->learned;
        flops += (!w->sweep.record ? 2 : learned ? 6 : 4) * positions * items * d;
        tape->shared += loss->collectives ? (w->sweep.record ? 2 : 1) * bytes * positions * d : 0;
        tape_add_bytes(tape, bytes * d * ((learned ? 3 : 1) * items + 3 * positions));
    }
    return flops;
}

/* The loss, with scratch from the arena. */
static double run(struct work *w, struct tape *tape) {
    struct arena *arena = &tape->arena;
    size_t before = arena->used;
    tiles_open(&w->tiles, arena, w->loss->collectives, w->loss->positions);
    if (w->tiles.total == 0)
        return 0;
    plan_tiles(w);
    w->sweep.hits = w->loss->collectives ? gather_hits(w, arena) : w->loss->hits;
    allocate(w, arena);
    size_t scratch = arena->used - before;
    tape->tiles = scratch > tape->tiles ? scratch : tape->tiles;
    return tape_counts(tape, useful_work(w, tape)) ? all_tiles(w) : 0;
}

static void check_head(const struct catalogue_loss *loss, const struct catalogue_head *head) {
    assert(head->items->cols == head->q->cols && head->positives->cols == head->q->cols);
    assert(loss->lo >= 0 && loss->candidates >= 0);
    assert(loss->lo + loss->candidates <= head->items->rows);
    debug_assert(all_within(loss->row, loss->positions, 0, head->q->rows));
    debug_assert(all_within(loss->positive, loss->positions, 0, head->positives->rows));
}

static void check_loss(const struct catalogue_loss *loss) {
    assert(loss->heads > 0 && loss->heads <= CATALOGUE_HEADS);
    assert(!loss->fusion_logits || has_shape(loss->fusion_logits, 1, loss->heads));
    assert(loss->gbce == 0 ||
           (!loss->collectives && (loss->heads == 1 || loss->fusion == FUSION_LOGIT)));
    assert(!loss->other || (loss->gbce == 0 && (loss->heads == 1 || loss->fusion == FUSION_LOGIT)));
    assert(!loss->other || has_shape(loss->other, loss->head[0].q->rows, 1));
    assert(!loss->mixture ||
           (loss->gbce == 0 && has_shape(loss->mixture, loss->head[0].q->rows, 2)));
    for (int m = 0; m < loss->heads; m++)
        check_head(loss, &loss->head[m]);
}

double catalogue_loss(struct tape *tape, const struct catalogue_loss *loss) {
    check_loss(loss);
    struct work w = {.loss = loss};
    sweep_plan(&w.sweep, tape, loss);
    if (tape->record)
        prepare_gradients(tape, loss);
    struct arena_mark mark = arena_mark(&tape->arena);
    double sum = run(&w, tape);
    arena_release(&tape->arena, mark);
    return sum;
}
