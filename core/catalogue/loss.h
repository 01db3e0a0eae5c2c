/* Cross-entropy over a set of items too large for a [positions, items] matrix. Not collective.
 *
 * Given, per term (modality) m, states q_m [T, d_m] and item rows e_m, the logit of item i at
 * position t is z_m(i) = <q_m[t], e_m[i]>. With C the candidates and y the target (never itself
 * among the candidates that are summed, but always added to them): probability fusion   P(i) =
 * sum_m w_m softmax_{C + y}(z_m)(i)     LLM-EMF, eq. 8 logit fusion         P(i) = softmax_{C +
 * y}(sum_m z_m)(i) loss = sum over positions of -log P(y)                           LLM-EMF, eqs
 * 9-10 The same code serves `exact` (candidates = a range of the item table) and `sampled`
 * (candidates = K gathered rows).
 *
 * Method. Positions are taken in tiles, items in chunks, each product is a cache-sized GEMM. First
 * sweep: logits of a chunk, running maximum and sum of exponentials (online softmax: Milakov,
 * Gimelshein, 2018), and the not yet normalised state gradient, sum_i exp(z_i) e_i. Second sweep,
 * for learned item rows only: de_i += sum_t exp(z_ti) / S_t q_t. The exponentials of a position
 * tile are kept between the sweeps if that takes no more than CATALOGUE_BUFFER bytes with a tile
 * that is still efficient, otherwise they are computed again: three products of T x N x d then, or
 * four. Extra memory is bounded by a constant either way.
 *
 * The candidates may be shared out among ranks (`collectives`; the exact loss): a tile then holds
 * positions of all ranks. Each rank sweeps its own columns; the sums and state gradients go to the
 * rank whose position it is, the normalisers come back, and item gradients stay where the rows are.
 *
 * With `gbce` > 0 the loss is another: generalised binary cross-entropy (gSASRec: Petrov,
 * Macdonald, 2023, eq. 6, without its mean) over the logit z = sum_m z_m, -gbce log sigma(z(y)) -
 * sum over candidates of log(1 - sigma(z(i))). Candidates then stand on their own: the sigmoids
 * take the place of the exponentials, and nothing is normalised.
 *
 * Where the tape says bfloat16, operands of the products are rounded to it (core/gemm_bf16.h);
 * exponentials, their sums, the targets' logits and all gradients are `real`.
 *
 * Useful work: 6 T |C| d flops for a learned term, 4 T |C| d for a frozen one. */
#ifndef CORE_CATALOGUE_LOSS_H
#define CORE_CATALOGUE_LOSS_H
#include "core/collectives.h"
#include "core/option.h"
#include "core/status.h"
#include "core/tape.h"
#include "partition/item_block.h"
#include <stdint.h>

/* What the terms' weights mix. */
enum fusion { FUSION_PROBABILITY, FUSION_LOGIT };

enum { CATALOGUE_TERMS = OPTION_LIST, CATALOGUE_BUFFER = 32 << 20 };

struct catalogue_term {
    struct tensor *q;         /* [*, d] states */
    struct tensor *items;     /* [*, d] rows of the candidates */
    struct tensor *positives; /* [*, d] rows of the targets; may be `items` */

    /* > 0: rows of `items` are taken divided by their norm, at least eps, chunk by chunk, so that
     * no second table is needed; the gradients added to it are those of the divided rows, which
     * unit_norm_gradient turns into those of the rows when all losses are there. So are `positives`
     * if they are `items`. */
    real eps;
};

/* Candidate `column` does not count at position `row` (the target itself, an accidental hit). */
struct catalogue_hit {
    int64_t column;
    int64_t row;
};

struct catalogue_loss {
    int terms;
    struct catalogue_term term[CATALOGUE_TERMS];
    enum fusion fusion;
    struct tensor *fusion_logits; /* [1, terms], w = softmax of it, or NULL: fixed weights */
    double weights[CATALOGUE_TERMS];

    int64_t positions;
    const int32_t *row;               /* [positions] rows of q */
    const int32_t *positive;          /* [positions] rows of `positives` */
    int64_t lo, candidates;           /* rows [lo, lo + candidates) of `items` */
    const real *bias;                 /* [candidates] added to their logits; NULL: nothing is */
    const struct catalogue_hit *hits; /* sorted by column */
    int64_t hit_count;

    /* With collectives, which makes the call collective, the candidates of all ranks count, and
     * instead of hits: */
    const struct collectives *collectives; /* NULL: the candidates are all here */
    int64_t max_local;              /* at least the candidates of any rank; the same on all */
    const struct item_block *local; /* the items that are here: rows of `items` */
    const int32_t *target;          /* [positions] items of the targets */

    double gbce; /* exponent beta of gBCE; 0: softmax. One term, or logit fusion; no collectives */
    double weight;        /* of one position in the total loss */
    int64_t buffer_bytes; /* 0: CATALOGUE_BUFFER */
};

/* Returns the unweighted sum of -log P(target), or of the gBCE. When the tape records, the
 * gradients of weight * that sum are added to q, items, positives and fusion_logits at once: the
 * loss is the end of the tape. */
double catalogue_loss(struct tape *tape, const struct catalogue_loss *loss);

/* Hits of the exact loss: each position's own target, `target[t]` in [lo, lo + candidates). `hits`
 * has room for `n`. */
void catalogue_hits_of_targets(const int32_t *target, int64_t n, int64_t lo,
                               struct catalogue_hit *hits);

/* Hits of shared negatives: all (k, t) with negatives[k] == target[t], allocated in the arena. */
struct catalogue_hit *catalogue_hits_of_negatives(struct arena *arena, const int32_t *negatives,
                                                  int64_t k, const int32_t *target, int64_t n,
                                                  int64_t *count);

#endif
