/* Sum of the gradients of TREE_LEAVES virtual shards, the same bits for any number of ranks.
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
#ifndef MPI_TREE_H
#define MPI_TREE_H
#include "core/params.h"
#include "mpi/comm.h"

enum { TREE_LEVELS = 3, TREE_LEAVES = 1 << TREE_LEVELS, TREE_PIECE = 1 << 20 };

struct tree {
    const struct comm *comm;
    struct params *params;
    int leaves; /* of this rank */
    int done;   /* leaves added so far */
    real
        *level[TREE_LEVELS]; /* [params->dense] sums of 2^level leaves that wait for as many more */
    real *piece;             /* TREE_PIECE bytes of the partner's sum */
};

/* Not collective. The ranks divide TREE_LEAVES. */
void tree_open(struct tree *tree, const struct comm *comm, struct params *params);
void tree_close(struct tree *tree); /* safe on a zeroed object; zeroes it */

int64_t tree_bytes(const struct tree *tree); /* of its buffers */

/* Not collective. The gradients in params->g are those of this rank's next leaf. */
void tree_add(struct tree *tree);

/* Collective, when all leaves were added: params->g = the sum over all leaves, on all ranks. Ready
 * for the next sum. */
void tree_finish(struct tree *tree);

#endif
