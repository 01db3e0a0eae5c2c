/* Columns side by side. Not collective. */
#ifndef CORE_OPS_JOIN_H
#define CORE_OPS_JOIN_H
#include "core/tape.h"

/* y = [a | b], a [T, m], b [T, n] -> [T, m + n]. */
struct tensor *op_join(struct tape *tape, struct tensor *a, struct tensor *b);

#endif
