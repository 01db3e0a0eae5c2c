/* Memory of one step: allocated piece by piece, given back all at once. Not collective, one thread.
 *
 * After the first step the arena is one block larger than what was needed, so later steps allocate
 * nothing. */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
    struct arena_block *top; /* newest block first */
    size_t used, peak;       /* bytes handed out now; the most ever */
    bool dry;                /* only count: every address is NULL */
};

/* A place to return to. */
struct arena_mark {
    struct arena_block *block;
    size_t at, used;
};

/* `count` * `size` bytes, 64-byte aligned, uninitialised, valid until reset or release. A zeroed
 * struct arena is empty and ready. */
void *arena_alloc(struct arena *arena, int64_t count, size_t size);

/* Give back what was allocated since the mark (scratch of one operation). */
struct arena_mark arena_mark(const struct arena *arena);
void arena_release(struct arena *arena, struct arena_mark mark);

void arena_reset(struct arena *arena); /* give back everything, keep the memory */
void arena_free(struct arena *arena);

#endif
