/* The reference of SR-GNN: see reference.h. Every prefix by itself, with adjacency matrices. */
#ifndef TESTS_REFERENCE_SRGNN_H
#define TESTS_REFERENCE_SRGNN_H
#include "core/models/srgnn.h"
#include "tests/reference/reference.h"

static inline void ref_prepare_srgnn(const struct reference *r) {
    (void)r;
}

static inline double ref_srgnn_logit(const struct reference *r, void *state, int32_t item) {
    int64_t d = r->config->model.dim;
    double scale = r->config->model.scale;
    return scale * ref_dot(state, REF_NAMED(r, "embed.id") + item * d, d);
}

/* The nodes of a session, node[t] that of position t; returns their number. */
static inline int64_t ref_session_nodes(const int32_t *item, int64_t n, int32_t *of,
                                        int64_t *node) {
    int64_t nodes = 0;
    for (int64_t t = 0; t < n; t++) {
        for (node[t] = 0; node[t] < nodes && of[node[t]] != item[t]; node[t]++)
            ;
        if (node[t] == nodes)
            of[nodes++] = item[t];
    }
    return nodes;
}

/* The embedding of an item as a node. */
static inline void ref_session_item(const struct reference *r, int32_t item, double *e) {
    int64_t d = r->config->model.dim;
    for (int64_t c = 0; c < d; c++)
        e[c] = sqrt((double)d) * REF_NAMED(r, "embed.id")[item * d + c];
}

/* a = [ M_in (W_in e + b_in) | M_out (W_out e + b_out) ] of node i, M normalised by its rows. */
static inline void ref_session_edges(const struct reference *r, const int32_t *of, int64_t nodes,
                                     bool edge[REF_LENGTH][REF_LENGTH], int64_t i, double *a) {
    int64_t d = r->config->model.dim, degree[2] = {0, 0};
    memset(a, 0, (size_t)(2 * d) * sizeof *a);
    for (int64_t j = 0; j < nodes; j++) {
        degree[0] += edge[j][i];
        degree[1] += edge[i][j];
    }
    for (int64_t j = 0; j < nodes; j++) {
        double e[REF_DIM], z[2 * REF_DIM];
        ref_session_item(r, of[j], e);
        ref_linear(REF_NAMED(r, "edge.w"), REF_NAMED(r, "edge.b"), e, 2 * d, d, z);
        for (int64_t c = 0; c < d; c++) {
            a[c] += edge[j][i] ? z[c] / (double)degree[0] : 0;
            a[d + c] += edge[i][j] ? z[d + c] / (double)degree[1] : 0;
        }
    }
}

/* s of one session. */
static inline void ref_session(const struct reference *r, const int32_t *item, int64_t n,
                               double *s) {
    int64_t d = r->config->model.dim, node[REF_LENGTH];
    int32_t of[REF_LENGTH];
    bool edge[REF_LENGTH][REF_LENGTH] = {{false}};
    double h[REF_LENGTH][REF_DIM] = {{0}}, a[2 * REF_DIM], last[REF_DIM], key[REF_DIM],
           both[2 * REF_DIM] = {0};
    int64_t nodes = ref_session_nodes(item, n, of, node);
    for (int64_t t = 1; t < n; t++)
        edge[node[t - 1]][node[t]] = true;
    for (int64_t i = 0; i < nodes; i++) {
        ref_session_edges(r, of, nodes, edge, i, a);
        ref_session_item(r, of[i], h[i]);
        ref_gru(r, "gru", true, 2 * d, d, a, h[i]);
    }
    ref_linear(REF_NAMED(r, "read.last.w"), REF_NAMED(r, "read.last.b"), h[node[n - 1]], d, d,
               last);
    for (int64_t t = 0; t < n; t++) {
        double alpha = 0;
        ref_linear(REF_NAMED(r, "read.node.w"), REF_NAMED(r, "read.node.b"), h[node[t]], d, d, key);
        for (int64_t c = 0; c < d; c++)
            alpha += REF_NAMED(r, "read.q")[c] * ref_sigma(last[c] + key[c]);
        for (int64_t c = 0; c < d; c++)
            both[c] += alpha * h[node[t]][c];
    }
    memcpy(both + d, h[node[n - 1]], (size_t)d * sizeof *both);
    ref_linear(REF_NAMED(r, "read.out.w"), REF_NAMED(r, "read.out.b"), both, d, 2 * d, s);
}

static inline void ref_srgnn_states(const struct reference *r, const int32_t *item, int64_t n,
                                    double s[][REF_DIM]) {
    for (int64_t t = 0; t < n; t++)
        ref_session(r, item, t + 1, s[t]);
}

static inline void ref_srgnn_losses(const struct reference *r, const int32_t *items, int64_t length,
                                    double *sum, int64_t *count) {
    ref_next_item_losses(r, items, length, ref_srgnn_states, ref_srgnn_logit, sum, count);
}

static inline void ref_srgnn_scores(const struct reference *r, const int32_t *items, int64_t length,
                                    int domain, double *score) {
    ref_next_item_scores(r, items, length, domain, ref_srgnn_states, ref_srgnn_logit, score);
}

#endif
