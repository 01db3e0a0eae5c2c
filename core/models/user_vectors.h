/* Users as vectors, in models that have no encoder: what stands for a user at a token of the mixed
 * stream. In training that is with model.user
 *     table    a learned vector of the training sequence, at all its tokens
 *     mean     (E[s_1] + ... + E[s_t]) / t, of the items up to the token
 * and in a ranking the mean, as its users have none: those that the table knows are not asked for
 * (C: hidasib, GRU4Rec, baselines.py, BPR). Not collective.
 *
 * The table is not shared out with the item tables: every rank holds it. Its gradient is dense, or
 * with train.optimizer=lazy_adamw that of the rows of the step's users. */
#ifndef CORE_MODELS_USER_VECTORS_H
#define CORE_MODELS_USER_VECTORS_H
#include "core/models/model.h"

struct user_vectors {
    int64_t dim;
    int table; /* parameter [users, dim], -1: there is none */
};

/* Declare the table `users`, if there is one: before what is above it, as its gradient comes last. */
void user_vectors_add(struct model *model, struct user_vectors *users, int64_t dim);

/* Vectors [tokens of the mixed stream, >= dim] of a training batch or, of a pass that does not train
 * (step 0), of histories. Means are of the rows `items` [*, >= dim] of the view that the pass reads,
 * whose further columns they have too. */
struct tensor *user_vectors_run(const struct user_vectors *users, struct model *model,
                                struct pass *pass, struct tensor *items);

#endif
