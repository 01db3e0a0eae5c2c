/* Grids of processes: for linear algebra, with the blocks of a matrix that is held by rows, and for
 * messages from all to all in two hops. Not collective. */
#ifndef PARTITION_GRID_H
#define PARTITION_GRID_H
#include "partition/range.h"
#include <stdbool.h>

struct grid {
    int rows, columns;
};

/* For `size` processes and a matrix of tiles x tiles tiles: as square as `size` allows, rows <=
 * columns, but no row or column of the grid without a tile. It may leave processes out. */
struct grid grid_shape(int size, int64_t tiles);

/* Messages of one process to all others, in one hop or, over a grid of all of them, in two. */
int grid_messages(int size, bool two_hops);

/* Bytes that take as long as the start of a message: 1 us or 2 at a rank's part of an adapter. */
enum { GRID_MESSAGE = 1 << 13 };

/* Are two hops faster, where a process has `bytes` bytes for the others in all? Each byte is sent once
 * more, messages are saved. */
bool grid_hops(int size, double bytes);

/* The block length that holds `n` things on `size` ranks: ceil(n / size). */
int64_t grid_block(int64_t n, int size);

/* Rank `rank`'s rows of n: a block, with the last ranks that have any having fewer and those after
 * them none, as ScaLAPACK lays out one block per process. */
struct range grid_rows(int64_t n, int size, int rank);

#endif
