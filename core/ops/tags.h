/* An item's row from its tags (the formula is decided here). Not collective.
 *
 *     E[i] = x / |x|,  x = sum_k a_k t_k,  a = softmax_k( r_k / kappa + <u, t_k> )
 *
 * over the tags k of item i with weights r and vectors t; without u all a_k are the same. An item
 * without tags, or whose vectors cancel, has a zero row. */
#ifndef CORE_OPS_TAGS_H
#define CORE_OPS_TAGS_H
#include "core/tape.h"

/* Tags of item i: entries offsets[i] .. offsets[i + 1]. The caller's. */
struct tag_table {
    int64_t tags, dim;
    const real *vectors;    /* [tags, dim] unit norm or zero */
    const int64_t *offsets; /* [items + 1] */
    const int32_t *tag;     /* by entry */
    const float *weight;    /* by entry, >= 0 */
};

/* Rows [n, dim] of the items item[0..n) (NULL: 0..n-1), which stay valid until backward. u
 * [1, dim] or NULL. Only u takes a gradient. */
struct tensor *op_tags(struct tape *tape, const struct tag_table *table, const int32_t *item,
                       int64_t n, struct tensor *u, double kappa, real eps);

#endif
