/* The reference of MIFN: see reference.h. */
#ifndef TESTS_REFERENCE_MIFN_H
#define TESTS_REFERENCE_MIFN_H
#include "core/models/mifn.h"
#include "tests/reference/transfer.h"

enum { REF_NODES = 12, REF_ITEMS = 64, REF_NOBODY = -1 };

/* The nodes of a session, and the matrix of the strengths of their edges. */
struct ref_graph {
    int64_t n;
    int32_t item[REF_NODES];
    int side[REF_NODES]; /* 0: of the domain of the session's last item */
    double strength[REF_NODES][REF_NODES];
    double x[REF_NODES][REF_DIM]; /* after the update */
};

static inline void ref_prepare_mifn(const struct reference *r) {
    (void)r;
}

/* ---- the graph of items ---- */

/* Has training sequence s, of which the last max_len + 1 items count, item i? */
static inline bool ref_has(const struct reference *r, int64_t s, int32_t i) {
    const struct sample *of = &r->sample[s];
    for (int64_t k = of->length > r->max_len + 1 ? of->length - r->max_len - 1 : 0; k < of->length;
         k++)
        if (of->items[k] == i)
            return true;
    return false;
}

/* Sequences with i and j; without sequence `own` if it has both. */
static inline double ref_strength(const struct reference *r, int32_t i, int32_t j, int64_t own) {
    double x = 20, y = 20, both = 0;
    for (int64_t s = 0; s < r->samples; s++) {
        bool has_i = ref_has(r, s, i), has_j = ref_has(r, s, j);
        if (s == own && has_i && has_j)
            continue;
        x += has_i;
        y += has_j;
        both += has_i && has_j;
    }
    return both / (sqrt(x) * sqrt(y));
}

/* Is j among the strongest neighbours of i in its domain, whatever the sequence? */
static inline bool ref_is_neighbour(const struct reference *r, int32_t i, int32_t j) {
    int64_t before = 0;
    double strength = ref_strength(r, i, j, REF_NOBODY);
    for (int32_t k = 0; k < r->items; k++) {
        double other = ref_strength(r, i, k, REF_NOBODY);
        if (k != i && k != j && ref_domain(r, k) == ref_domain(r, j))
            before += (real)other > (real)strength || ((real)other == (real)strength && k < j);
    }
    return i != j && strength > 0 && before < mifn_options(r->config)->neighbours;
}

/* ---- nodes and edges ---- */

static inline bool ref_is_node(const struct ref_graph *g, int32_t item) {
    for (int64_t k = 0; k < g->n; k++)
        if (g->item[k] == item)
            return true;
    return false;
}

/* The strongest n of a domain that are not in the session, by the sums over the nodes that are. */
static inline void ref_add_nearest(const struct reference *r, const int32_t *items, int64_t lo,
                                   int64_t end, int64_t session, int domain, int64_t n, int64_t own,
                                   struct ref_graph *g) {
    double sum[REF_ITEMS] = {0};
    for (int32_t j = 0; j < r->items; j++)
        for (int64_t k = 0; k < session && ref_domain(r, j) == domain; k++)
            if (ref_is_neighbour(r, g->item[k], j))
                sum[j] += ref_strength(r, g->item[k], j, own);
    for (int64_t i = lo; i < end; i++)
        sum[items[i]] = 0;
    for (; n > 0; n--) {
        int32_t best = 0;
        for (int32_t j = 1; j < r->items; j++)
            best = (real)sum[j] > (real)sum[best] ? j : best;
        if (sum[best] <= 0)
            return;
        sum[best] = 0;
        g->item[g->n++] = best;
    }
}

/* Of the session items[lo .. end). */
static inline void ref_make_graph(const struct reference *r, const int32_t *items, int64_t lo,
                                  int64_t end, int64_t own, struct ref_graph *g) {
    int64_t most = mifn_options(r->config)->nodes;
    int last = ref_domain(r, items[end - 1]);
    memset(g, 0, sizeof *g);
    for (int64_t i = end - 1; i >= lo && 2 * g->n < most; i--)
        if (!ref_is_node(g, items[i]))
            g->item[g->n++] = items[i];
    int64_t session = g->n, left = most - session;
    ref_add_nearest(r, items, lo, end, session, last, (left + 1) / 2, own, g);
    ref_add_nearest(r, items, lo, end, session, 1 - last, left / 2, own, g);
    for (int64_t x = 0; x < g->n; x++) {
        g->side[x] = ref_domain(r, g->item[x]) != last;
        for (int64_t y = 0; y < g->n; y++)
            if (ref_is_neighbour(r, g->item[x], g->item[y]) ||
                ref_is_neighbour(r, g->item[y], g->item[x]))
                g->strength[x][y] = ref_strength(r, g->item[x], g->item[y], own);
    }
}

/* ---- the flow ---- */

