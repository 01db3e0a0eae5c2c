/* Grids of processes, and the blocks of a matrix that is held by rows, for linear algebra. Not
 * collective. */
#ifndef PARTITION_GRID_H
#define PARTITION_GRID_H
#include "partition/range.h"

struct grid {
    int rows, columns;
};

/* For `size` processes and a matrix of tiles x tiles tiles: as square as `size` allows, rows <=
 * columns, but no row or column of the grid without a tile. It may leave processes out. */
struct grid grid_shape(int size, int64_t tiles);

/* The block length that holds `n` things on `size` ranks: ceil(n / size). */
int64_t grid_block(int64_t n, int size);

/* Rank `rank`'s rows of n: a block, with the last ranks that have any having fewer and those after
 * them none, as ScaLAPACK lays out one block per process. */
struct range grid_rows(int64_t n, int size, int rank);

#endif
