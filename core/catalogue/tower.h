/* Scores that layers make of a user's and an item's part of the first one (NCF):
 *     h_1 = relu(u + a_i),   h_k = W_k relu(h_(k-1)) + b_k,   score(i) = the one number of the last h.
 * A struct query_scorer; a sample's state is its u. Not collective. */
#ifndef CORE_CATALOGUE_TOWER_H
#define CORE_CATALOGUE_TOWER_H
#include "core/catalogue/query.h"

enum { TOWER_LAYERS = OPTION_LIST };

struct tower_layer {
    int64_t out, in;
    const real *w, *b; /* [out, in], [out] */
};

struct tower {
    int64_t width;     /* of u and a_i */
    const real *items; /* [items, width] the parts a_i */
    int layers;
    struct tower_layer layer[TOWER_LAYERS]; /* the first has `in` = width, the last `out` = 1 */

    real *scratch; /* [threads, room] */
    int64_t room;
};

/* The scorer of a tower, which outlives it as the arena's memory does; the state is the caller's to
 * add. Of a dry arena the scratch is only counted. */
struct query_scorer tower_scorer(struct tower *tower, struct arena *arena);

#endif
