/* Means over the entries of a sparse matrix: what a node of a graph has of its neighbours. Not
 * collective. */
#ifndef CORE_OPS_SPARSE_MEAN_H
#define CORE_OPS_SPARSE_MEAN_H
#include "core/sparse.h"
#include "core/tape.h"

/* y[i] = sum over the entries k of row i of value_k x[column_k] / sum of value_k; zero where the row
 * has no entries. x [columns, d] -> [rows, d]; values are > 0. The matrix is the caller's, valid until
 * backward. */
struct tensor *op_sparse_mean(struct tape *tape, struct tensor *x, const struct sparse *matrix);

#endif