/* <v, tanh(W_s state + W_e node)> */
static inline double ref_node_score(const struct reference *r, const char *of, const double *state,
                                    const double *node) {
#define P(name) ref_param(r, "graph.%s." name, of, "", 0, "")
    int64_t d = r->config->model.dim;
    double q[REF_DIM], k[REF_DIM], e = 0;
    ref_linear(P("session.w"), NULL, state, d, d, q);
    ref_linear(P("node.w"), NULL, node, d, d, k);
    for (int64_t i = 0; i < d; i++)
        e += P("v")[i] * tanh(q[i] + k[i]);
    return e;
#undef P
}

/* Softmax over the nodes of a side. */
static inline void ref_node_softmax(const struct ref_graph *g, int side, double *e) {
    double sum = 0;
    for (int64_t n = 0; n < g->n; n++)
        sum += g->side[n] == side ? exp(e[n]) : 0;
    for (int64_t n = 0; n < g->n; n++)
        e[n] = g->side[n] == side ? exp(e[n]) / sum : e[n];
}

/* What node n sends, first to its own side: z [2 d]. */
static inline void ref_message(const struct reference *r, const struct ref_graph *g, int64_t n,
                               double a, const double *known, double *z) {
    int64_t d = r->config->model.dim;
    double u[REF_DIM], w[REF_DIM], y[REF_DIM];
    const char *from = g->side[n] ? "from_cross" : "from_in";
    ref_linear(REF_NAMED(r, "graph.gate.w"), REF_NAMED(r, "graph.gate.b"), known, d, 2 * d, u);
    ref_linear(REF_NAMED(r, "graph.gate.node.w"), NULL, g->x[n], d, d, w);
    for (int64_t i = 0; i < d; i++) {
        double f = ref_sigma(u[i] + w[i]);
        y[i] = a * (g->side[n] ? 1 - f : f) * g->x[n][i];
    }
    ref_linear(ref_param(r, "graph.%s.w", from, "", 0, ""),
               ref_param(r, "graph.%s.b", from, "", 0, ""), y, 2 * d, d, z);
}

/* The new x of all nodes; known [2 d]: h and t of the session's last item. */
static inline void ref_graph_flow(const struct reference *r, const double *known,
                                  struct ref_graph *g) {
    int64_t d = r->config->model.dim;
    double a[REF_NODES], z[REF_NODES][2 * REF_DIM];
    for (int64_t n = 0; n < g->n; n++)
        for (int64_t i = 0; i < d; i++)
            g->x[n][i] = sqrt((double)d) * REF_NAMED(r, "embed.id")[g->item[n] * d + i];
    for (int64_t n = 0; n < g->n; n++)
        a[n] =
            ref_node_score(r, g->side[n] ? "cross" : "in", known + (g->side[n] ? d : 0), g->x[n]);
    ref_node_softmax(g, 0, a);
    ref_node_softmax(g, 1, a);
    for (int64_t n = 0; n < g->n; n++)
        ref_message(r, g, n, a[n], known, z[n]);
    for (int64_t n = 0; n < g->n; n++) {
        double c[2 * REF_DIM] = {0};
        for (int other = 0; other < 2; other++) {
            double sum = 0;
            for (int64_t j = 0; j < g->n; j++)
                sum += (g->side[j] != g->side[n]) == other ? g->strength[n][j] : 0;
            for (int64_t j = 0; j < g->n; j++)
                for (int64_t i = 0; i < d; i++)
                    if ((g->side[j] != g->side[n]) == other && g->strength[n][j] > 0)
                        c[other * d + i] += g->strength[n][j] / sum * z[j][other * d + i];
        }
        for (int64_t i = 0; i < 2 * d; i++)
            c[i] = c[i] > 0 ? c[i] : 0;
        ref_gru(r, "graph.update", false, 2 * d, d, c, g->x[n]);
    }
}

/* The next state of a domain's filter, in place. */
static inline void ref_mifn_filter(const struct reference *r, const char *s, const double *h,
                                   const double *c, double *state) {
#define P(name) ref_param(r, "filter.%s." name, s, "", 0, "")
    int64_t d = r->config->model.dim;
    double next[REF_DIM] = {0};
    for (int64_t i = 0; i < d; i++) {
        const double *w = P("gate.w") + i * 2 * d;
        double f = ref_sigma(ref_dot(w, h, d) + ref_dot(w + d, c, d) +
                             ref_dot(P("h.w") + i * d, state, d) + P("gate.b")[i]);
        double g = tanh(ref_dot(P("candidate.w") + i * d, h, d) +
                        ref_dot(P("h.w") + (d + i) * d, state, d) + P("candidate.b")[i]);
        next[i] = f * g + (1 - f) * state[i];
    }
    memcpy(state, next, sizeof next);
#undef P
}

static inline void ref_mifn_source(const struct reference *r, const struct ref_units *u, int domain,
                                   int64_t places, double *t) {
    ref_transfer(r, u, 1 - domain, places, ref_mifn_filter, t);
}

