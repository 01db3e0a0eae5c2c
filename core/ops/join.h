/* Columns side by side. Not collective. */
#ifndef CORE_OPS_JOIN_H
#define CORE_OPS_JOIN_H
#include "core/tape.h"

/* y = [a | b], a [T, m], b [T, n] -> [T, m + n]. */
struct tensor *op_join(struct tape *tape, struct tensor *a, struct tensor *b);

/* y = [x's first n columns | 1], x [T, >= n] -> [T, n + 1]: what a state is where the rows of items
 * end with a bias. */
struct tensor *op_append_one(struct tape *tape, struct tensor *x, int64_t n);

#endif
