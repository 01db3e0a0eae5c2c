/* The items that a rank's step or ranking works on, and their rows in the item tables: what a rank
 * needs of tables that it holds in part, and where the row-sparse gradient of a table stands. Not
 * collective. */
#ifndef CORE_MODELS_ITEM_SET_H
#define CORE_MODELS_ITEM_SET_H
#include "core/arena.h"
#include "core/batch.h"
#include "core/options.h"
#include "core/tensor.h"

enum { CANDIDATE_SETS = 3 }; /* X, Y, all */

struct item_negatives {
    int64_t n;      /* 0: none are drawn */
    int32_t *item;  /* [n], repetitions allowed */
    int32_t *place; /* [n] in the item set */
    real *bias;     /* [n] of their logits, train.logq; NULL: none */
};

/* Items that a model reads beside those of the batch. */
struct item_further {
    int64_t n;
    int32_t *item;  /* [n], repetitions allowed */
    int32_t *place; /* [n] in the item set */
};

struct item_set {
    int64_t n;
    int32_t *item; /* [n] distinct, ascending */

    int32_t *input[STREAMS];  /* [tokens] places of a stream's items in the set */
    int32_t *target[STREAMS]; /* [tokens] and of its targets; NULL without */
    struct item_negatives negatives[CANDIDATE_SETS]; /* that all positions share */
    struct item_negatives own[STREAMS]; /* [tokens, tables_own(...)] of each position, by stream */
    struct item_further further;
    const void *made; /* the model's own: what those are of */

    real *rows[OPTION_LIST];           /* by modality, [n, width of the table]: to be filled in, if
                                        * not NULL */
    struct tensor *table[OPTION_LIST]; /* the same on the tape; NULL: the model did not read them */
};

/* After backward the gradient of the set's rows of a learned table k, [n, width]; NULL: zero. */
static inline const real *item_set_gradient(const struct item_set *set, int k) {
    return set->table[k] ? set->table[k]->g : NULL;
}

/* The items of a batch, of its targets if `train`, and of the negatives and further items that are
 * already in `set`: fills in everything but rows and table. Memory is the arena's. */
void item_set_collect(struct arena *arena, const struct batch *batch, bool train,
                      struct item_set *set);

#endif
