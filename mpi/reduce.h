/* Sum of the gradients of all ranks, started while backward still runs.
 *
 * The flat gradient block is cut into buckets of consecutive parameters. When the last gradient of
 * a bucket is complete, its MPI_Iallreduce starts, in pieces of COMM_PIECE bytes. Buckets must
 * start in the same order on all ranks although ranks may complete them in different order (a rank
 * can have no tokens of a stream), so a bucket waits until all before it in the agreed order, last
 * parameter first, have started. The gradients of whole item tables are complete when backward ends:
 * they are summed then, a piece after another, which takes no second buffer of their size. Tables held
 * in part or with gradients by rows are not summed here (mpi/reduce_sparse.h, mpi/lookup.h). */
#ifndef MPI_REDUCE_H
#define MPI_REDUCE_H
#include "core/params.h"
#include "mpi/comm.h"

enum { REDUCE_BUCKET = 1 << 18 }; /* bytes that are worth a message */

struct reduce_bucket {
    int64_t lo, hi; /* elements of the block */
    int members, waiting;
};

struct reduce {
    struct comm
        comm; /* of its own: what goes on at the same time, such as exchanges in backward, may
                       * come before a bucket on one rank and behind it on another */
    struct params *params;
    int buckets, next; /* next: the bucket to start, counting down */
    struct reduce_bucket *bucket;
    int *bucket_of; /* by parameter */
    MPI_Request *request;
    int64_t *bytes; /* of each */
    int requests, room;
    int64_t left; /* bytes that were not summed when the last reduce_finish began, for measurements */
};

/* Collective; lays out the buckets. */
void reduce_open(struct reduce *reduce, const struct comm *comm, struct params *params);
void reduce_close(struct reduce *reduce); /* collective; safe on a zeroed object; zeroes it */

/* Collective as a whole: begin, then every parameter ready once (any order), then finish, on all
 * ranks. After finish the gradients are sums over ranks, the same bits everywhere. */
void reduce_begin(struct reduce *reduce);
void reduce_ready(void *reduce, int param); /* a tape_ready_fn */
void reduce_finish(struct reduce *reduce);

#endif
