#include "partition/grid.h"

static int64_t at_most(int64_t n, int64_t most) {
    return n < most ? n : most;
}

struct grid grid_shape(int size, int64_t tiles) {
    int rows = 1;
    for (int d = 2; d * d <= size; d++)
        if (size % d == 0)
            rows = d;
    return (struct grid){(int)at_most(rows, tiles), (int)at_most(size / rows, tiles)};
}

int grid_messages(int size, bool two_hops) {
    struct grid grid = grid_shape(size, size);
    return two_hops ? grid.rows + grid.columns - 2 : size - 1;
}

bool grid_hops(int size, double bytes) {
    int saved = grid_messages(size, false) - grid_messages(size, true);
    return bytes < (double)saved * GRID_MESSAGE;
}

int64_t grid_block(int64_t n, int size) {
    return n / size + (n % size != 0);
}

struct range grid_rows(int64_t n, int size, int rank) {
    int64_t block = grid_block(n, size);
    return (struct range){at_most(block * rank, n), at_most(block * (rank + 1), n)};
}
