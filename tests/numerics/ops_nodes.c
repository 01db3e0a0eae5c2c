/* Operations over the nodes of sessions, and the switch: values against plain loops in both precisions,
 * gradients in double. */
#include "check.h"
#include "core/ops/nodes.h"
#include "core/ops/pointer.h"
#include "tests/balanced.h"

BALANCED(nodes);

enum { N = 9, M = 6, D = 5, SESSIONS = 4, ROWS = 6 };

/* Several nodes, one, none. */
static const int64_t offsets[] = {0, 4, 5, 5, N};
static const struct node_rows rows = {SESSIONS, offsets};

static int session_of(int64_t n) {
    int s = 0;
    while (offsets[s + 1] <= n)
        s++;
    return s;
}

static double at(const struct check *c, int p, int64_t row, int64_t i) {
    const struct tensor *x = &c->params.list[p].tensor;
    return (double)x->x[row * x->cols + i];
}

static double sigma(double x) {
    return 1 / (1 + exp(-x));
}

/* One operation: gradients, and its values against `want`. */
static void check_op(struct check *c, const char *name, const double *want, int64_t n) {
    struct tape tape = {0};
    check_gradients(c);
    tape_begin(&tape, false, 0);
    check_near(name, c->build(&tape, c)->x, want, n, 8 * D);
    tape_free(&tape);
    check_close(c);
}

static struct tensor *build_scores(struct tape *tape, struct check *c) {
    return op_node_scores(tape, tape_param(tape, &c->params, 0), tape_param(tape, &c->params, 1),
                          tape_param(tape, &c->params, 2), &rows);
}

Test(nodes, scores) {
    struct check c = {.build = build_scores};
    double want[N] = {0};
    check_input(&c, SESSIONS, D), check_input(&c, N, D), check_input(&c, 1, D);
    check_fill(&c, 1);
    for (int64_t n = 0; n < N; n++)
        for (int i = 0; i < D; i++)
            want[n] += at(&c, 2, 0, i) * tanh(at(&c, 0, session_of(n), i) + at(&c, 1, n, i));
    check_op(&c, "scores", want, N);
}

static struct tensor *build_softmax(struct tape *tape, struct check *c) {
    return op_node_softmax(tape, tape_param(tape, &c->params, 0), &rows);
}

Test(nodes, softmax) {
    struct check c = {.build = build_softmax};
    double want[N], sum[SESSIONS] = {0};
    check_input(&c, N, 1);
    check_fill(&c, 3);
    for (int64_t n = 0; n < N; n++)
        sum[session_of(n)] += exp(at(&c, 0, n, 0));
    for (int64_t n = 0; n < N; n++)
        want[n] = exp(at(&c, 0, n, 0)) / sum[session_of(n)];
    check_op(&c, "softmax", want, N);
}

static struct tensor *build_gate(struct tape *tape, struct check *c) {
    return op_node_gate(tape, tape_param(tape, &c->params, 0), tape_param(tape, &c->params, 1),
                        tape_param(tape, &c->params, 2), tape_param(tape, &c->params, 3), &rows,
                        c->data != NULL);
}

static void gate_case(bool rest) {
    struct check c = {.build = build_gate, .data = rest ? &c : NULL};
    double want[N * D];
    check_input(&c, N, 1), check_input(&c, SESSIONS, D), check_input(&c, N, D);
    check_input(&c, N, D);
    check_fill(&c, 1);
    for (int64_t n = 0; n < N; n++)
        for (int i = 0; i < D; i++) {
            double f = sigma(at(&c, 1, session_of(n), i) + at(&c, 2, n, i));
            want[n * D + i] = at(&c, 0, n, 0) * (rest ? 1 - f : f) * at(&c, 3, n, i);
        }
    check_op(&c, "gate", want, N * D);
}

Test(nodes, gate) {
    gate_case(false);
    gate_case(true);
}

static struct tensor *build_sum(struct tape *tape, struct check *c) {
    return op_node_sum(tape, tape_param(tape, &c->params, 0), &rows);
}

Test(nodes, sum) {
    struct check c = {.build = build_sum};
    double want[SESSIONS * D] = {0};
    check_input(&c, N, D);
    check_fill(&c, 1);
    for (int64_t n = 0; n < N; n++)
        for (int i = 0; i < D; i++)
            want[session_of(n) * D + i] += at(&c, 0, n, i);
    check_op(&c, "sum", want, SESSIONS * D);
}

