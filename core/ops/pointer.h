/* A switch between two distributions of the next item, one over all items and one over the nodes of a
 * session, as numbers for core/catalogue/loss.h. Not collective. Source: Ma et al., "Mixed information
 * flow for cross-domain sequential recommendations", TKDD 2022, its switch and loss. */
#ifndef CORE_OPS_POINTER_H
#define CORE_OPS_POINTER_H
#include "core/ops/nodes.h"

/* Sessions whose switch is z and whose nodes have scores e. Arrays are the caller's until backward. */
struct pointer_part {
    struct tensor *z, *e; /* [sessions, 1], [n, 1] */
    struct node_rows rows;
    const int32_t *row;    /* [sessions] where the mixture of a session goes */
    const int32_t *target; /* [sessions] its node, -1: it is none of them */
};

enum { POINTER_PARTS = 2 };

/* Of every session with nodes
 *     m_0 = log(1 - P_g),   m_1 = log( P_g a_target ),   P_g = sigma(z),  a = softmax of e over its nodes
 * m_1 -inf where the target is no node; of all other rows (0, -inf), all to the first distribution.
 * Returns m [rows, 2]. */
struct tensor *op_pointer(struct tape *tape, const struct pointer_part *parts, int count,
                          int64_t rows);

/* The sum over sessions with nodes, of which the target is none, of -log( exp(m_0) + 1e-4 ), which trains
 * the switch. Where the tape records, the gradient of `weight` times it is added to m: the loss is the
 * end of the tape. */
double pointer_loss(struct tape *tape, struct tensor *m, const struct pointer_part *parts,
                    int count, double weight);

#endif
