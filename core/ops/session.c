/* The graph first, of each sequence in one pass over its tokens; then what comes in along its edges, and
 * the attention to its states. A sequence's tokens and states are its own: threads take sequences. */
#include "core/ops/session.h"
#include "core/check.h"
#include "core/vec.h"
#include <string.h>

/* ---- the graph ---- */

/* While the graph is made; a node is the first token with its item. */
struct making {
    struct session_graph *graph;
    const int32_t *item;
    int32_t *node; /* [tokens] */
    bool *fresh;   /* [tokens] the edge from the token before is the first of its kind */
    struct session_neighbours *in, *out; /* [tokens] of nodes, so far */
    int32_t *current;                    /* [tokens] state of nodes */
};

static void find_nodes(struct making *m, int64_t lo, int64_t hi) {
    for (int64_t t = lo; t < hi; t++) {
        int64_t j = lo;
        while (m->item[j] != m->item[t])
            j++;
        m->node[t] = (int32_t)j;
        m->fresh[t] = t > lo;
        for (j = lo + 1; j < t && m->fresh[t]; j++)
            m->fresh[t] = m->node[j - 1] != m->node[t - 1] || m->node[j] != m->node[t];
    }
}

/* Give every node room for its neighbours; there is an edge per token at most. */
static void make_room(struct making *m, int64_t lo, int64_t hi) {
    int32_t in = (int32_t)lo, out = (int32_t)lo;
    memset(m->in + lo, 0, (size_t)(hi - lo) * sizeof *m->in);
    memset(m->out + lo, 0, (size_t)(hi - lo) * sizeof *m->out);
    for (int64_t t = lo + 1; t < hi; t++)
        if (m->fresh[t]) {
            m->in[m->node[t]].n++;
            m->out[m->node[t - 1]].n++;
        }
    for (int64_t t = lo; t < hi; t++) {
        m->in[t].first = in;
        m->out[t].first = out;
        in += m->in[t].n;
        out += m->out[t].n;
        m->in[t].n = m->out[t].n = 0;
    }
}

static void add_state(struct making *m, int32_t token, int32_t from, int32_t until, bool again) {
    struct session_graph *g = m->graph;
    int32_t node = m->node[token], i = (int32_t)g->states++;
    bool known = m->current[node] >= 0;
    int32_t times = known ? g->state[m->current[node]].times : 0;
    if (known)
        g->state[m->current[node]].until = from;
    g->state[i] =
        (struct session_state){token, times + again, from, until, m->in[node], m->out[node]};
    m->current[node] = i;
}

static void make_sequence(struct making *m, int64_t lo, int64_t hi) {
    struct session_graph *g = m->graph;
    int64_t first = g->states;
    find_nodes(m, lo, hi);
    make_room(m, lo, hi);
    for (int64_t t = lo; t < hi; t++)
        m->current[t] = -1;
    for (int32_t t = (int32_t)lo; t < hi; t++) {
        if (m->fresh[t]) {
            struct session_neighbours *in = &m->in[m->node[t]], *out = &m->out[m->node[t - 1]];
            g->in[in->first + in->n++] = t - 1;
            g->out[out->first + out->n++] = t;
        }
        if (m->fresh[t] && m->node[t] != m->node[t - 1])
            add_state(m, t - 1, t, (int32_t)hi, false);
        add_state(m, t, t, (int32_t)hi, true);
        g->last[t] = m->current[m->node[t]];
    }
    for (int64_t i = first; i < g->states; i++)
        g->pairs += g->state[i].until - g->state[i].from;
}

void session_graph_make(struct arena *arena, const int32_t *item, const int64_t *offsets,
                        int64_t sequences, struct session_graph *graph) {
    int64_t tokens = offsets[sequences];
    *graph =
        (struct session_graph){.sequences = sequences,
                               .tokens = tokens,
                               .offsets = offsets,
                               .first = arena_alloc(arena, sequences + 1, sizeof *graph->first),
                               .state = arena_alloc(arena, 2 * tokens, sizeof *graph->state),
                               .last = arena_alloc(arena, tokens, sizeof *graph->last),
                               .in = arena_alloc(arena, tokens, sizeof *graph->in),
                               .out = arena_alloc(arena, tokens, sizeof *graph->out)};
    struct arena_mark mark = arena_mark(arena);
    struct making m = {.graph = graph,
                       .item = item,
                       .node = arena_alloc(arena, tokens, sizeof *m.node),
                       .fresh = arena_alloc(arena, tokens, sizeof *m.fresh),
                       .in = arena_alloc(arena, tokens, sizeof *m.in),
                       .out = arena_alloc(arena, tokens, sizeof *m.out),
                       .current = arena_alloc(arena, tokens, sizeof *m.current)};
    for (int64_t s = 0; s < sequences; s++) {
        graph->first[s] = graph->states;
        make_sequence(&m, offsets[s], offsets[s + 1]);
    }
    graph->first[sequences] = graph->states;
    arena_release(arena, mark);
}

