/* Blocks of all sizes, and the arena's use of them. */
#include "core/mem.h"
#include "core/arena.h"
#include "tests/balanced.h"
#include <criterion/criterion.h>
#include <string.h>

BALANCED(mem);

/* Small blocks are the C library's, large ones are mapped: the limit lies at 1 MiB. */
Test(mem, blocks_on_both_sides_of_the_limit) {
    const int64_t sizes[] = {0, 1, 63, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    unsigned char *block[COUNT];
    for (int i = 0; i < COUNT; i++) {
        block[i] = mem_alloc(sizes[i], 1);
        cr_expect_eq((uintptr_t)block[i] % 64, 0, "%ld bytes", (long)sizes[i]);
        memset(block[i], i + 1, (size_t)sizes[i]);
    }
    cr_expect_eq(mem_live(), COUNT);
    for (int i = 0; i < COUNT; i++) {
        for (int64_t k = 0; k < sizes[i]; k++)
            cr_assert_eq(block[i][k], i + 1, "byte %ld of %ld", (long)k, (long)sizes[i]);
        mem_free(block[i]);
    }
}

Test(mem, resizing_keeps_what_is_there) {
    unsigned char *p = NULL;
    int64_t have = 0;
    for (int64_t size = 1000; size < 8 << 20; size = size * 3 + 1) {
        p = mem_resize(p, size, 1);
        for (int64_t k = 0; k < have; k++)
            cr_assert_eq(p[k], k % 251, "byte %ld of %ld", (long)k, (long)have);
        for (have = 0; have < size; have++)
            p[have] = (unsigned char)(have % 251);
    }
    p = mem_resize(p, 10, 1);
    cr_expect_eq(p[9], 9);
    mem_free(p);
    p = mem_zero(3 << 20, 1);
    for (int64_t k = 0; k < 3 << 20; k++)
        cr_assert_eq(p[k], 0);
    mem_free(p);
}

/* Scratch that is given back leaves no block; after the reset one block holds a step like the last,
 * scratch included. */
Test(mem, arena_gives_scratch_back) {
    struct arena arena = {0};
    for (int step = 0; step < 3; step++) {
        arena_reset(&arena);
        arena_alloc(&arena, 1000, 8);
        int64_t before = mem_live();
        for (int i = 0; i < 3; i++) {
            struct arena_mark mark = arena_mark(&arena);
            memset(arena_alloc(&arena, 3 << 20, 1), 1, 3 << 20);
            cr_expect_eq(mem_live() > before, step == 0, "step %d", step);
            arena_release(&arena, mark);
            cr_expect_eq(mem_live(), before);
            cr_expect_eq(arena.used, 8000);
        }
    }
    cr_expect_eq(arena.peak, 8000 + (3 << 20));
    arena_free(&arena);
}

Test(mem, a_dry_arena_counts_numbers) {
    struct arena arena = {.dry = true};
    int32_t *index = arena_alloc(&arena, 3, sizeof *index);
    index[2] = 1; /* indices are there */
    struct arena_mark mark = arena_mark(&arena);
    int64_t live = mem_live();
    cr_expect_not_null(arena_numbers(&arena, INT64_C(1) << 40, 8));
    cr_expect_eq(arena.used, 64 + ((size_t)8 << 40));
    arena_release(&arena, mark);
    cr_expect_eq(arena.used, 64);
    cr_expect_eq(arena.peak, 64 + ((size_t)8 << 40));
    arena_reset(&arena);
    cr_expect_eq(mem_live(), live, "what was counted is not taken");
    arena_free(&arena);
}