/* Node n has n % 3 edges from nodes of its own kind, (n + 1) % 2 from M nodes of another kind. */
struct drawing {
    int64_t first[2][N + 1];
    int32_t at[2][3 * N];
    real weight[2][3 * N];
    struct node_edges edges[2];
};

static void draw_edges(struct drawing *d) {
    for (int s = 0; s < 2; s++) {
        int64_t count = 0;
        for (int64_t n = 0; n < N; n++) {
            int session = session_of(n);
            int64_t lo = offsets[session], own = offsets[session + 1] - lo;
            for (int64_t k = 0; k < (s ? (n + 1) % 2 : n % 3); k++, count++) {
                d->at[s][count] = (int32_t)(s ? session + k : lo + (n + k) % own);
                d->weight[s][count] = (real)(0.2 + 0.1 * (double)count);
            }
            d->first[s][n + 1] = count;
        }
        d->edges[s] = (struct node_edges){d->first[s], d->at[s], d->weight[s]};
    }
}

static struct tensor *build_spread(struct tape *tape, struct check *c) {
    struct drawing *d = c->data;
    const struct node_source source[2] = {{tape_param(tape, &c->params, 0), 0, &d->edges[0]},
                                          {tape_param(tape, &c->params, 1), D, &d->edges[1]}};
    return op_node_spread(tape, source, D, &rows);
}

Test(nodes, spread) {
    struct drawing d = {0};
    struct check c = {.build = build_spread, .data = &d};
    double want[N * 2 * D] = {0};
    draw_edges(&d);
    check_input(&c, N, 2 * D), check_input(&c, M, 2 * D);
    check_fill(&c, 1);
    for (int s = 0; s < 2; s++)
        for (int64_t n = 0; n < N; n++)
            for (int64_t e = d.first[s][n]; e < d.first[s][n + 1]; e++)
                for (int i = 0; i < D; i++)
                    want[(n * 2 + s) * D + i] +=
                        (double)d.weight[s][e] * at(&c, s, d.at[s][e], s * D + i);
    check_op(&c, "spread", want, N * 2 * D);
}

/* ---- the switch ---- */

/* The target is the session's second node, its only one; there are no nodes; it is none of them. */
static const int32_t row[SESSIONS] = {5, 0, 3, 2}, target[SESSIONS] = {1, 4, -1, -1};

static struct pointer_part part_of(struct tape *tape, struct check *c) {
    return (struct pointer_part){tape_param(tape, &c->params, 0), tape_param(tape, &c->params, 1),
                                 rows, row, target};
}

/* -inf times a weight is no number: what is compared is exp(m). */
static struct tensor *build_pointer(struct tape *tape, struct check *c) {
    static const double weight = 0.7;
    struct pointer_part part = part_of(tape, c);
    struct tensor *m = op_pointer(tape, &part, 1, ROWS);
    c->loss = weight * pointer_loss(tape, m, &part, 1, weight);
    for (int64_t k = 0; k < 2 * ROWS; k++) {
        double x = exp((double)m->x[k]);
        c->loss += check_weight(k) * x;
        if (tape->record && m->g)
            m->g[k] += (real)(check_weight(k) * x);
    }
    return NULL;
}

Test(nodes, pointer) {
    struct check c = {.build = build_pointer};
    struct tape tape = {0};
    double want[2 * ROWS] = {0}, loss = 0;
    check_input(&c, SESSIONS, 1), check_input(&c, N, 1);
    check_fill(&c, 1);
    check_gradients(&c);
    for (int t = 0; t < ROWS; t++)
        want[2 * t] = 1;
    for (int s = 0; s < SESSIONS; s++) {
        double share = sigma(at(&c, 0, s, 0)), sum = 0;
        for (int64_t n = offsets[s]; n < offsets[s + 1]; n++)
            sum += exp(at(&c, 1, n, 0));
        if (s != 2)
            want[2 * row[s]] = 1 - share;
        if (target[s] >= 0)
            want[2 * row[s] + 1] = share * exp(at(&c, 1, target[s], 0)) / sum;
        if (s == 3)
            loss -= log(1 - share + 1e-4);
    }
    tape_begin(&tape, false, 0);
    struct pointer_part part = part_of(&tape, &c);
    struct tensor *m = op_pointer(&tape, &part, 1, ROWS);
    for (int64_t k = 0; k < 2 * ROWS; k++)
        cr_expect_float_eq(exp((double)m->x[k]), want[k], 16 * (double)REAL_EPS, "%d", (int)k);
    cr_expect_float_eq(pointer_loss(&tape, m, &part, 1, 1), loss, 16 * (double)REAL_EPS);
    tape_free(&tape);
    check_close(&c);
}
