/* Memory of one step: allocated piece by piece, given back all at once. Not collective, one thread.
 *
 * After the first step the arena is one block larger than what was needed, so later steps allocate
 * nothing.
 *
 * A dry arena tells how much a step takes without taking it: the numbers that kernels compute with
 * are only counted, and what decides their sizes, such as indices, is there as always. */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
    struct arena_block *top; /* newest block first */
    size_t used, peak;       /* bytes handed out now; the most ever */
    bool dry;                /* see above; to be set while the arena is empty */
};

/* A place to return to. */
struct arena_mark {
    struct arena_block *block;
    size_t at, used;
};

/* `count` * `size` bytes, 64-byte aligned, uninitialised, valid until reset or release. A zeroed
 * struct arena is empty and ready. */
void *arena_alloc(struct arena *arena, int64_t count, size_t size);

/* The same for what kernels alone read and write. In a dry arena the address is not NULL, but there
 * is nothing behind it. */
void *arena_numbers(struct arena *arena, int64_t count, size_t size);

/* Give back what was allocated since the mark (scratch of one operation). */
struct arena_mark arena_mark(const struct arena *arena);
void arena_release(struct arena *arena, struct arena_mark mark);

void arena_reset(struct arena *arena); /* give back everything, keep the memory */
void arena_free(struct arena *arena);

#endif
