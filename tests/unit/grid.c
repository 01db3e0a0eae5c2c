#include "partition/grid.h"
#include "tests/balanced.h"
#include <criterion/criterion.h>

BALANCED(grid);

static void check_rows(int64_t n, int size) {
    int64_t at = 0;
    for (int rank = 0; rank < size; rank++) {
        struct range r = grid_rows(n, size, rank);
        cr_assert(r.lo == at && r.hi >= r.lo, "n %ld size %d rank %d", n, size, rank);
        cr_assert(r.hi - r.lo == grid_block(n, size) || r.hi == n);
        at = r.hi;
    }
    cr_assert_eq(at, n);
}

Test(grid, ranks_have_every_row_once) {
    for (int64_t n = 0; n < 40; n++)
        for (int size = 1; size < 12; size++)
            check_rows(n, size);
    cr_expect_eq(grid_rows(INT32_MAX, 1000, 999).hi, INT32_MAX);
}

/* With enough tiles every process computes, and no grid of them is squarer. */
Test(grid, uses_all_processes_squarely) {
    for (int size = 1; size <= 64; size++) {
        struct grid g = grid_shape(size, 1000);
        cr_expect_eq(g.rows * g.columns, size);
        cr_expect(g.rows <= g.columns);
        for (int r = g.rows + 1; r * r <= size; r++)
            cr_expect(size % r != 0, "%d x %d for %d", g.rows, g.columns, size);
    }
}

Test(grid, no_process_without_a_tile) {
    for (int size = 1; size <= 64; size++)
        for (int tiles = 1; tiles < 12; tiles++) {
            struct grid g = grid_shape(size, tiles);
            cr_expect(g.rows >= 1 && g.rows <= tiles && g.columns <= tiles);
            cr_expect(g.rows * g.columns <= size);
        }
}

/* Two hops save messages where there is a grid, and are taken as long as the bytes do not outweigh
 * them. */
Test(grid, hops) {
    cr_expect_eq(grid_messages(1024, false), 1023);
    cr_expect_eq(grid_messages(1024, true), 62);
    cr_expect_eq(grid_messages(12, true), 5);
    cr_expect_eq(grid_messages(13, true), 12);
    cr_expect(!grid_hops(13, 0) && !grid_hops(2, 0) && !grid_hops(1, 0));
    cr_expect(grid_hops(1024, 961.0 * GRID_MESSAGE - 1));
    cr_expect(!grid_hops(1024, 961.0 * GRID_MESSAGE));
}
