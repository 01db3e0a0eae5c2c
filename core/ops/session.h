/* Session graphs of all prefixes of packed sequences: what SR-GNN computes of them. Not collective.
 * Source: Wu et al., "Session-based recommendation with graph neural networks", AAAI 2019.
 *
 * The graph of a prefix has the distinct items of the prefix as nodes, and an edge between two that
 * follow one another, once. From one prefix to the next there is at most one edge more, so that only
 * the two nodes at its ends have other neighbours than before: the graphs of all prefixes of a sequence
 * of n items have at most 2 n states of nodes among them. A *state* here is a node with its neighbours,
 * from one prefix on until it has others or occurs again. */
#ifndef CORE_OPS_SESSION_H
#define CORE_OPS_SESSION_H
#include "core/tape.h"

/* Neighbours of a state: tokens, at[first] .. at[first + n - 1]. */
struct session_neighbours {
    int32_t first, n;
};

struct session_state {
    int32_t token;                     /* where its item occurs */
    int32_t times;                     /* how often the item occurs in the prefix */
    int32_t from, until;               /* it is there for prefixes that end at from .. until - 1 */
    struct session_neighbours in, out; /* predecessors, successors */
};

struct session_graph {
    int64_t sequences, tokens, states;
    const int64_t *offsets;      /* [sequences + 1] tokens; borrowed */
    int64_t *first;              /* [sequences + 1] states */
    struct session_state *state; /* [states] */
    int32_t *last;     /* [tokens] state of the item of token t in the prefix that ends there */
    int32_t *in, *out; /* tokens that the neighbours point to */
    int64_t pairs;     /* of a prefix and a state in it */
};

/* Of the sequences with tokens offsets[s] .. offsets[s + 1] - 1, whose items are `item`. Memory is the
 * arena's, dry or not. */
void session_graph_make(struct arena *arena, const int32_t *item, const int64_t *offsets,
                        int64_t sequences, struct session_graph *graph);

/* What comes in along the edges: z [tokens, 2 d] -> [states, 2 d],
 *     y = [ mean over predecessors p of z_p[0 .. d) | mean over successors p of z_p[d .. 2 d) ],
 * zero where there is none. */
struct tensor *op_session_gather(struct tape *tape, struct tensor *z,
                                 const struct session_graph *graph);

/* The soft attention of every prefix to its nodes, as often as they occur:
 *     y_t = sum over states i in the prefix that ends at t of times_i <q, sigma(a_t + b_i)> h_i
 * a [tokens, d], b and h [states, d], q [1, d] -> [tokens, d]. The weights are not normalised. */
struct tensor *op_session_read(struct tape *tape, struct tensor *a, struct tensor *b,
                               struct tensor *h, struct tensor *q,
                               const struct session_graph *graph);

#endif
