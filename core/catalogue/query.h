/* What histories ask of the catalogue: a score for every candidate item i,
 *     score(i) = sum over terms of weight P(i)
 * where the P of a term is a softmax of logits z_h(i) = <q_h, e_h(i)>, of one head h or fused over
 * several:
 *     P(i) = sum over heads of weight_h softmax(z_h)(i)    probability fusion
 *     P(i) = softmax(sum over heads of z_h)(i)             logit fusion
 * A term may count a share of its weight that depends on the sample, and a few items of each sample may
 * have something added to their scores: a mixture of a softmax with probabilities of few items (MIFN).
 * LLM-EMF (eqs 8, 11, 12) has a term for each stream and a head for each modality.
 *
 * Where scores are no softmaxes, the model gives them itself: struct query_scorer. Queries of several
 * models are one query of parts, which core/catalogue/blend.h ranks by. */
#ifndef CORE_CATALOGUE_QUERY_H
#define CORE_CATALOGUE_QUERY_H
#include "core/arena.h"
#include "core/batch.h"
#include "core/catalogue/loss_input.h"
#include "core/catalogue/tiles.h"
#include "core/collectives.h"
#include "partition/item_block.h"
#include <stdbool.h>

enum {
    QUERY_TERMS = STREAMS,
    QUERY_HEADS = CATALOGUE_HEADS,
    QUERY_SOFTMAXES = QUERY_TERMS * QUERY_HEADS
};

struct query_head {
    const real *q;     /* [samples, dim] scaled states */
    const real *items; /* [items, dim] the rows that they are compared with */
    int64_t dim;
    real eps;       /* > 0: item rows are divided by their norm, at least eps */
    int64_t lo, hi; /* items of the softmax, with all candidates; in logit fusion alike */
    double weight;  /* in probability fusion; the heads' sum is 1 */
};

struct query_term {
    double weight;       /* 0: the term is left out */
    const bool *present; /* [samples] false: for this sample the term is left out */
    const real *share;   /* [samples] multiplies the weight; NULL: 1 */
    enum fusion fusion;
    int heads;
    struct query_head head[QUERY_HEADS];
};

/* out[samples, CHUNK] = the scores of a chunk of candidates, for samples of which `state` tells what
 * they are. Runs on thread `thread` of omp_get_max_threads(). A score is a function of the sample's
 * state and of the item alone, to the bit: not of the samples or items beside them, the chunk or
 * the thread. The target's is taken by itself, in a chunk of one item, and has to tie with equals. */
typedef void query_score_fn(const void *context, const void *state, int64_t samples,
                            const struct chunk *chunk, int thread, real *out);

struct query_scorer {
    query_score_fn *score; /* NULL: the terms are what is asked */
    const void *context;   /* of this rank: its item rows, scratch of its threads */
    const void *state;     /* [samples] what is known of a sample, which goes to all ranks ... */
    int64_t bytes;         /* ... in so many bytes; the same for all */
    double flops;          /* useful operations of a score, for query_flops */
};

/* What is added to the scores of terms: value[t, k] to that of item[t, k], no item twice in a row, -1:
 * none. */
struct query_added {
    int64_t width; /* 0: nothing is added */
    const int32_t
        *item; /* [samples, width] candidates; with collectives the items, wherever they are */
    const real *value; /* [samples, width] */
};

/* Where items are shared out, item rows are those of this rank: so are lo and hi everywhere. */
struct query {
    int64_t samples;
    int64_t lo, hi; /* candidates */
    int terms;
    struct query_term term[QUERY_TERMS];
    struct query_added added;
    struct query_scorer scorer; /* in place of terms */
    /* > 0: probability that the next item is one of the history's, which these share out; 0: what the
     * scores make of it */
    double repeats;
    const struct query *part; /* [parts] that rank together, in place of both */
    int parts;
    int64_t first; /* of the parts' samples: those that are asked for begin there */
    const struct collectives *collectives; /* NULL: all items are here */
    const struct item_block *local;        /* with collectives: the items that are here */
};

/* What has one normaliser: a head in probability fusion, all heads of a term in logit fusion. */
struct query_softmax {
    const bool *present; /* [samples] of the term */
    const real *share;   /* [samples] of the term; NULL: 1 */
    double weight;       /* of the term, times the head's */
    int heads;
    const struct query_head *head;
};

/* The next term of the query, of no heads yet, and the next head of a term, whose softmax is over
 * the candidates. */
struct query_term *query_add_term(struct query *query, double weight, const bool *present,
                                  enum fusion fusion);
struct query_head *query_add_head(const struct query *query, struct query_term *term);

/* The softmaxes of a query; returns how many they are. */
int query_softmaxes(const struct query *query, struct query_softmax softmax[QUERY_SOFTMAXES]);

/* Are both of the same items, and their states compared with the same rows? */
bool query_softmax_alike(const struct query_softmax *a, const struct query_softmax *b);

/* The query of n queries, of the same samples and candidates and not of parts themselves, that rank
 * together; one stays as it is. */
struct query query_together(const struct query *part, int n);

/* Has it, or one of its parts, `repeats`? */
bool query_has_repeats(const struct query *query);

/* The query of the samples [first, first + samples) alone. */
struct query query_part(const struct query *query, int64_t first, int64_t samples);

/* Useful operations of all scores: one product of every state that counts with every candidate, or
 * the scorer's, of which other ranks have as many. */
double query_flops(const struct query *query);

/* The query of the samples of all ranks, samples[r] of rank r, without terms of weight 0. Memory is
 * the arena's; of a dry one, states are only counted. Collective with collectives, without which
 * the samples are the same. */
struct query query_of_all(const struct query *query, struct arena *arena, const int64_t *samples);

#endif
