#include "core/catalogue/tiles.h"
#include "core/ops/norm.h"
#include <omp.h>

/* Rows of a tile at most, and at least where something is kept of them. */
enum { TILE = 512, TILE_KEPT = 64 };

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* ---- chunks of items ---- */

void chunks_visit(int64_t lo, int64_t hi, int threads, chunk_fn *visit, void *context) {
    int64_t chunks = chunk_count(hi - lo);
#pragma omp parallel num_threads(threads)
    {
        int k = omp_get_thread_num();
        for (int64_t c = chunks * k / threads; c < chunks * (k + 1) / threads; c++) {
            int64_t first = lo + c * CHUNK;
            visit(context, &(struct chunk){c, first, min64(CHUNK, hi - first)}, k);
        }
    }
}

/* ---- logits of a chunk ---- */

const real *tile_rows(const struct tile_head *head, const struct chunk *chunk, int thread) {
    return head->eps > 0 ? head->divided + thread * head->room
                         : head->items + chunk->lo * head->dim;
}

const real *tile_make_rows(const struct tile_head *head, const struct chunk *chunk, int thread) {
    if (head->eps > 0)
        unit_rows(head->items + chunk->lo * head->dim, chunk->width, head->dim, head->eps,
                  head->divided + thread * head->room);
    return tile_rows(head, chunk, thread);
}

void tile_logits(const struct tile_head *head, int heads, gemm_fn *product, int64_t rows,
                 const struct chunk *chunk, int thread, real *z) {
    for (int m = 0; m < heads; m++) {
        const struct tile_head *h = &head[m];
        product(NO_TRANS, TRANS, rows, chunk->width, h->dim, 1, h->states, h->dim,
                tile_make_rows(h, chunk, thread), h->dim, m > 0, z, CHUNK);
    }
}

/* ---- tiles of positions ---- */

void tiles_open(struct tiles *tiles, struct arena *arena, const struct collectives *collectives,
                int64_t positions) {
    *tiles = (struct tiles){.ranks = 1};
    if (collectives) {
        tiles->rank = collectives->rank;
        tiles->ranks = collectives->size;
        tiles->positions = collectives_gather_count(collectives, arena, positions);
    } else {
        tiles->positions = arena_alloc(arena, 1, sizeof *tiles->positions);
        tiles->positions[0] = positions;
    }
    for (int r = 0; r < tiles->ranks; r++)
        tiles->total += tiles->positions[r];
}

void tiles_plan(struct tiles *tiles, int64_t kept, int64_t budget) {
    int64_t most = 0, rows = TILE;
    for (int r = 0; r < tiles->ranks; r++)
        most = tiles->positions[r] > most ? tiles->positions[r] : most;
    int64_t fitting = kept > 0 ? budget / kept : TILE;
    tiles->keeps = fitting >= min64(TILE_KEPT, most * tiles->ranks);
    if (tiles->keeps)
        rows = min64(fitting, TILE);
    int64_t quota = min64(rows, most * tiles->ranks) / tiles->ranks;
    quota = quota > 0 ? quota : 1;
    tiles->count = (most + quota - 1) / quota;
    tiles->quota = (most + tiles->count - 1) / tiles->count; /* tiles of equal size */
    tiles->rows = tiles->quota * tiles->ranks;
}

void tiles_layout(const struct tiles *tiles, int64_t i, struct tile *tile) {
    int64_t first = i * tiles->quota;
    tile->before = tile->rows = 0;
    for (int r = 0; r < tiles->ranks; r++) {
        int64_t before = min64(tiles->positions[r], first);
        if (r == tiles->rank)
            tile->home = tile->rows;
        tile->of_rank[r] = min64(tiles->positions[r] - before, tiles->quota);
        tile->before += before;
        tile->rows += tile->of_rank[r];
    }
    tile->first = first;
    tile->own = tile->of_rank[tiles->rank];
}

int64_t tiles_row(const struct tiles *tiles, int rank, int64_t p) {
    int64_t first = p / tiles->quota * tiles->quota, row = p - first;
    for (int r = 0; r < tiles->ranks; r++) {
        int64_t before = min64(tiles->positions[r], first);
        row += before;
        if (r < rank)
            row += min64(tiles->positions[r] - before, tiles->quota);
    }
    return row;
}
