/* Session by session: its items, the strengths of their neighbours, the strongest of these; then a small
 * matrix of strengths, from which the edges are read. What is looked up by item is kept in arrays of all
 * items, zero between sessions, of which a session touches a few places. */
#include "core/models/node_sets.h"
#include "core/catalogue/top.h"
#include "core/mem.h"
#include <string.h>

/* The place of an item of the session that is none of its nodes. */
enum { LEFT_OUT = -1 };

/* While sessions are made. */
struct making {
    const struct item_graph *graph;
    const struct stream *mixed;
    int64_t a_items, most;
    bool own;

    /* by item */
    int64_t items;
    int32_t *sequence; /* the last sequence that has it, plus 1 */
    int32_t *place;    /* among the nodes, plus 1 */
    double *strength;

    /* of the session */
    int64_t nodes, touched;
    int32_t *node; /* [most] items */
    int32_t *near; /* [items that neighbours may be] with a strength */
    real *matrix;  /* [most, most] */
    struct top_item *list;
};

/* Grows as edges come. */
struct edges {
    int64_t *first;
    int32_t *at;
    real *weight;
    int64_t count, room;
};

/* ---- nodes ---- */

static void add_node(struct making *m, int32_t item) {
    m->node[m->nodes++] = item;
    m->place[item] = (int32_t)m->nodes;
}

/* Of the pair of item i and its k-th entry in the graph. */
static double strength_of(const struct making *m, int32_t i, int64_t k, int32_t sequence) {
    int32_t j = m->graph->neighbour[k];
    bool own = m->own && m->sequence[i] == sequence && m->sequence[j] == sequence;
    return item_graph_strength(m->graph, i, j, m->graph->together[k], own);
}

typedef void neighbour_fn(struct making *m, int32_t i, int32_t j, double strength);

static void visit_neighbours(struct making *m, int32_t i, int32_t sequence, neighbour_fn *visit) {
    int64_t most = m->graph->most;
    for (int64_t k = item_graph_at(m->graph, i, 0), end = k + DOMAINS * most; k < end; k++) {
        if (m->graph->neighbour[k] < 0)
            continue;
        double strength = strength_of(m, i, k, sequence);
        if (strength > 0)
            visit(m, i, m->graph->neighbour[k], strength);
    }
}

static void add_strength(struct making *m, int32_t i, int32_t j, double strength) {
    (void)i;
    if (m->place[j])
        return;
    if (m->strength[j] == 0)
        m->near[m->touched++] = j;
    m->strength[j] += strength;
}

/* The strongest in domain d, at most n. */
static void add_nearest(struct making *m, int d, int64_t n) {
    struct top top = {m->list, n, 0};
    for (int64_t k = 0; k < m->touched; k++)
        if ((m->near[k] >= m->a_items) == d)
            top_add(&top, (struct top_item){(real)m->strength[m->near[k]], m->near[k]});
    top_sort(&top);
    for (int64_t k = 0; k < top.count; k++)
        add_node(m, top.list[k].item);
}

static void find_nodes(struct making *m, int64_t lo, int64_t t, int32_t sequence) {
    m->nodes = m->touched = 0;
    for (int64_t i = t; i >= lo; i--)
        if (!m->place[m->mixed->items[i]] && 2 * m->nodes < m->most)
            add_node(m, m->mixed->items[i]);
        else if (!m->place[m->mixed->items[i]])
            m->place[m->mixed->items[i]] = LEFT_OUT;
    int64_t left = m->most - m->nodes, session = m->nodes;
    int last = m->mixed->items[t] >= m->a_items;
    for (int64_t k = 0; k < session; k++)
        visit_neighbours(m, m->node[k], sequence, add_strength);
    add_nearest(m, last, (left + 1) / 2);
    add_nearest(m, !last, left / 2);
    for (int64_t k = 0; k < m->touched; k++)
        m->strength[m->near[k]] = 0;
}

/* ---- edges ---- */

static void join(struct making *m, int32_t i, int32_t j, double strength) {
    if (m->place[j] <= 0)
        return;
    int64_t x = m->place[i] - 1, y = m->place[j] - 1;
    m->matrix[x * m->nodes + y] = m->matrix[y * m->nodes + x] = (real)strength;
}

static void fill_matrix(struct making *m, int32_t sequence) {
    memset(m->matrix, 0, (size_t)(m->nodes * m->nodes) * sizeof *m->matrix);
    for (int64_t k = 0; k < m->nodes; k++)
        visit_neighbours(m, m->node[k], sequence, join);
}

static void edges_add(struct edges *e, int32_t at, real weight) {
    if (e->count == e->room) {
        e->room = 2 * e->room + 1024;
        e->at = mem_resize(e->at, e->room, sizeof *e->at);
        e->weight = mem_resize(e->weight, e->room, sizeof *e->weight);
    }
    e->at[e->count] = at;
    e->weight[e->count++] = weight;
}

/* Those of node x from the nodes of a side, row[y] of it. */
static void add_edges(const struct making *m, int64_t x, const int *side, int from,
                      const int32_t *row, struct edges *e) {
    real sum = 0;
    for (int64_t y = 0; y < m->nodes; y++)
        sum += side[y] == from ? m->matrix[x * m->nodes + y] : 0;
    for (int64_t y = 0; y < m->nodes; y++)
        if (side[y] == from && m->matrix[x * m->nodes + y] > 0)
            edges_add(e, row[y], m->matrix[x * m->nodes + y] / sum);
    *++e->first = e->count;
}

/* ---- sessions ---- */