/* ---- along the edges ---- */

struct gather_node {
    struct tape_node node;
    struct tensor *z, *y;
    const struct session_graph *graph;
};

/* y[0 .. d) = mean of z's rows of the neighbours. */
HOT static void mean_of(const struct session_neighbours *of, const int32_t *at, const real *z,
                        int64_t cols, int64_t d, real *y) {
    memset(y, 0, (size_t)d * sizeof *y);
    for (int32_t k = 0; k < of->n; k++)
        vec_axpy(1 / (real)of->n, z + at[of->first + k] * cols, y, d);
}

HOT static void share_out(const struct session_neighbours *of, const int32_t *at, const real *dy,
                          int64_t cols, int64_t d, real *dz) {
    for (int32_t k = 0; k < of->n; k++)
        vec_axpy(1 / (real)of->n, dy, dz + at[of->first + k] * cols, d);
}

static void gather_backward(struct tape *tape, void *node) {
    const struct gather_node *n = node;
    const struct session_graph *g = n->graph;
    int64_t cols = n->y->cols, d = cols / 2;
    real *dz = tape_grad_zeroed(tape, n->z);
#pragma omp parallel for schedule(static) if (g->states * cols > 10000)
    for (int64_t s = 0; s < tape_rows(tape, g->sequences); s++)
        for (int64_t i = g->first[s]; i < g->first[s + 1]; i++) {
            const real *dy = n->y->g + i * cols;
            share_out(&g->state[i].in, g->in, dy, cols, d, dz);
            share_out(&g->state[i].out, g->out, dy + d, cols, d, dz + d);
        }
}

struct tensor *op_session_gather(struct tape *tape, struct tensor *z,
                                 const struct session_graph *graph) {
    int64_t cols = z->cols, d = cols / 2;
    assert(z->rows == graph->tokens && cols % 2 == 0);
    struct tensor *y = tape_tensor(tape, graph->states, cols, z->learned);
#pragma omp parallel for schedule(static) if (graph->states * cols > 10000)
    for (int64_t i = 0; i < tape_rows(tape, graph->states); i++) {
        const struct session_state *state = &graph->state[i];
        mean_of(&state->in, graph->in, z->x, cols, d, y->x + i * cols);
        mean_of(&state->out, graph->out, z->x + d, cols, d, y->x + i * cols + d);
    }
    struct gather_node *n = tape_push(tape, sizeof *n, y, gather_backward, &z, 1);
    if (n)
        n->z = z, n->y = y, n->graph = graph;
    return y;
}

/* ---- the attention ---- */

struct read_node {
    struct tape_node node;
    struct tensor *a, *b, *h, *q, *y;
    const struct session_graph *graph;
};

/* The first state of sequence s from i on that the prefix that ends at t has; states come in the order
 * of their first prefixes. The sequence's end: there is none. */
static int64_t next_in(const struct session_graph *g, int64_t s, int64_t t, int64_t i) {
    while (i < g->first[s + 1] && g->state[i].from <= t && g->state[i].until <= t)
        i++;
    return i < g->first[s + 1] && g->state[i].from <= t ? i : g->first[s + 1];
}

/* <q, sigma(a + b)>; the sigmas stay in `gate`. */
HOT static real weight_of(const real *q, const real *a, const real *b, int64_t d, real *gate) {
#pragma omp simd
    for (int64_t i = 0; i < d; i++)
        gate[i] = vec_sigmoid(a[i] + b[i]);
    return vec_dot(q, gate, d);
}

/* Through the weight, of gradient g: dq += g sigma; da, db += g q sigma (1 - sigma). */
HOT static void weight_backward(const real *q, const real *gate, real g, int64_t d, real *dq,
                                real *da, real *db) {
#pragma omp simd
    for (int64_t i = 0; i < d; i++) {
        real slope = g * q[i] * gate[i] * (1 - gate[i]);
        dq[i] += g * gate[i];
        da[i] += slope;
        db[i] += slope;
    }
}

