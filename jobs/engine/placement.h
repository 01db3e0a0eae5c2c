/* Where the item tables are (train.placement) and how a step comes by their rows and hands back
 * their gradients.
 *
 * replicated: every rank has all rows. sharded: rank r of n has the r-th block of each domain's
 * rows of the learned tables, of their moments and of the frozen tables; rows are looked up where they are,
 * the gradients go there and are added in the order of the ranks, the exact softmax and the ranking
 * take each rank's own columns (core/collectives.h). */
#ifndef JOBS_ENGINE_PLACEMENT_H
#define JOBS_ENGINE_PLACEMENT_H
#include "core/models/model.h"
#include "mpi/lookup.h"
#include "mpi/reduce_sparse.h"

/* Gradients of learned item tables that come as rows, by table; empty for the others. */
struct item_grads {
    struct row_grad table[OPTION_LIST];
    struct row_grad users; /* likewise of a table of users, which all ranks hold */
};

struct placement {
    const struct comm *comm;
    bool sharded;
    int64_t *first; /* [2 size + 1] of the blocks that are shared out: item_block_first */
    struct collectives collectives;
    struct lookup lookup;                   /* sharded */
    struct reduce_sparse rows[OPTION_LIST]; /* replicated, sampled loss, by learned table */
    struct reduce_sparse users;             /* of a table of users, lazy AdamW */
};

/* Collective if sharded, as is its end. Both outlive the result. */
struct placement *placement_new(const struct comm *comm, const struct config *config,
                                const struct catalogue *shape);
void placement_free(struct placement *placement); /* NULL is allowed */

/* Not collective. Share the items of a catalogue out among the ranks of `collectives`, which
 * outlives it; NULL: every rank has all. */
void placement_share_out(struct catalogue *catalogue, const struct collectives *collectives);

/* Collective if sharded. Fill in the rows of an item set. */
void placement_fetch(struct placement *placement, const struct model *model, struct item_set *set);

/* Collective if sharded. Set pass->items to the rows that a ranking of pass->batch reads: `all`, of
 * all local items, where those are all items, else the rows of the batch's. Memory is the tape's. */
void placement_view(struct placement *placement, struct model *model, const struct item_view *all,
                    struct pass *pass);

/* Collective, after backward: the gradients that the item set holds, over all ranks. They are added
 * to the table's dense gradient, if it has one, and its rows are empty; else they are in *grads,
 * valid until the next call and as long as the tape. Without `exchange`, which is for measurements, they
 * are this rank's alone where tables are replicated. */
void placement_reduce(struct placement *placement, struct model *model, const struct item_set *set,
                      bool exchange, struct item_grads *grads);

/* Collective, after it: the same of the rows of users, into grads->users. */
void placement_reduce_users(struct placement *placement, const struct user_rows *users,
                            bool exchange, struct item_grads *grads);

/* Collective if sharded. Sum of squares of the gradient of everything. */
double placement_grad_square(const struct placement *placement, const struct model *model,
                             const struct item_grads *grads);

#endif
