/* The two sweeps of the loss over the candidates of a tile of positions. Plan and memory first; the
 * first sweep takes the logits chunk by chunk, the sums of their exponentials and the state gradients
 * before normalisation; the second, for learned rows, the item gradients. Threads share the chunks. */
#include "core/catalogue/sweep.h"
#include "core/gemm_bf16.h"
#include "core/vec.h"
#include <omp.h>
#include <string.h>

void sweep_plan(struct sweep *w, const struct tape *tape, const struct catalogue_loss *loss) {
    *w = (struct sweep){.loss = loss,
                        .record = tape->record,
                        .product = tape->bf16 ? gemm_bf16_serial : gemm_serial,
                        .threads = omp_get_max_threads()};
    w->softmaxes = loss->fusion == FUSION_LOGIT ? 1 : loss->heads;
    w->fused = loss->heads / w->softmaxes;
    for (int m = 0; m < loss->heads; m++) {
        const struct catalogue_head *head = &loss->head[m];
        w->softmax[sweep_softmax_of(w, m)].learned |= head->items->learned;
        w->head[m] =
            (struct tile_head){.dim = head->q->cols, .items = head->items->x, .eps = head->eps};
        w->widest = head->q->cols > w->widest ? head->q->cols : w->widest;
    }
}

static void allocate_head(struct sweep *w, struct arena *arena, int m) {
    int64_t d = w->head[m].dim;
    w->head[m].states = w->q[m] = arena_numbers(arena, w->rows * d, sizeof(real));
    w->state[m] = arena_numbers(arena, w->threads * w->rows * d, sizeof(real));
    w->head[m].room = w->head[m].eps > 0 ? CHUNK * d : 0;
    w->head[m].divided = arena_numbers(arena, w->threads * w->head[m].room, sizeof(real));
}

static void allocate_softmax(struct sweep *w, struct arena *arena, bool keep,
                             struct sweep_softmax *softmax) {
    int64_t chunks = chunk_count(w->loss->candidates);
    softmax->factor = arena_numbers(arena, w->rows, sizeof *softmax->factor);
    softmax->total = arena_numbers(arena, w->rows, sizeof *softmax->total);
    softmax->sum = arena_numbers(arena, w->threads * w->rows, sizeof *softmax->sum);
    if (!keep || !w->record || !softmax->learned)
        return;
    softmax->kept = arena_numbers(arena, chunks * w->rows * CHUNK, sizeof *softmax->kept);
    softmax->shift = arena_numbers(arena, chunks * w->rows, sizeof *softmax->shift);
}

void sweep_allocate(struct sweep *w, struct arena *arena, int64_t rows, bool keep) {
    w->rows = rows;
    for (int m = 0; m < w->loss->heads; m++)
        allocate_head(w, arena, m);
    for (int s = 0; s < w->softmaxes; s++)
        allocate_softmax(w, arena, keep, &w->softmax[s]);
    w->logits = arena_numbers(arena, w->threads * rows * CHUNK, sizeof *w->logits);
    w->scaled = arena_numbers(arena, w->threads * rows * w->widest, sizeof *w->scaled);
}

/* ---- first sweep: sums and state gradients ---- */

HOT static void rescale(real factor, int64_t n, real *x) {
    vec_scale(factor, x, n);
}

HOT static void add_scaled(real factor, int64_t n, const real *x, real *y) {
    vec_axpy(factor, x, y, n);
}

static void visit(struct sweep *w, chunk_fn *chunk) {
    chunks_visit(w->loss->lo, w->loss->lo + w->loss->candidates, w->threads, chunk, w);
}

/* Where softmax s has the logits of a chunk, and then their exponentials. */
static real *chunk_values(const struct sweep *w, int s, const struct chunk *chunk, int k) {
    real *kept = w->softmax[s].kept;
    return kept ? kept + chunk->number * w->rows * CHUNK : w->logits + k * w->rows * CHUNK;
}

/* Logits of the tile with a chunk, -inf at hits. */
static void chunk_logits(const struct sweep *w, int s, const struct chunk *chunk, int k, real *z) {
    const struct tile *tile = &w->tile;
    int64_t column = chunk->lo - w->loss->lo;
    tile_logits(&w->head[s], w->fused, w->product, tile->rows, chunk, k, z);
    for (int64_t t = 0; w->loss->bias && t < tile->rows; t++)
        add_scaled(1, chunk->width, w->loss->bias + column, z + t * CHUNK);
    catalogue_hits_mask(&w->hits, tile->before, tile->rows, column, chunk->width, CHUNK, z);
}

