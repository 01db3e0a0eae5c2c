/* Items stand side by side in vectors of LANES, so that an item's score takes the same steps in the same
 * order wherever it stands. A chunk's item parts are turned round once, for all samples. */
#include "core/catalogue/tower.h"
#include <omp.h>
#include <string.h>

enum { LANES = 16, TOGETHER = 4 /* outputs of a layer, each a chain of sums */ };

typedef real lanes __attribute__((vector_size(LANES * sizeof(real)), aligned(64)));

/* ---- a block of LANES items ---- */

static inline void outputs(const struct tower_layer *l, int64_t o, int n, const lanes *x,
                           lanes *y) {
    lanes sum[TOGETHER];
    for (int i = 0; i < n; i++)
        sum[i] = (lanes){0} + l->b[o + i];
    for (int64_t j = 0; j < l->in; j++)
        for (int i = 0; i < n; i++)
            sum[i] += l->w[(o + i) * l->in + j] * x[j];
    for (int i = 0; i < n; i++)
        y[o + i] = sum[i];
}

static inline void relu(lanes *x, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < LANES; k++)
            x[i][k] = x[i][k] > 0 ? x[i][k] : 0;
}

/* y, of l->out vectors, of x, of l->in of them, which become their relu. */
static inline void run_layer(const struct tower_layer *l, lanes *x, lanes *y) {
    int64_t o = 0;
    relu(x, l->in);
    for (; o + TOGETHER <= l->out; o += TOGETHER)
        outputs(l, o, TOGETHER, x, y);
    for (; o < l->out; o++)
        outputs(l, o, 1, x, y);
}

/* The scores of a block with the parts a [width]; h are two rooms for the widest layer. */
HOT static void score_block(const struct tower *t, const real *u, const lanes *a, lanes *h[2],
                            real out[LANES]) {
    for (int64_t j = 0; j < t->width; j++)
        h[0][j] = u[j] + a[j];
    for (int k = 0; k < t->layers; k++)
        run_layer(&t->layer[k], h[k % 2], h[(k + 1) % 2]);
    memcpy(out, &h[t->layers % 2][0], sizeof(lanes));
}

/* ---- a chunk ---- */

static int64_t widest(const struct tower *t) {
    int64_t most = t->width;
    for (int k = 0; k < t->layers; k++)
        most = t->layer[k].out > most ? t->layer[k].out : most;
    return most;
}

/* a [CHUNK / LANES, width]; lanes without an item are zero. */
static void turn_round(const struct tower *t, const struct chunk *chunk, int64_t blocks, lanes *a) {
    memset(a, 0, (size_t)(blocks * t->width) * sizeof *a);
    for (int64_t i = 0; i < chunk->width; i++)
        for (int64_t j = 0; j < t->width; j++)
            a[i / LANES * t->width + j][i % LANES] = t->items[(chunk->lo + i) * t->width + j];
}

static void score(const void *context, const void *state, int64_t samples,
                  const struct chunk *chunk, int thread, real *out) {
    const struct tower *t = context;
    const real *u = state;
    int64_t blocks = (chunk->width + LANES - 1) / LANES;
    lanes *h[2] = {(lanes *)(t->scratch + thread * t->room)}, *a;
    h[1] = h[0] + widest(t);
    a = h[1] + widest(t);
    turn_round(t, chunk, blocks, a);
    for (int64_t s = 0; s < samples; s++)
        for (int64_t b = 0; b < blocks; b++)
            score_block(t, u + s * t->width, a + b * t->width, h, out + s * CHUNK + b * LANES);
}

struct query_scorer tower_scorer(struct tower *t, struct arena *arena) {
    double flops = 0;
    for (int k = 0; k < t->layers; k++)
        flops += 2 * (double)t->layer[k].out * (double)t->layer[k].in;
    t->room = LANES * (2 * widest(t) + CHUNK / LANES * t->width);
    t->scratch = arena_numbers(arena, omp_get_max_threads() * t->room, sizeof *t->scratch);
    return (struct query_scorer){
        .score = score, .context = t, .bytes = t->width * (int64_t)sizeof(real), .flops = flops};
}
