/* Counted, 64-byte aligned allocation. Not collective; the counters are safe between threads.
 *
 * Running out of memory is not survivable for a data-parallel job: the call prints one line and
 * ends the job through the hook (default: exit status 1). Sizes that come from a file are therefore
 * checked against the file before they are asked for. Every test ends with mem_live() == 0. */
#ifndef CORE_MEM_H
#define CORE_MEM_H
#include <stddef.h>
#include <stdint.h>

/* `count` * `size` bytes, uninitialised (mem_alloc) or zero (mem_zero); never NULL. */
void *mem_alloc(int64_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *mem_zero(int64_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *mem_resize(void *p, int64_t count, size_t size) __attribute__((returns_nonnull));
/* Room for `count` things in the block *p, whose room *room counts; a larger block takes its place,
 * with a quarter more, and what was there is lost. `p` is a pointer to the pointer. */
void mem_reserve(void *p, int64_t *room, int64_t count, size_t size);
char *mem_string(const char *s) __attribute__((returns_nonnull));
void mem_free(void *p); /* NULL is allowed */

int64_t mem_live(void); /* allocations not yet freed */

/* What these calls do when memory is out: for a library that asks for memory of its own. */
_Noreturn void mem_fail(int64_t count, size_t size);

void mem_on_failure(void (*hook)(void)); /* called after the message, must not return */

#endif