/* Sums of gBCE have no shift. */
static real add_sigmoids(struct logsumexp *sum, int64_t n, real *z) {
    sum->shift = 0;
    sum->sum += sigmoids_sum(n, z);
    return 1;
}

/* Exponentials, sums and state gradients of thread k. */
static void states_of_chunk(struct sweep *w, int s, const struct chunk *chunk, int k) {
    struct sweep_softmax *softmax = &w->softmax[s];
    int64_t tile = w->rows;
    real *z = chunk_values(w, s, chunk, k);
    struct logsumexp *sum = softmax->sum + k * tile;
    chunk_logits(w, s, chunk, k, z);
    for (int64_t t = 0; t < w->tile.rows; t++) {
        real *row = z + t * CHUNK;
        real factor = w->loss->gbce > 0 ? add_sigmoids(&sum[t], chunk->width, row)
                                        : logsumexp_add(&sum[t], chunk->width, row);
        for (int m = s; w->record && factor != 1 && m < s + w->fused; m++)
            rescale(factor, w->head[m].dim, w->state[m] + (k * tile + t) * w->head[m].dim);
        if (softmax->shift)
            softmax->shift[chunk->number * tile + t] = sum[t].shift;
    }
    for (int m = s; w->record && m < s + w->fused; m++) {
        int64_t d = w->head[m].dim;
        w->product(NO_TRANS, NO_TRANS, w->tile.rows, d, chunk->width, 1, z, CHUNK,
                   tile_rows(&w->head[m], chunk, k), d, 1, w->state[m] + k * tile * d, d);
    }
}

static void visit_states(void *sweep, const struct chunk *chunk, int thread) {
    struct sweep *w = sweep;
    for (int s = 0; s < w->softmaxes; s++)
        states_of_chunk(w, s, chunk, thread);
}

static void clear_sums(struct sweep *w) {
    int64_t rows = w->threads * w->rows;
    for (int s = 0; s < w->softmaxes; s++)
        for (int64_t i = 0; i < rows; i++)
            w->softmax[s].sum[i] = logsumexp_empty;
    for (int m = 0; w->record && m < w->loss->heads; m++)
        memset(w->state[m], 0, (size_t)(rows * w->head[m].dim) * sizeof *w->state[m]);
}

void sweep_states(struct sweep *w) {
    clear_sums(w);
    visit(w, visit_states);
}

/* ---- second sweep: item gradients ---- */

/* out = factor x. */
HOT static void scale_row(real factor, int64_t n, const real *x, real *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = factor * x[i];
}

/* The values that the first sweep had, but under the final shift. */
static void compute_again(const struct sweep *w, int s, const struct chunk *chunk, int k, real *z) {
    chunk_logits(w, s, chunk, k, z);
    for (int64_t t = 0; t < w->tile.rows; t++)
        if (w->loss->gbce > 0)
            sigmoids(chunk->width, z + t * CHUNK);
        else
            exp_shifted(chunk->width, w->softmax[s].total[t].shift, z + t * CHUNK);
}

/* Gradients of a chunk's item rows, which no other thread touches. */
static void items_of_chunk(struct sweep *w, int s, const struct chunk *chunk, int k) {
    const struct sweep_softmax *softmax = &w->softmax[s];
    real *z = chunk_values(w, s, chunk, k), *scaled = w->scaled + k * w->rows * w->widest;
    if (!softmax->kept)
        compute_again(w, s, chunk, k, z);
    for (int m = s; m < s + w->fused; m++) {
        struct tensor *items = w->loss->head[m].items;
        int64_t d = items->cols;
        if (!items->learned)
            continue;
        for (int64_t t = 0; t < w->tile.rows; t++) {
            const struct logsumexp *total = &softmax->total[t];
            double lag = 1;
            if (softmax->kept)
                lag = exp((double)softmax->shift[chunk->number * w->rows + t] - total->shift);
            scale_row((real)(softmax->factor[t] / total->sum * lag), d, w->q[m] + t * d,
                      scaled + t * d);
        }
        w->product(TRANS, NO_TRANS, chunk->width, d, w->tile.rows, 1, z, CHUNK, scaled, d, 1,
                   items->g + chunk->lo * d, d);
    }
}

static void visit_items(void *sweep, const struct chunk *chunk, int thread) {
    struct sweep *w = sweep;
    for (int s = 0; s < w->softmaxes; s++)
        if (w->softmax[s].learned)
            items_of_chunk(w, s, chunk, thread);
}

void sweep_items(struct sweep *w) {
    visit(w, visit_items);
}
