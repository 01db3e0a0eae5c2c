/* Sum of the gradients of REDUCE_SHARES virtual shards, the same bits for any number of ranks.
 *
 * Floating-point sums depend on their order, so the order is fixed: a complete binary tree over the
 * shards. Rank r of R computes the leaves [8 r / R, 8 (r + 1) / R), a whole subtree, one after
 * another; two sums of the same height are added as soon as both are there, like the carry of a
 * binary counter, so that log2(8 / R) sums wait at most. The subtrees of the ranks are joined by
 * recursive doubling: partners exchange their sums, and a + b = b + a to the last bit.
 *
 * Price beside mpi/reduce: log2(8 / R) blocks of the size of the parameters, log2(R) times the
 * block over the network where the best algorithm sends 2 (R - 1) / R, nothing hidden behind
 * backward. */
#ifndef MPI_REDUCE_ORDERED_H
#define MPI_REDUCE_ORDERED_H
#include "core/params.h"
#include "mpi/comm.h"

enum { REDUCE_LEVELS = 3, REDUCE_SHARES = 1 << REDUCE_LEVELS };

struct reduce_ordered {
    const struct comm *comm;
    struct params *params;
    int leaves;                 /* of this rank */
    int done;                   /* leaves added so far */
    real *level[REDUCE_LEVELS]; /* [params->dense] sums of 2^level leaves that wait for as many more
                                 */
    real *piece;                /* COMM_PIECE bytes of the partner's sum */
};

/* Not collective. The ranks divide REDUCE_SHARES. */
void reduce_ordered_open(struct reduce_ordered *ordered, const struct comm *comm,
                         struct params *params);
void reduce_ordered_close(struct reduce_ordered *ordered); /* safe on a zeroed object; zeroes it */

int64_t reduce_ordered_bytes(const struct reduce_ordered *ordered); /* of its buffers */

/* Not collective. The gradients in params->g are those of this rank's next leaf. */
void reduce_ordered_add(struct reduce_ordered *ordered);

/* Collective, when all leaves were added: params->g = the sum over all leaves, on all ranks. Ready
 * for the next sum. */
void reduce_ordered_finish(struct reduce_ordered *ordered);

#endif
