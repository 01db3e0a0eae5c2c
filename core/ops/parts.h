/* Rows that all ranks need and would make alike: each makes a part of them, and all get the whole.
 * The ranks are those of tape->peers, part r of n rows is n r / size .. n (r + 1) / size - 1. */
#ifndef CORE_OPS_PARTS_H
#define CORE_OPS_PARTS_H
#include "core/collectives.h"
#include "core/tape.h"

/* The first row of a rank's part; of rank `size`, n. */
int64_t part_first(const struct collectives *peers, int64_t n, int rank);

/* This rank's part of the rows of x, in place: no copy, and the gradient is a part of x's. A
 * parameter with a dense gradient, or a constant. Not collective. */
struct tensor *op_take_part(struct tape *tape, struct tensor *x);

/* All n rows, of which every rank has made its part. Gradients of all ranks are added where a part
 * was made, so that what comes before it in the tape sees their sum, and parameters of parts get
 * their share of the sum over the ranks as others do. Collective, backward too. */
struct tensor *op_join_parts(struct tape *tape, struct tensor *part, int64_t n);

#endif
