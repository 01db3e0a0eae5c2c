/* Which items occur together in training sequences: of each item its strongest neighbours in either
 * domain, which every rank has of all items. With u_i the sequences that have item i and n_ij those that
 * have i and j, the strength of a pair is
 *     s_ij = n_ij / sqrt( (u_i + 20) (u_j + 20) )
 * a similarity of item neighbourhoods, by sequences; decided here. What a training sequence
 * is told of its own items leaves itself out,
 *     s_ij = (n_ij - 1) / sqrt( (u_i + 19) (u_j + 19) )       i and j both in it,
 * or else the graph would tell it its targets. Not collective unless said. */
#ifndef CORE_MODELS_ITEM_GRAPH_H
#define CORE_MODELS_ITEM_GRAPH_H
#include "core/models/fit.h"
#include "partition/item_block.h"
#include <stdbool.h>

struct item_graph {
    int64_t items, a_items;
    int64_t most;       /* neighbours of an item in one domain; 0: there is no graph */
    int32_t *neighbour; /* [items, DOMAINS, most] the strongest first; -1: there are no more */
    int32_t *together;  /* the same: n */
    int32_t *sequences; /* [items] u */
};

/* Collective. From the training sequences of all ranks; the same on all ranks, whatever their number.
 * Of equally strong neighbours the smaller items are kept. Of `fit` no system of equations is asked. */
void item_graph_make(struct item_graph *graph, const struct fit *fit, int64_t items,
                     int64_t a_items, int64_t most);
void item_graph_free(struct item_graph *graph); /* safe on a zeroed object; zeroes it */

/* Bytes that it takes of each rank. */
int64_t item_graph_bytes(int64_t items, int64_t most);

/* The neighbours of item i in domain d begin at this place. */
static inline int64_t item_graph_at(const struct item_graph *graph, int32_t i, int d) {
    return (i * DOMAINS + d) * graph->most;
}

/* s_ij from n_ij; `own`: for a training sequence that has both. */
double item_graph_strength(const struct item_graph *graph, int32_t i, int32_t j, int32_t together,
                           bool own);

#endif
