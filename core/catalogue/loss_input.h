/* What a loss over the candidates is of: core/catalogue/loss.h. */
#ifndef CORE_CATALOGUE_LOSS_INPUT_H
#define CORE_CATALOGUE_LOSS_INPUT_H
#include "core/catalogue/hits.h"
#include "core/collectives.h"
#include "core/option.h"
#include "core/tape.h"
#include "partition/item_block.h"
#include <stdint.h>

/* What the heads' weights mix. */
enum fusion { FUSION_PROBABILITY, FUSION_LOGIT };

enum { CATALOGUE_HEADS = OPTION_LIST, CATALOGUE_BUFFER = 32 << 20 };

struct catalogue_head {
    struct tensor *q;         /* [*, d] states */
    struct tensor *items;     /* [*, d] rows of the candidates */
    struct tensor *positives; /* [*, d] rows of the targets; may be `items` */

    /* > 0: rows of `items` are taken divided by their norm, at least eps, chunk by chunk, so that
     * no second table is needed; the gradients added to it are those of the divided rows, which
     * unit_norm_gradient turns into those of the rows when all losses are there. So are `positives`
     * if they are `items`. */
    real eps;
};

struct catalogue_loss {
    int heads;
    struct catalogue_head head[CATALOGUE_HEADS];
    enum fusion fusion;
    struct tensor *fusion_logits; /* [1, heads], w = softmax of it, or NULL: fixed weights */
    double weights[CATALOGUE_HEADS];

    struct tensor
        *mixture; /* [*, 2] logarithms of the shares of a mixture, by row of q; NULL: none */

    int64_t positions;
    const int32_t *row;         /* [positions] rows of q */
    const int32_t *positive;    /* [positions] rows of `positives` */
    int64_t lo, candidates;     /* rows [lo, lo + candidates) of `items` */
    const real *bias;           /* [candidates] added to their logits; NULL: nothing is */
    struct catalogue_hits hits; /* candidates that do not count: the target itself */

    /* With collectives, which makes the call collective, the candidates of all ranks count, and
     * instead of hits: */
    const struct collectives *collectives; /* NULL: the candidates are all here */
    int64_t max_local;              /* at least the candidates of any rank; the same on all */
    const struct item_block *local; /* the items that are here: rows of `items` */
    const int32_t *target;          /* [positions] items of the targets */

    /* [*, 1] by row of q: the logit of one class more, which is no item and never the target. One
     * head, or logit fusion; no gBCE. NULL: there is none. */
    struct tensor *other;

    double gbce; /* exponent beta of gBCE; 0: softmax. One head, or logit fusion; no collectives */
    double weight;        /* of one position in the total loss */
    const double *share;  /* [positions] what each counts, of this rank's; NULL: 1 */
    int64_t buffer_bytes; /* 0: CATALOGUE_BUFFER */
};

#endif
