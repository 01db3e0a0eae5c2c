/* What models have in common that learn from the targets of the mixed stream alone: which of those
 * count (train.target), what they stand against (model.mixed_softmax), what a stream has of another in
 * time, and a history's last token. Not collective unless said. */
#ifndef CORE_MODELS_MIXED_STREAM_H
#define CORE_MODELS_MIXED_STREAM_H
#include "core/models/softmax_head.h"
#include "core/ops/dropout.h"

/* Is a target in the domain of train.target? */
bool mixed_stream_trains_on(const struct model *model, int32_t target);

/* How many targets of the mixed stream are. */
int64_t mixed_stream_count(const struct model *model, const struct batch *batch);

/* The tokens of those targets, and how many. Memory is the tape's. */
int32_t *mixed_stream_positions(const struct model *model, struct tape *tape,
                                const struct batch *batch, int64_t *n);

/* Does this rank take part in loss k? It has tokens, or items are shared out and other ranks do. */
bool mixed_stream_has_loss(const struct model *model, const struct pass *pass, int k);

/* Loss k of those targets from the queries q [tokens of the mixed stream, dim] of head 0; the
 * gradients of its weighted mean go to the tape. Collective in the exact loss where items are
 * shared out. */
double mixed_stream_loss(struct model *model, struct pass *pass, int k, struct tensor *q);

/* The same with `terms`; of their shares count[k] is what all tokens count. */
double mixed_stream_loss_terms(struct model *model, struct pass *pass, int k, struct tensor *q,
                               const struct token_terms *terms);

/* Of a model with one head whose states follow from the mixed stream alone: states [tokens, dim] of
 * that stream, which has some. */
typedef struct tensor *mixed_stream_states_fn(struct model *model, const struct pass *pass);

/* `forward` of such a model, whose only loss is k, and its `query`: the logits of the last states.
 * Collective as mixed_stream_loss. */
void mixed_stream_forward(struct model *model, struct pass *pass, int k,
                          mixed_stream_states_fn *states);
void mixed_stream_query(struct model *model, struct pass *pass, mixed_stream_states_fn *states,
                        struct query *query);

/* Dropout of rows that belong to the tokens of stream s, with probability p in a training step; none
 * in a ranking. Every place of a model has a number of its own. */
struct dropout stream_dropout(const struct model *model, const struct pass *pass, int s, double p,
                              int place);

/* Of every token of stream `of`, the latest token of stream s up to it, -1: none. Memory is the
 * tape's. */
int32_t *stream_latest(struct tape *tape, const struct batch *batch, int of, int s);

/* y[j] = x[s][end[s][j] - 1], zero where end is 0, with s the stream of domain[j] (`own`) or of the
 * other domain; `end` NULL: row j. A stream without rows is NULL. Returns [n, d]. */
struct tensor *stream_choose(struct tape *tape, struct tensor *const x[DOMAINS],
                             const int32_t *domain, int64_t n, bool own, int32_t *const *end,
                             int64_t d);

/* y[j] = x[index[j]], zero where index[j] is negative or x NULL. Returns [n, d]. */
struct tensor *stream_pick(struct tape *tape, struct tensor *x, const int32_t *index, int64_t n,
                           int64_t d);

/* The last token of each sample's sequence in stream s, -1: none. Memory is the tape's. */
int32_t *stream_last_tokens(struct tape *tape, const struct batch *batch, int s);

/* The first token of the sequence in stream s of each sample, -1: none. Memory is the tape's. */
int32_t *stream_first_tokens(struct tape *tape, const struct batch *batch, int s);

/* Of every sample, has it a sequence in stream s? Memory is the tape's. */
bool *stream_present(struct tape *tape, const struct batch *batch, int s);

#endif
