/* Sum over ranks of a table's gradient that each rank has in some rows only.
 *
 * The ranks agree on the union of their rows (each gathers the others' row numbers, or all or a
 * bitmap of the table, whichever is smaller), put theirs into a compact buffer and sum that; or
 * they put them into a buffer of the whole table and sum that, which needs no agreement. The choice
 * is a function of what all ranks know, the table's shape and the number of rows each rank has, so
 * that a run repeats:
 *     dense   when   N w <= most w + ids + ROWS_START,
 * N rows of w bytes, `most` the largest number of rows of a rank, which the union has at least,
 * ids = min(4 S, N / 4) bytes of the agreement, S the sum of the ranks' rows. ROWS_START bytes
 * stand for the latency of its three messages. Beyond, the union is never larger than the table,
 * and the agreement never more than 1 / (4 w) of it. */
#ifndef MPI_ROWS_H
#define MPI_ROWS_H
#include "core/params.h"
#include "mpi/comm.h"

enum { ROWS_START = 1 << 16 };

enum rows_way { ROWS_AUTO, ROWS_SPARSE, ROWS_DENSE };

struct rows {
    const struct comm *comm;
    int64_t table, cols; /* rows of the whole table, width */
    enum rows_way way;   /* ROWS_AUTO; the others are for measurements */

    enum rows_way taken; /* in the last sum */
    uint64_t *bits;      /* [table / 64] zero between calls */
    int32_t *row;        /* the union */
    real *sum;
    int64_t row_room, sum_room;
};

/* Not collective. */
void rows_open(struct rows *rows, const struct comm *comm, int64_t table, int64_t cols);
void rows_close(struct rows *rows); /* safe on a zeroed object; zeroes it */

/* Collective. This rank has the gradients g [n, cols] (NULL: zero) of rows row[0..n), distinct and
 * ascending. *out, the same on all ranks, is valid until the next call. */
void rows_sum(struct rows *rows, const int32_t *row, int64_t n, const real *g,
              struct row_grad *out);

#endif
