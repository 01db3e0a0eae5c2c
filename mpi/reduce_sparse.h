/* Sum over ranks of a table's gradient that each rank has in some rows only.
 *
 * The ranks agree on the union of their rows (each gathers the others' row numbers, or all or a
 * bitmap of the table, whichever is smaller), put theirs into a compact buffer and sum that; or
 * they put them into a buffer of the whole table and sum that, which needs no agreement. The choice
 * is a function of what all ranks know, the table's shape and the number of rows each rank has, so
 * that a run repeats:
 *     dense   when   N w <= most w + ids + SPARSE_START,
 * N rows of w bytes, `most` the largest number of rows of a rank, which the union has at least,
 * ids = min(4 S, N / 4) bytes of the agreement, S the sum of the ranks' rows. SPARSE_START bytes
 * stand for the latency of its three messages. Beyond, the union is never larger than the table,
 * and the agreement never more than 1 / (4 w) of it. */
#ifndef MPI_REDUCE_SPARSE_H
#define MPI_REDUCE_SPARSE_H
#include "core/params.h"
#include "mpi/comm.h"

enum { SPARSE_START = 1 << 16 };

enum sparse_way { SPARSE_AUTO, SPARSE_UNION, SPARSE_WHOLE };

struct reduce_sparse {
    const struct comm *comm;
    int64_t table, cols; /* rows of the whole table, width */
    enum sparse_way way; /* SPARSE_AUTO; the others are for measurements */

    enum sparse_way taken; /* in the last sum */
    uint64_t *bits;        /* [table / 64] zero between calls */
    int32_t *row;          /* the union */
    real *sum;
    int64_t row_room, sum_room;
};

/* Not collective. */
void reduce_sparse_open(struct reduce_sparse *rows, const struct comm *comm, int64_t table,
                        int64_t cols);
void reduce_sparse_close(struct reduce_sparse *rows); /* safe on a zeroed object; zeroes it */

/* Collective. This rank has the gradients g [n, cols] (NULL: zero) of rows row[0..n), distinct and
 * ascending. *out, the same on all ranks, is valid until the next call. */
void reduce_sparse_sum(struct reduce_sparse *rows, const int32_t *row, int64_t n, const real *g,
                       struct row_grad *out);

#endif
