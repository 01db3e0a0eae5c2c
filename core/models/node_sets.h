/* The graphs of sessions, as far as they are known before any number is: which items are nodes, and which
 * edges join them (core/models/item_graph.h). A session is the mixed stream of a sequence up to one of its
 * items. Not collective.
 *
 * Nodes are, `most` at most: the session's latest distinct items, up to a half of these; then of the items
 * that are neighbours of these, from either domain as many, those with the greatest sum of strengths over the
 * session's items. An edge joins two nodes of which one is among the other's neighbours; its weight is their
 * strength, and those of a node's edges with nodes of one domain are divided by their sum. All this is
 * decided here; the authors' nodes and edges come from a knowledge graph, the rest of their nodes at
 * random. */
#ifndef CORE_MODELS_NODE_SETS_H
#define CORE_MODELS_NODE_SETS_H
#include "core/batch.h"
#include "core/models/item_graph.h"
#include "core/ops/nodes.h"

/* Nodes of the domain of their session's last item, and of the other domain. */
enum node_side { NODE_IN, NODE_CROSS, NODE_SIDES };

struct node_set {
    struct node_rows rows;
    int32_t *item;                      /* [nodes] */
    struct node_edges from[NODE_SIDES]; /* to its nodes, from those of either side */
};

struct node_sets {
    int64_t sessions;
    const int32_t *token; /* [sessions] of the mixed stream, the last of the session, ascending */
    struct node_set side[NODE_SIDES];
};

/* Of the sessions that end at the given tokens. With `own` the sequences are training sequences, which
 * leave themselves out. Memory is the arena's, dry or not. */
void node_sets_make(struct arena *arena, const struct item_graph *graph, const struct stream *mixed,
                    int64_t items, int64_t a_items, const int32_t *token, int64_t sessions,
                    int64_t most, bool own, struct node_sets *sets);

#endif