HOT static void add_scaled(real alpha, const real *x, int64_t n, real *y) {
    vec_axpy(alpha, x, y, n);
}

HOT static real product(const real *x, const real *y, int64_t n) {
    return vec_dot(x, y, n);
}

/* Gradients; each may be NULL where nothing is wanted. dq has a row per sequence. */
struct read_gradients {
    real *a, *b, *h, *q;
};

static void read_sequence(const struct read_node *n, int64_t s, real *gate) {
    const struct session_graph *g = n->graph;
    int64_t d = n->y->cols;
    for (int64_t t = g->offsets[s]; t < g->offsets[s + 1]; t++) {
        real *y = n->y->x + t * d;
        memset(y, 0, (size_t)d * sizeof *y);
        for (int64_t i = g->first[s]; (i = next_in(g, s, t, i)) < g->first[s + 1]; i++)
            add_scaled((real)g->state[i].times *
                           weight_of(n->q->x, n->a->x + t * d, n->b->x + i * d, d, gate),
                       n->h->x + i * d, d, y);
    }
}

static void read_sequence_backward(const struct read_node *n, int64_t s,
                                   const struct read_gradients *to, real *gate) {
    const struct session_graph *g = n->graph;
    int64_t d = n->y->cols;
    for (int64_t t = g->offsets[s]; t < g->offsets[s + 1]; t++) {
        const real *dy = n->y->g + t * d;
        for (int64_t i = g->first[s]; (i = next_in(g, s, t, i)) < g->first[s + 1]; i++) {
            real times = (real)g->state[i].times;
            real weight = weight_of(n->q->x, n->a->x + t * d, n->b->x + i * d, d, gate);
            real slope = times * product(dy, n->h->x + i * d, d);
            weight_backward(n->q->x, gate, slope, d, to->q + s * d, to->a + t * d, to->b + i * d);
            add_scaled(times * weight, dy, d, to->h + i * d);
        }
    }
}

static void read_backward(struct tape *tape, void *node) {
    const struct read_node *n = node;
    const struct session_graph *g = n->graph;
    int64_t d = n->y->cols;
    struct read_gradients to = {.a = tape_grad_room(tape, n->a),
                                .b = tape_grad_room(tape, n->b),
                                .h = tape_grad_room(tape, n->h)};
    real *dq = tape_grad_room(tape, n->q);
    struct arena_mark mark = arena_mark(&tape->arena);
    to.q = arena_numbers(&tape->arena, g->sequences * d, sizeof *to.q);
    real *gate = arena_numbers(&tape->arena, g->sequences * d, sizeof *gate);
    if (tape_counts(tape, 8 * (double)g->pairs * (double)d)) {
        memset(to.q, 0, (size_t)(g->sequences * d) * sizeof *to.q);
#pragma omp parallel for schedule(dynamic, 4) if (g->pairs * d > 10000)
        for (int64_t s = 0; s < g->sequences; s++)
            read_sequence_backward(n, s, &to, gate + s * d);
        for (int64_t s = 0; s < g->sequences; s++)
            add_scaled(1, to.q + s * d, d, dq);
    }
    arena_release(&tape->arena, mark);
}

struct tensor *op_session_read(struct tape *tape, struct tensor *a, struct tensor *b,
                               struct tensor *h, struct tensor *q,
                               const struct session_graph *graph) {
    int64_t d = h->cols;
    assert(has_shape(a, graph->tokens, d) && has_shape(b, graph->states, d));
    assert(has_shape(h, graph->states, d) && has_shape(q, 1, d));
    bool learned = a->learned || b->learned || h->learned || q->learned;
    struct read_node value = {.a = a,
                              .b = b,
                              .h = h,
                              .q = q,
                              .y = tape_tensor(tape, graph->tokens, d, learned),
                              .graph = graph};
    struct arena_mark mark = arena_mark(&tape->arena);
    real *gate = arena_numbers(&tape->arena, graph->sequences * d, sizeof *gate);
    if (tape_counts(tape, 4 * (double)graph->pairs * (double)d)) {
#pragma omp parallel for schedule(dynamic, 4) if (graph->pairs * d > 10000)
        for (int64_t s = 0; s < graph->sequences; s++)
            read_sequence(&value, s, gate + s * d);
    }
    arena_release(&tape->arena, mark);
    struct tensor *inputs[] = {a, b, h, q};
    struct read_node *n = tape_push(tape, sizeof *n, value.y, read_backward, inputs, 4);
    if (n) {
        value.node = n->node;
        *n = value;
    }
    return value.y;
}
