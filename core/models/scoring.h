/* How states are compared with the catalogue, which all models share: unit-norm item rows, scaled
 * unit states (methods 3.1, 3.2), the loss of a stream's positions over candidate sets and what a
 * ranking needs. Not collective unless said. */
#ifndef CORE_MODELS_SCORING_H
#define CORE_MODELS_SCORING_H
#include "core/models/model.h"

/* Item rows of a step, by term. */
struct item_side {
    struct tensor *input[OPTION_LIST];                      /* of the encoders */
    struct tensor *positive[OPTION_LIST];                   /* the same rows with unit norm ... */
    struct tensor *candidates[CANDIDATE_SETS][OPTION_LIST]; /* ... unless the loss divides them */
    const struct item_set *set; /* whose rows those are; NULL: of all items */
};

/* Of an item set or, if it is NULL, of whole tables. */
void scoring_side(struct model *model, struct tape *tape, struct item_set *set,
                  struct item_side *side);

/* Row of the side's input of each token of stream s, and of its targets. */
const int32_t *side_index(const struct item_side *side, const struct batch *batch, int s);
const int32_t *side_targets(const struct item_side *side, const struct batch *batch, int s);

/* Declare the temperatures of the model's terms (model.scale). */
void scoring_declare(struct model *model);

/* Scaled unit states q = exp(tau) h / |h| of term m: <q, e> is the logit. */
struct tensor *scoring_query(struct model *model, struct tape *tape, int m, struct tensor *h);

/* Sum of -log P over the positions of stream s with targets in the candidate sets first .. last
 * (see tables_candidates); the gradients of `weight` times it go to the tape. q[m] [tokens, d] by
 * term; `fusion_logits` as in struct catalogue_loss. Collective in the exact loss where items are
 * shared out. */
double scoring_loss(struct model *model, struct tape *tape, const struct batch *batch, int s,
                    int first, int last, const struct item_side *side, struct tensor *const *q,
                    struct tensor *fusion_logits, double weight);

/* After the last loss of a step, before anything else adds to the gradients of the side's rows. */
void scoring_finish(struct model *model, struct tape *tape, const struct item_side *side);

/* Everything of a ranking but the streams' states, presence and weights, and `weights`. The
 * softmaxes are over the target's domain. */
void scoring_ranking(const struct model *model, const struct batch *batch, const int32_t *target,
                     int domain, struct ranking *ranking);

/* The rows q [n, d], of sample[k] each, as one row per sample: those of other samples are zero. */
const real *scoring_spread(struct tape *tape, const struct batch *batch, const struct tensor *q,
                           const int32_t *sample, int64_t n, int64_t d);

#endif
