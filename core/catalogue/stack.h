/* States of a query that are compared with the same item rows, stacked one under another: a chunk of
 * items is read, and divided by its norms, once for all softmaxes over it, and takes one product.
 * Not collective unless said.
 *
 * A row is what one softmax has of one sample: a state of each of its heads, its weight in the score
 * and its normaliser. Samples that lack a softmax have no row of it. */
#ifndef CORE_CATALOGUE_STACK_H
#define CORE_CATALOGUE_STACK_H
#include "core/catalogue/query.h"
#include "core/catalogue/rank_lists.h"
#include "core/catalogue/softmax.h"
#include "core/catalogue/tiles.h"

struct stack {
    int64_t lo, hi; /* items of its softmaxes */
    int threads;
    int heads;                          /* of each softmax, whose logits are summed */
    struct tile_head head[QUERY_HEADS]; /* states [rows, dim] */
    int64_t rows, room;                 /* its rows, and how many there could be */
    int64_t *first;                     /* [samples + 1]: sample t has [first[t], first[t + 1]) */
    double *weight;                     /* [rows] of the softmax in the score */
    real *error; /* [rows] a bound of the rounding of logits with item rows of norm 1 */

    /* With sums: */
    struct logsumexp *sum; /* [threads][candidates, others][rows] of the exponentials */
    double *log_sum;       /* [rows] the normalisers */
    double *inside; /* [rows] what the candidates have of the softmax, 1 where it has no others */
    real *peak;     /* [candidates, others][rows] and ... */
    double *joined; /* ... the same, for joining them over the ranks */
    real *z;        /* [threads][rows, CHUNK] exponentials, where these are not kept */
    real *kept;     /* [chunks of the candidates][rows, CHUNK] the same; NULL: not kept ... */
    bool keeps_logits; /* ... or the logits that they are of */
    real *shift;       /* [chunks of the candidates][rows] under which they were taken */
};

/* Stack `n` softmaxes of a query that are alike (query_softmax_alike). Memory is the arena's; of a
 * dry one it is only counted. */
void stack_open(struct stack *stack, struct arena *arena, const struct query *query,
                const struct query_softmax *softmax, int n, int threads);

/* Room for sums, and for the exponentials of the candidates, or their logits, where they are to be kept.
 */
void stack_open_sums(struct stack *stack, struct arena *arena, const struct query *query, bool keep,
                     bool logits);

/* z[rows, CHUNK]: the logits of a chunk. */
void stack_logits(const struct stack *stack, const struct chunk *chunk, int thread, real *z);

/* z[samples, CHUNK], of a stack of one softmax: the logits of the listed items of every sample alone;
 * the rest is left as it is. */
void stack_list_logits(const struct stack *stack, const struct rank_lists *lists, int64_t samples,
                       const struct chunk *chunk, int thread, real *z);

/* The largest norm of the item rows of a chunk as they are multiplied, at least 1. */
real stack_norm(const struct stack *stack, const struct chunk *chunk);

/* Take the normalisers, and what the candidates have, by a pass over all items. Collective with
 * collectives. */
void stack_normalise(struct stack *stack, const struct query *query);

/* z[rows, CHUNK]: the logits of a chunk of candidates, of a stack whose sums keep them if anything. */
void stack_kept_logits(const struct stack *stack, const struct chunk *chunk, int thread, real *z);

/* score[samples, CHUNK] += sum over the rows of a sample of weight exp(z - log_sum), of a chunk of
 * candidates. */
void stack_add_scores(const struct stack *stack, int64_t samples, const struct chunk *chunk,
                      int thread, real *score);

/* In double precision, the same for equal item rows wherever they stand: the logit of row r with
 * item row i, and what the rows of sample t add to that item's score. */
double stack_logit(const struct stack *stack, int64_t r, int64_t i);
double stack_score(const struct stack *stack, int64_t t, int64_t i);

/* What the rows of sample t add to the scores of all candidates together. */
double stack_mass(const struct stack *stack, int64_t t);

#endif
