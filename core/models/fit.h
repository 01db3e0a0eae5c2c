/* What a model that is fitted in closed form is given, in place of training steps, and what its fit
 * takes. core knows no MPI: jobs/engine/fit.h fills this in. */
#ifndef CORE_MODELS_FIT_H
#define CORE_MODELS_FIT_H
#include "core/collectives.h"
#include "core/status.h"
#include "partition/item_block.h"
#include <stdint.h>

/* Parameters are real numbers, which tell this many items apart in single precision. */
enum { FIT_ITEMS = 1 << 24 };

/* Users' sequences, one after the other; s is items[offsets[s] .. offsets[s + 1]). */
struct fit_sequences {
    int64_t count;
    int64_t *offsets; /* [count + 1] */
    int32_t *items;
};

/* Rows [lo, hi) of a symmetric n x n matrix, [hi - lo, n]: to be filled in, or to be read. */
typedef void fit_rows_fn(void *state, int64_t lo, int64_t hi, double *rows);

struct fit {
    struct fit_sequences local;            /* of the training sequences a block of this rank's, of
                                            * each the last max_len + 1 items */
    const struct collectives *collectives; /* of all ranks, under either placement */
    void *context;                         /* the first argument of the calls below */

    /* Collective. The sequences of all ranks that have an item i with owner[i] this rank, in the
     * order of the data set; owner[i] of every item, -1: nobody. Memory is the caller's. */
    void (*bring)(void *context, const int32_t *owner, struct fit_sequences *out);

    /* Collective. The inverse of a positive definite n x n matrix, the same n on all ranks, as
     * mpi/inverse.h: `give` is asked for the rows that this rank has by grid_rows
     * (partition/grid.h), `take` is given the same rows of the inverse. STATUS_FAIL, with a message
     * on one rank, when there is none. */
    enum status (*invert)(void *context, int n, fit_rows_fn *give, fit_rows_fn *take, void *state);
};

/* Collective. Where every rank makes the rows of a block of each domain's items (item_block_of): the
 * sequences that have one of its items, memory the caller's; and rows [items] of `bytes` bytes, of
 * which a rank has those of its block and gets all. */
void fit_bring_items(const struct fit *fit, int64_t a_items, int64_t items,
                     struct fit_sequences *out);
void fit_gather_items(const struct fit *fit, int64_t a_items, int64_t items, void *rows,
                      int64_t bytes);

/* Of the training sequences, each of its last max_len + 1 items. */
struct fit_size {
    int ranks, threads;
    int64_t sequences, events;
    int64_t pairs;                              /* the sum of the squares of their lengths */
    int64_t longest;                            /* length */
    int64_t (*inverse_bytes)(int n, int ranks); /* that `invert` takes of a rank */
};

/* Of one rank, beside the parameters. */
struct fit_cost {
    int64_t bytes; /* at its fullest */
    double flops;  /* of products */
    double counts; /* additions to a counter anywhere in memory */
};

/* Events that `bring` brings to a rank, if items were owned at random: those of a sequence of L
 * items with probability 1 - (1 - 1 / ranks)^L. Not collective. */
int64_t fit_brought(const struct fit_size *size);

/* The last `most` items of each of n sequences. Not collective; memory is the caller's. */
struct fit_sequences fit_sequences_of(const int64_t *offsets, const int32_t *items, int64_t n,
                                      int64_t most);
void fit_sequences_free(struct fit_sequences *sequences); /* safe on a zeroed object; zeroes it */

struct fit_size fit_size_of(const struct fit_sequences *sequences, int ranks, int threads);

#endif
