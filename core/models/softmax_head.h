/* How states are compared with the catalogue, which all models share. A head m compares states h
 * with the item rows e_i of one table:
 *     logit_i = exp(tau) <h, e_i> / (|h| |e_i|)     SIMILARITY_COSINE
 *     logit_i = exp(tau) <h, e_i>                   SIMILARITY_DOT
 * and the next item's loss is a softmax over candidates, of one head or fused over several
 * (core/catalogue/loss.h). Not collective unless said. */
#ifndef CORE_MODELS_SOFTMAX_HEAD_H
#define CORE_MODELS_SOFTMAX_HEAD_H
#include "core/models/model.h"

/* How the heads become one score; without, there is one head. */
struct head_fusion {
    enum fusion fusion;
    struct tensor *logits; /* [1, heads], learned: the weights are their softmax; NULL: `weights` */
    double weights[OPTION_LIST];
};

/* Declare the next head, whose item rows are those of table `table` or, of width `dim`, the model's
 * own (table -1). The factor exp(tau) is model.scale where that is a number; learned, it is
 * a parameter under `name` for the cosine, and 1 for the inner product. STATUS_INPUT when the attention heads
 * do not divide the width, unless that is of a learned table: model.dim, or of states that no encoder
 * makes. */
CHECKED enum status softmax_head_add(struct model *model, int table, int64_t dim,
                                     enum similarity similarity, const char *name);

/* Scaled states q of head m: <q, e> is the logit, with e of norm 1 for the cosine. */
struct tensor *softmax_head_query(struct model *model, struct tape *tape, int m, struct tensor *h);

/* Sum of -log P(target) over the positions of stream s with targets in the candidate sets first ..
 * last (see tables_candidates); the gradients of `weight` times it go to the tape. q[m] [tokens,
 * dim] by head; `fusion` NULL where there is one. Collective in the exact loss where items are
 * shared out. */
double softmax_head_loss(struct model *model, struct pass *pass, int s, int first, int last,
                         struct tensor *const *q, const struct head_fusion *fusion, double weight);

/* What a loss takes of the tokens of a stream beside their states. */
struct token_terms {
    const double *share;  /* what the position of each counts, 0: it is left out; NULL: all once */
    struct tensor *other; /* [tokens, 1] of an exact or a sampled softmax: the logit of a class that
                           * is no item (core/catalogue/loss.h); NULL: there is none */
    struct tensor *mixture; /* [tokens, 2] with what is known of the target otherwise (the same);
                             * NULL: nothing is */
};

/* The same with `terms`. */
double softmax_head_loss_terms(struct model *model, struct pass *pass, int s, int first, int last,
                               struct tensor *const *q, const struct head_fusion *fusion,
                               double weight, const struct token_terms *terms);

/* ---- for core/models/model.c ---- */

/* Fill in the view's rows that the losses compare states with. */
void softmax_head_rows(struct model *model, struct tape *tape, struct item_view *view);

/* After the last loss of a step, before anything else adds to the gradients of the view's rows. */
void softmax_head_finish(struct model *model, struct tape *tape, const struct item_view *view);

/* ---- for the models' queries ---- */

/* Add head m to a term of a query: q [samples, dim] are its states, the softmax is over the
 * candidates and the weight 1, which the caller may change. */
struct query_head *softmax_head_compare(const struct model *model, const struct pass *pass, int m,
                                        const real *q, const struct query *query,
                                        struct query_term *term);

/* States q [samples, dim] of head m that a history's last state in stream s gives, from the states
 * h of all tokens (NULL where the stream has none): zero where a sample has no sequence. */
const real *softmax_head_last(struct model *model, const struct pass *pass, int m, int s,
                              struct tensor *h);

#endif
