/* States against item rows, a tile at a time: the logits of some rows of states with a chunk of
 * items are one product that stays in the cache, and no [states, items] matrix is ever made. What
 * the loss and the ranking have in common. Not collective unless said. */
#ifndef CORE_CATALOGUE_TILES_H
#define CORE_CATALOGUE_TILES_H
#include "core/collectives.h"
#include "core/gemm.h"
#include <stdbool.h>
#include <stdint.h>

/* ---- chunks of items ---- */

enum { CHUNK = 512 }; /* items at a time */

struct chunk {
    int64_t number;    /* from 0 */
    int64_t lo, width; /* item rows [lo, lo + width) */
};

static inline int64_t chunk_count(int64_t items) {
    return (items + CHUNK - 1) / CHUNK;
}

typedef void chunk_fn(void *context, const struct chunk *chunk, int thread);

/* Call `visit` once for every chunk of the item rows [lo, hi), on `threads` threads, each of which
 * has a contiguous share of them, in ascending order. */
void chunks_visit(int64_t lo, int64_t hi, int threads, chunk_fn *visit, void *context);

/* ---- logits of a chunk ---- */

/* States and the item rows they are compared with. */
struct tile_head {
    int64_t dim;
    const real *states; /* [rows of the tile, dim] */
    const real *items;  /* [items, dim] */
    real eps;           /* > 0: item rows are divided by their norm, at least eps, chunk by chunk */
    real *divided;      /* with eps, scratch for that: [threads][room], CHUNK * dim or more */
    int64_t room;
};

/* z[rows, CHUNK]: the logits of the tile's rows with the chunk's items, summed over `heads` heads:
 *     z_ti = sum over heads h of <states_h[t], items_h[i] / norm>
 * Runs on thread `thread`, with a product that does so too. */
void tile_logits(const struct tile_head *head, int heads, gemm_fn *product, int64_t rows,
                 const struct chunk *chunk, int thread, real *z);

/* Make the chunk's item rows as they are multiplied. */
const real *tile_make_rows(const struct tile_head *head, const struct chunk *chunk, int thread);

/* The chunk's item rows as this thread last made them. */
const real *tile_rows(const struct tile_head *head, const struct chunk *chunk, int thread);

/* ---- tiles of positions ---- */

/* Tiles that together hold the positions of all ranks: tile i has the positions from i quota on of
 * every rank, at most `quota` of them, one rank after another. */
struct tiles {
    int rank, ranks;
    int64_t *positions;   /* [ranks] of every rank */
    int64_t total;        /* of all ranks */
    int64_t quota, count; /* positions of a rank in a tile; tiles */
    int64_t rows;         /* of a tile at most */
    bool keeps;           /* what is kept of each row fits into the memory for it */
};

struct tile {
    int64_t before, rows; /* rows of the tiles before this one, its own */
    int64_t *of_rank;     /* [ranks] its rows of every rank */
    int64_t home, own;    /* its rows [home, home + own) are this rank's positions ... */
    int64_t first;        /* ... from this one on */
};

/* Of `positions` positions of this rank. Collective with `collectives` (NULL: there is one rank).
 * Memory is the arena's. */
void tiles_open(struct tiles *tiles, struct arena *arena, const struct collectives *collectives,
                int64_t positions);

/* Choose the quota. Of every row `kept` bytes are to be kept, `budget` bytes in all: tiles are as
 * small as that asks, but where they would be too small for efficient products nothing is kept. */
void tiles_plan(struct tiles *tiles, int64_t kept, int64_t budget);

/* Lay out tile i. `of_rank` has room. */
void tiles_layout(const struct tiles *tiles, int64_t i, struct tile *tile);

/* The row of position p of `rank`, counted through all tiles. */
int64_t tiles_row(const struct tiles *tiles, int rank, int64_t p);

#endif
