/* Session graphs: every prefix against the adjacency matrices of its own; gradients in double precision,
 * values against plain loops in both. */
#include "check.h"
#include "core/ops/session.h"
#include "tests/balanced.h"

BALANCED(session);

enum { T = 12, D = 5, SEQUENCES = 4, ITEMS = 7 };

/* One item; one that comes again in several ways, to itself too; none; one twice. */
static const int64_t offsets[] = {0, 1, 10, 10, 12};
static const int32_t items[T] = {5, 1, 2, 1, 3, 1, 2, 2, 2, 1, 4, 4};

static struct session_graph *make_graph(struct tape *tape) {
    struct session_graph *graph = arena_alloc(&tape->arena, 1, sizeof *graph);
    session_graph_make(&tape->arena, items, offsets, SEQUENCES, graph);
    return graph;
}

/* The state of an item in the prefix that ends at t, -1: it is not in it. */
static int64_t state_of(const struct session_graph *graph, int64_t t, int32_t item) {
    int64_t found = -1;
    for (int64_t i = 0; i < graph->states; i++)
        if (items[graph->state[i].token] == item && graph->state[i].from <= t &&
            t < graph->state[i].until) {
            cr_expect_eq(found, -1, "item %d at %d has two states", item, (int)t);
            found = i;
        }
    return found;
}

/* Edges and occurrences of the prefix of a sequence that begins at lo and ends at t. */
static void draw_prefix(int64_t lo, int64_t t, int edge[ITEMS][ITEMS], int times[ITEMS]) {
    memset(edge, 0, ITEMS * sizeof edge[0]);
    memset(times, 0, ITEMS * sizeof times[0]);
    for (int64_t j = lo; j <= t; j++) {
        times[items[j]]++;
        if (j > lo)
            edge[items[j - 1]][items[j]] = 1;
    }
}

/* The rows of z belong to tokens: of an item in a sequence all are alike here, so that it does not
 * matter which occurrence a neighbour is. */
static void make_alike(struct check *c, int64_t cols) {
    real *z = c->params.list[0].tensor.x;
    for (int64_t t = 0; t < T; t++)
        for (int64_t i = 0; i < cols; i++)
            z[t * cols + i] = (real)check_weight(1000 + items[t] * cols + i);
}

static double mean_of_neighbours(int edge[ITEMS][ITEMS], int item, bool in, int64_t column) {
    double sum = 0, n = 0;
    for (int other = 0; other < ITEMS; other++)
        if (in ? edge[other][item] : edge[item][other]) {
            sum += check_weight(1000 + other * 2 * D + column);
            n++;
        }
    return n > 0 ? sum / n : 0;
}

static struct tensor *build_gather(struct tape *tape, struct check *c) {
    return op_session_gather(tape, tape_param(tape, &c->params, 0), make_graph(tape));
}

Test(session, gather) {
    struct check c = {.build = build_gather};
    struct tape tape = {0};
    check_input(&c, T, 2 * D);
    check_fill(&c, 1);
    check_gradients(&c);
    make_alike(&c, 2 * D);
    tape_begin(&tape, false, 0);
    const struct session_graph *graph = make_graph(&tape);
    const struct tensor *y = op_session_gather(&tape, tape_param(&tape, &c.params, 0), graph);
    for (int s = 0; s < SEQUENCES; s++)
        for (int64_t t = offsets[s]; t < offsets[s + 1]; t++) {
            int edge[ITEMS][ITEMS], times[ITEMS];
            draw_prefix(offsets[s], t, edge, times);
            for (int32_t item = 0; item < ITEMS; item++) {
                int64_t i = state_of(graph, t, item);
                cr_assert_eq(i >= 0, times[item] > 0, "item %d at %d", item, (int)t);
                cr_expect(i < 0 || graph->state[i].times == times[item]);
                for (int j = 0; i >= 0 && j < 2 * D; j++)
                    cr_expect_float_eq(y->x[i * 2 * D + j],
                                       mean_of_neighbours(edge, item, j < D, j), 16 * REAL_EPS,
                                       "item %d at %d, column %d", item, (int)t, j);
            }
            cr_expect_eq(graph->last[t], state_of(graph, t, items[t]));
        }
    tape_free(&tape);
    check_close(&c);
}

/* The states are at most two per token, those of one prefix its distinct items. */
Test(session, number_of_states) {
    struct tape tape = {.dry = true};
    tape_begin(&tape, false, 0);
    const struct session_graph *graph = make_graph(&tape);
    int64_t distinct = 0;
    for (int s = 0; s < SEQUENCES; s++)
        for (int64_t t = offsets[s]; t < offsets[s + 1]; t++)
            for (int32_t item = 0; item < ITEMS; item++)
                distinct += state_of(graph, t, item) >= 0;
    cr_expect_eq(graph->pairs, distinct);
    cr_expect_leq(graph->states, 2 * T);
    cr_expect_eq(graph->first[SEQUENCES], graph->states);
    tape_free(&tape);
}

/* a, b, h, q */
static struct tensor *build_read(struct tape *tape, struct check *c) {
    return op_session_read(tape, tape_param(tape, &c->params, 0), tape_param(tape, &c->params, 1),
                           tape_param(tape, &c->params, 2), tape_param(tape, &c->params, 3),
                           make_graph(tape));
}

/* Over the positions of the prefix, repeated items as often as they are there. */
static void read_reference(const struct session_graph *graph, const struct check *c, double *y) {
    const real *a = c->params.list[0].tensor.x, *b = c->params.list[1].tensor.x,
               *h = c->params.list[2].tensor.x, *q = c->params.list[3].tensor.x;
    memset(y, 0, T * D * sizeof *y);
    for (int s = 0; s < SEQUENCES; s++)
        for (int64_t t = offsets[s]; t < offsets[s + 1]; t++)
            for (int64_t j = offsets[s]; j <= t; j++) {
                int64_t i = state_of(graph, t, items[j]);
                double weight = 0;
                for (int k = 0; k < D; k++)
                    weight +=
                        (double)q[k] / (1 + exp(-(double)a[t * D + k] - (double)b[i * D + k]));
                for (int k = 0; k < D; k++)
                    y[t * D + k] += weight * (double)h[i * D + k];
            }
}

Test(session, read) {
    struct check c = {.build = build_read};
    struct tape tape = {0};
    double want[T * D];
    tape_begin(&tape, false, 0);
    int64_t states = make_graph(&tape)->states;
    check_input(&c, T, D), check_input(&c, states, D), check_input(&c, states, D);
    check_input(&c, 1, D);
    check_fill(&c, 1);
    check_gradients(&c);
    tape_begin(&tape, false, 0);
    read_reference(make_graph(&tape), &c, want);
    check_near("read", build_read(&tape, &c)->x, want, T * D, 8 * D);
    tape_free(&tape);
    check_close(&c);
}
