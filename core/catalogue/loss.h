/* Cross-entropy over a set of items too large for a [positions, items] matrix.
 *
 * A head h compares states q_h [T, d_h] with item rows e_h [N, d_h]. Its logit of item i at
 * position t is
 *     z_h(i) = <q_h[t], e_h(i)>.
 * With candidates C and the target y, which counts once whether or not it is one of them, and with
 * weights w of sum 1,
 *     P(i) = sum over h of w_h softmax_{C + y}(z_h)(i)    probability fusion (LLM-EMF, eq. 8)
 *     P(i) = softmax_{C + y}(sum over h of z_h)(i)        logit fusion
 * and the loss is the sum over positions of -log P(y) (LLM-EMF, eqs 9-10). The same code serves the
 * exact loss (candidates are a range of the item table) and the sampled one (they are K gathered
 * rows).
 *
 * With `gbce` = beta > 0 the loss is another, generalised binary cross-entropy (gSASRec: Petrov,
 * Macdonald, 2023, eq. 6, without its mean) over the logit z = sum over h of z_h:
 *     -beta log sigma(z(y)) - sum over candidates i of log(1 - sigma(z(i))).
 * Sigmoids take the place of the exponentials then, and nothing is normalised.
 *
 * Where the tape says bfloat16, operands of the products are rounded to it (core/gemm_bf16.h);
 * exponentials, their sums, the targets' logits and all gradients are `real`.
 *
 * The candidates may be shared out among ranks (`collectives`); the call is collective then.
 *
 * Memory is bounded whatever T and N are. Useful work is 6 T |C| d flops for a head whose item rows
 * are learned, 4 T |C| d for another. */
#ifndef CORE_CATALOGUE_LOSS_H
#define CORE_CATALOGUE_LOSS_H
#include "core/catalogue/hits.h"
#include "core/collectives.h"
#include "core/option.h"
#include "core/status.h"
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

    double gbce; /* exponent beta of gBCE; 0: softmax. One head, or logit fusion; no collectives */
    double weight;        /* of one position in the total loss */
    int64_t buffer_bytes; /* 0: CATALOGUE_BUFFER */
};

/* Returns the unweighted sum of -log P(target), or of the gBCE. When the tape records, the
 * gradients of weight * that sum are added to q, items, positives and fusion_logits at once: the
 * loss is the end of the tape. */
double catalogue_loss(struct tape *tape, const struct catalogue_loss *loss);

#endif