static void forget(struct making *m, int64_t lo, int64_t t) {
    for (int64_t k = 0; k < m->nodes; k++)
        m->place[m->node[k]] = 0;
    for (int64_t i = lo; i <= t; i++)
        m->place[m->mixed->items[i]] = 0;
}

/* Give the session's nodes rows on their sides, and their edges. */
static void put_session(struct making *m, struct node_sets *sets, int64_t count[NODE_SIDES],
                        struct edges edges[NODE_SIDES][NODE_SIDES], int *side, int32_t *row) {
    bool last = m->node[0] >= m->a_items;
    for (int64_t k = 0; k < m->nodes; k++) {
        side[k] = (m->node[k] >= m->a_items) == last ? NODE_IN : NODE_CROSS;
        row[k] = (int32_t)count[side[k]];
        sets->side[side[k]].item[count[side[k]]++] = m->node[k];
    }
    for (int64_t k = 0; k < m->nodes; k++)
        for (int from = 0; from < NODE_SIDES; from++)
            add_edges(m, k, side, from, row, &edges[side[k]][from]);
}

static struct making making_new(const struct item_graph *graph, const struct stream *mixed,
                                int64_t a_items, int64_t items, int64_t most, bool own) {
    return (struct making){.graph = graph,
                           .mixed = mixed,
                           .a_items = a_items,
                           .most = most,
                           .own = own,
                           .items = items,
                           .sequence = mem_zero(items, sizeof(int32_t)),
                           .place = mem_zero(items, sizeof(int32_t)),
                           .strength = mem_zero(items, sizeof(double)),
                           .node = mem_alloc(most, sizeof(int32_t)),
                           .near = mem_alloc(most * DOMAINS * (graph->most + 1), sizeof(int32_t)),
                           .matrix = mem_alloc(most * most, sizeof(real)),
                           .list = mem_alloc(most, sizeof(struct top_item))};
}

static void making_free(struct making *m) {
    mem_free(m->sequence);
    mem_free(m->place);
    mem_free(m->strength);
    mem_free(m->node);
    mem_free(m->near);
    mem_free(m->matrix);
    mem_free(m->list);
}

/* All items of a sequence, its last target too. */
static void mark(struct making *m, int64_t b) {
    const struct stream *mixed = m->mixed;
    int64_t end = mixed->offsets[b + 1];
    for (int64_t t = mixed->offsets[b]; t < end; t++)
        m->sequence[mixed->items[t]] = (int32_t)(b + 1);
    m->sequence[mixed->targets[end - 1]] = (int32_t)(b + 1);
}

static void make_sessions(struct making *m, struct node_sets *sets, int64_t *const offsets[],
                          struct edges edges[NODE_SIDES][NODE_SIDES]) {
    int *side = mem_alloc(m->most, sizeof *side);
    int32_t *row = mem_alloc(m->most, sizeof *row);
    int64_t count[NODE_SIDES] = {0}, b = -1;
    for (int64_t s = 0; s < sets->sessions; s++) {
        int64_t before = b;
        while (b < 0 || sets->token[s] >= m->mixed->offsets[b + 1])
            b++;
        if (m->own && b != before)
            mark(m, b);
        find_nodes(m, m->mixed->offsets[b], sets->token[s], (int32_t)(b + 1));
        fill_matrix(m, (int32_t)(b + 1));
        put_session(m, sets, count, edges, side, row);
        forget(m, m->mixed->offsets[b], sets->token[s]);
        for (int k = 0; k < NODE_SIDES; k++)
            offsets[k][s + 1] = count[k];
    }
    mem_free(side);
    mem_free(row);
}

static void *copy(struct arena *arena, const void *from, int64_t n, size_t size) {
    void *to = arena_alloc(arena, n, size);
    if (n > 0)
        memcpy(to, from, (size_t)n * size);
    return to;
}

void node_sets_make(struct arena *arena, const struct item_graph *graph, const struct stream *mixed,
                    int64_t items, int64_t a_items, const int32_t *token, int64_t sessions,
                    int64_t most, bool own, struct node_sets *sets) {
    struct making m = making_new(graph, mixed, a_items, items, most, own);
    struct edges edges[NODE_SIDES][NODE_SIDES] = {0};
    int64_t *offsets[NODE_SIDES], *first[NODE_SIDES][NODE_SIDES];
    *sets = (struct node_sets){.sessions = sessions, .token = token};
    for (int k = 0; k < NODE_SIDES; k++) {
        offsets[k] = arena_alloc(arena, sessions + 1, sizeof *offsets[k]);
        offsets[k][0] = 0;
        sets->side[k].rows = (struct node_rows){sessions, offsets[k]};
        sets->side[k].item = arena_alloc(arena, sessions * most, sizeof *sets->side[k].item);
        for (int from = 0; from < NODE_SIDES; from++) {
            first[k][from] = arena_alloc(arena, sessions * most + 1, sizeof *first[k][from]);
            first[k][from][0] = 0;
            edges[k][from].first = first[k][from];
        }
    }
    make_sessions(&m, sets, offsets, edges);
    for (int k = 0; k < NODE_SIDES; k++)
        for (int from = 0; from < NODE_SIDES; from++) {
            struct edges *e = &edges[k][from];
            sets->side[k].from[from] =
                (struct node_edges){first[k][from], copy(arena, e->at, e->count, sizeof *e->at),
                                    copy(arena, e->weight, e->count, sizeof *e->weight)};
            mem_free(e->at);
            mem_free(e->weight);
        }
    making_free(&m);
}
