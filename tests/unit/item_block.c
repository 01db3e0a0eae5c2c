#include "partition/item_block.h"
#include "tests/balanced.h"
#include <criterion/criterion.h>

BALANCED(item_block);

/* Every item has one rank, which has it at one place, and the first block is the largest. */
static void check(int64_t a_items, int64_t items, int size) {
    int64_t first[DOMAINS * 9 + 1], owners, held = 0;
    struct item_block largest = item_block_of(a_items, items, size, 0);
    item_block_first(a_items, items, size, first);
    for (int64_t i = 0; i < items; i++) {
        owners = 0;
        for (int r = 0; r < size; r++) {
            struct item_block block = item_block_of(a_items, items, size, r);
            int64_t at = item_block_index(&block, i);
            owners += at >= 0;
            cr_assert(at < item_block_count(&block));
            cr_assert(at < 0 || item_block_item(&block, at) == i);
        }
        cr_assert_eq(owners, 1, "item %ld of %ld, %d ranks", i, items, size);
    }
    for (int r = 0; r < size; r++) {
        struct item_block block = item_block_of(a_items, items, size, r);
        held += item_block_count(&block);
        for (int d = 0; d < DOMAINS; d++) {
            cr_assert_eq(first[d * size + r], block.lo[d]);
            cr_assert_eq(first[d * size + r + 1], d || r < size - 1 ? block.hi[d] : a_items);
            cr_assert(item_block_rows(&block, d) <= item_block_rows(&largest, d));
            cr_assert(item_block_rows(&block, d) >= item_block_rows(&largest, d) - 1);
        }
    }
    cr_assert_eq(held, items);
}

Test(item_block, ranks_have_every_item_once) {
    for (int64_t items = 0; items < 30; items++)
        for (int64_t a_items = 0; a_items <= items; a_items++)
            for (int size = 1; size <= 9; size++)
                check(a_items, items, size);
}

Test(item_block, one_rank_has_all) {
    struct item_block all = item_block_of(3, 10, 1, 0);
    cr_expect(all.lo[0] == 0 && all.hi[0] == 3 && all.lo[1] == 3 && all.hi[1] == 10);
    for (int64_t i = 0; i < 10; i++)
        cr_expect_eq(item_block_index(&all, i), i);
    cr_expect_eq(item_block_index(&all, 10), -1);
}