/* ---- the mixture ---- */

/* What the graph of items[lo .. end) says of a domain: its share, and a of its nodes there. Returns how
 * many these are. */
struct ref_pointer {
    int64_t n;
    int32_t item[REF_NODES];
    double share, a[REF_NODES];
};

static inline void ref_point(const struct reference *r, const struct ref_units *p,
                             const int32_t *items, int64_t lo, int64_t end, int domain, int64_t own,
                             struct ref_pointer *out) {
    int64_t d = r->config->model.dim;
    int last = ref_domain(r, items[end - 1]);
    double known[2 * REF_DIM] = {0}, state[3 * REF_DIM] = {0}, sum = 0;
    struct ref_graph g;
    memcpy(known, ref_units_latest(p, last, end), (size_t)d * sizeof *known);
    ref_transfer(r, p, last, end, ref_mifn_filter, known + d);
    ref_make_graph(r, items, lo, end, own, &g);
    ref_graph_flow(r, known, &g);
    memcpy(state, ref_units_latest(p, domain, end), (size_t)d * sizeof *state);
    ref_transfer(r, p, 1 - domain, end, ref_mifn_filter, state + d);
    out->n = 0;
    for (int64_t n = 0; n < g.n; n++) {
        if (ref_domain(r, g.item[n]) != domain)
            continue;
        out->item[out->n] = g.item[n];
        sum += out->a[out->n++] = exp(ref_node_score(r, ref_streams[domain], state, g.x[n]));
        for (int64_t i = 0; i < d; i++)
            state[2 * d + i] += g.x[n][i];
    }
    for (int64_t n = 0; n < out->n; n++)
        out->a[n] /= sum;
    double z;
    ref_linear(ref_param(r, "switch.%s.w", ref_streams[domain], "", 0, ""),
               ref_param(r, "switch.%s.b", ref_streams[domain], "", 0, ""), state, 1, 3 * d, &z);
    out->share = out->n ? ref_sigma(z) : 0;
}

/* The probability of an item that the graph gives. */
static inline double ref_pointed(const struct ref_pointer *p, int32_t item) {
    for (int64_t n = 0; n < p->n; n++)
        if (p->item[n] == item)
            return p->share * p->a[n];
    return 0;
}

/* Is the target at place i one of the last of its domain that have a graph? */
static inline bool ref_has_graph(const struct reference *r, const int32_t *items, int64_t length,
                                 int64_t i) {
    int64_t n = 0, last = mifn_options(r->config)->targets;
    for (int64_t j = i; j < length; j++)
        n += ref_domain(r, items[j]) == ref_domain(r, items[i]);
    return last == 0 || n <= last;
}

static inline void ref_mifn_losses(const struct reference *r, const int32_t *items, int64_t length,
                                   double *sum, int64_t *count) {
    int64_t first = length > r->max_len ? length - r->max_len : 1;
    struct ref_units p;
    double q[2 * REF_DIM];
    ref_units_run(r, items, length - 1, &p);
    for (int64_t i = first; i < length; i++) {
        int domain = ref_domain(r, items[i]);
        struct ref_pointer pointer = {0};
        if (!ref_wanted(r, items[i]))
            continue;
        ref_units_state(r, &p, domain, i, ref_mifn_source, q);
        bool graph = ref_has_graph(r, items, length, i);
        if (graph)
            ref_point(r, &p, items, first - 1, i, domain, r->sequence, &pointer);
        double log_s = -ref_loss(r, 2, 0, items[i], ref_units_logit, q);
        double of_graph = ref_pointed(&pointer, items[i]);
        sum[0] -= log((1 - pointer.share) * exp(log_s) + of_graph);
        sum[1] -= pointer.n > 0 && of_graph == 0 ? log(1 - pointer.share + 1e-4) : 0;
        count[0]++;
        count[1]++;
    }
}

static inline void ref_mifn_scores(const struct reference *r, const int32_t *items, int64_t length,
                                   int domain, double *score) {
    int64_t lo = domain ? r->a_items : 0, hi = domain ? r->items : r->a_items;
    int64_t first = length > r->max_len ? length - r->max_len : 0;
    struct ref_units p;
    struct ref_pointer pointer;
    double q[2 * REF_DIM], sum = 0;
    ref_units_run(r, items, length, &p);
    ref_units_state(r, &p, domain, length, ref_mifn_source, q);
    ref_point(r, &p, items, first, length, domain, REF_NOBODY, &pointer);
    for (int64_t i = lo; i < hi; i++)
        sum += score[i - lo] = exp(ref_units_logit(r, q, (int32_t)i));
    for (int64_t i = lo; i < hi; i++)
        score[i - lo] =
            (1 - pointer.share) * score[i - lo] / sum + ref_pointed(&pointer, (int32_t)i);
}

#endif
