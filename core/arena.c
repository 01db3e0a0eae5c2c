#include "core/arena.h"
#include "core/mem.h"

enum { ALIGN = 64, SMALLEST = 1 << 20 };

struct arena_block {
    struct arena_block *below;
    size_t size, at;
    char *bytes;
};

static size_t round_up(size_t n) {
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static void push_block(struct arena *arena, size_t size) {
    struct arena_block *block = mem_alloc(1, sizeof *block);
    *block = (struct arena_block){arena->top, size, 0, mem_alloc((int64_t)size, 1)};
    arena->top = block;
}

static void pop_block(struct arena *arena) {
    struct arena_block *block = arena->top;
    arena->top = block->below;
    mem_free(block->bytes);
    mem_free(block);
}

static void count_bytes(struct arena *arena, size_t bytes) {
    arena->used += bytes;
    if (arena->used > arena->peak)
        arena->peak = arena->used;
}

void *arena_alloc(struct arena *arena, int64_t count, size_t size) {
    size_t want = round_up((size_t)count * size);
    if (!arena->top || arena->top->size - arena->top->at < want)
        push_block(arena, want > SMALLEST ? want : SMALLEST);
    void *p = arena->top->bytes + arena->top->at;
    arena->top->at += want;
    count_bytes(arena, want);
    return p;
}

void *arena_numbers(struct arena *arena, int64_t count, size_t size) {
    if (!arena->dry)
        return arena_alloc(arena, count, size);
    count_bytes(arena, round_up((size_t)count * size));
    return (void *)(uintptr_t)ALIGN;
}

struct arena_mark arena_mark(const struct arena *arena) {
    return (struct arena_mark){arena->top, arena->top ? arena->top->at : 0, arena->used};
}

void arena_release(struct arena *arena, struct arena_mark mark) {
    /* Scratch of later operations must not come on top of blocks that nothing uses any more. */
    while (arena->top != mark.block)
        pop_block(arena);
    if (mark.block)
        mark.block->at = mark.at;
    arena->used = mark.used;
}

/* Steps differ in size: the merged block has room for larger ones. Memory that is never touched
 * costs no pages. */
void arena_reset(struct arena *arena) {
    if (arena->top && (arena->top->below || (!arena->dry && arena->top->size < arena->peak))) {
        while (arena->top)
            pop_block(arena);
        if (!arena->dry) /* whose peak is not what it holds */
            push_block(arena, arena->peak + arena->peak / 2);
    }
    if (arena->top)
        arena->top->at = 0;
    arena->used = 0;
}

void arena_free(struct arena *arena) {
    while (arena->top)
        pop_block(arena);
    *arena = (struct arena){0};
}
