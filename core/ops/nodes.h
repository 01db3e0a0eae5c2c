/* What graphs of sessions are computed with: a session has a few nodes, and what is known of the session
 * meets what is known of each of its nodes. Not collective. Source: Ma et al., "Mixed information flow
 * for cross-domain sequential recommendations", TKDD 2022, its graph transfer.
 *
 * Nodes of all sessions stand one after another, n in all; those of session s are rows offsets[s] ..
 * offsets[s + 1] - 1. Offsets and edges are the caller's, valid until backward. Threads take sessions. */
#ifndef CORE_OPS_NODES_H
#define CORE_OPS_NODES_H
#include "core/tape.h"

struct node_rows {
    int64_t sessions;
    const int64_t *offsets; /* [sessions + 1] */
};

static inline int64_t node_count(const struct node_rows *rows) {
    return rows->offsets[rows->sessions];
}

/* Edges to node i from nodes of the same session: at[first[i] .. first[i + 1]), with their weights. */
struct node_edges {
    const int64_t *first; /* [nodes + 1] */
    const int32_t *at;
    const real *weight;
};

/* e_n = <v, tanh(q_s + k_n)> of the nodes n of session s: q [sessions, d], k [n, d], v [1, d] -> [n, 1]. */
struct tensor *op_node_scores(struct tape *tape, struct tensor *q, struct tensor *k,
                              struct tensor *v, const struct node_rows *rows);

/* a = softmax of e over the nodes of each session, [n, 1] -> [n, 1]. */
struct tensor *op_node_softmax(struct tape *tape, struct tensor *e, const struct node_rows *rows);

/* y_n = a_n sigma(u_s + w_n) . x_n, or with `rest` a_n (1 - sigma(u_s + w_n)) . x_n: a [n, 1],
 * u [sessions, d], w, x [n, d] -> [n, d]. */
struct tensor *op_node_gate(struct tape *tape, struct tensor *a, struct tensor *u, struct tensor *w,
                            struct tensor *x, const struct node_rows *rows, bool rest);

/* y_s = sum of x_n over the nodes of session s, [n, d] -> [sessions, d]. */
struct tensor *op_node_sum(struct tape *tape, struct tensor *x, const struct node_rows *rows);

/* Nodes that edges come from: z [m, >= d] from column `column` on. */
struct node_source {
    struct tensor *z; /* NULL: there are none */
    int64_t column;
    const struct node_edges *edges;
};

/* What comes in along the edges: of each source s, y_n[s d .. (s + 1) d) = sum over its edges to n of
 * weight z_j. Returns [n, sources d]. */
struct tensor *op_node_spread(struct tape *tape, const struct node_source source[2], int64_t d,
                              const struct node_rows *rows);

#endif
