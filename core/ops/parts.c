#include "core/ops/parts.h"
#include "core/check.h"
#include "core/vec.h"
#include <string.h>

int64_t part_first(const struct collectives *peers, int64_t n, int rank) {
    return n * rank / peers->size;
}

/* Rows of every rank. */
static int64_t *part_counts(struct arena *arena, const struct collectives *peers, int64_t n) {
    int64_t *counts = arena_alloc(arena, peers->size, sizeof *counts);
    for (int r = 0; r < peers->size; r++)
        counts[r] = part_first(peers, n, r + 1) - part_first(peers, n, r);
    return counts;
}

struct tensor *op_take_part(struct tape *tape, struct tensor *x) {
    assert(!x->learned || x->g);
    int64_t lo = part_first(tape->peers, x->rows, tape->peers->rank);
    int64_t hi = part_first(tape->peers, x->rows, tape->peers->rank + 1);
    struct tensor *part = tape_constant(tape, x->x + lo * x->cols, hi - lo, x->cols);
    part->g = x->learned ? x->g + lo * x->cols : NULL;
    part->learned = x->learned;
    part->param = x->param;
    return part;
}

HOT static void add(const real *x, int64_t n, real *y) {
    vec_axpy(1, x, y, n);
}

struct join_node {
    struct tape_node node;
    const struct collectives *peers;
    const int64_t *counts;
    struct tensor *part, *y;
};

/* The part's gradient is its rows of the sum, whose buffer nobody reads afterwards; where the part
 * has a gradient already, they are added to it. */
static void join_backward(struct tape *tape, void *node) {
    struct join_node *n = node;
    int64_t cols = n->y->cols, lo = part_first(n->peers, n->y->rows, n->peers->rank);
    real *dy = tape_grad_zeroed(tape, n->y);
    if (!tape->dry)
        n->peers->sum_own(n->peers->context, dy, n->counts, cols);
    if (!n->part->g)
        n->part->g = dy + lo * cols;
    else if (!tape->dry)
        add(dy + lo * cols, n->part->rows * cols, n->part->g);
}

struct tensor *op_join_parts(struct tape *tape, struct tensor *part, int64_t n) {
    const struct collectives *peers = tape->peers;
    struct tensor *y = tape_tensor(tape, n, part->cols, part->learned);
    const int64_t *counts = part_counts(&tape->arena, peers, n);
    int64_t cols = part->cols, lo = part_first(peers, n, peers->rank);
    assert(part->rows == counts[peers->rank]);
    tape->shared += (y->learned ? 2 : 1) * (double)(n * cols) * sizeof *y->x;
    if (!tape->dry) {
        memcpy(y->x + lo * cols, part->x, (size_t)(part->rows * cols) * sizeof *y->x);
        peers->gather(peers->context, y->x, counts, cols * (int64_t)sizeof *y->x);
    }
    struct join_node *node = tape_push(tape, sizeof *node, y, join_backward, &part, 1);
    if (node) {
        node->peers = peers, node->counts = counts;
        node->part = part, node->y = y;
        node->node.everywhere = true;
    }
    return y;
}
