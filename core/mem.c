#include "core/mem.h"
#include "core/log.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { ALIGN = 64, LARGE = 1 << 20 };

/* Stands in the ALIGN bytes before every block. */
struct head {
    int64_t bytes;
};

static _Atomic int64_t live, bytes_now;
static void (*failure_hook)(void);

void mem_on_failure(void (*hook)(void)) {
    failure_hook = hook;
}

_Noreturn void mem_fail(int64_t count, size_t size) {
    struct rlimit limit;
    bool limited = !getrlimit(RLIMIT_AS, &limit) && limit.rlim_cur != RLIM_INFINITY;
    while (log_is_held())
        (void)log_release(); /* nobody gets over this one */
    (void)log_error(STATUS_FAIL, "out of memory: asked for %lld x %zu bytes with %lld in use%s",
                    (long long)count, size, (long long)bytes_now,
                    limited ? "; the address space is limited, see ulimit -v" : "");
    if (failure_hook)
        failure_hook();
    exit(STATUS_FAIL);
}

/* Bytes to ask the system for, with room for the head and for rounding. */
static size_t gross(size_t bytes) {
    return (bytes + (size_t)2 * ALIGN) / ALIGN * ALIGN;
}

/* Large blocks are mapped: the C library would keep what one step needed for the process when it is
 * freed, in addition to what the next one needs. They ask for huge pages, with which the tensors of
 * a step miss the TLB less. AddressSanitizer watches only the library's. */
static bool is_mapped(size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
    (void)bytes;
    return false;
#else
    return bytes >= LARGE;
#endif
}

static void *take(size_t bytes) {
    if (!is_mapped(bytes))
        return aligned_alloc(ALIGN, gross(bytes));
    void *p = mmap(NULL, gross(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    (void)madvise(p, gross(bytes), MADV_HUGEPAGE);
    return p;
}

static void give(void *p, size_t bytes) {
    if (!is_mapped(bytes))
        free(p);
    else
        munmap(p, gross(bytes));
}

void *mem_alloc(int64_t count, size_t size) {
    size_t want, total;
    if (count < 0 || __builtin_mul_overflow((size_t)count, size, &want) ||
        __builtin_add_overflow(want, (size_t)2 * ALIGN, &total))
        mem_fail(count, size);
    struct head *head = take(want);
    if (!head)
        mem_fail(count, size);
    head->bytes = (int64_t)want;
    atomic_fetch_add(&live, 1);
    atomic_fetch_add(&bytes_now, head->bytes);
    return (char *)head + ALIGN;
}

void *mem_zero(int64_t count, size_t size) {
    void *p = mem_alloc(count, size);
    return memset(p, 0, (size_t)count * size);
}

static struct head *head_of(void *p) {
    return (struct head *)((char *)p - ALIGN);
}

void *mem_resize(void *p, int64_t count, size_t size) {
    void *q = mem_alloc(count, size);
    if (p) {
        size_t have = (size_t)head_of(p)->bytes, want = (size_t)count * size;
        memcpy(q, p, have < want ? have : want);
        mem_free(p);
    }
    return q;
}

void mem_reserve(void *p, int64_t *room, int64_t count, size_t size) {
    void **block = p;
    if (*block && count <= *room)
        return;
    mem_free(*block);
    *room = count + count / 4 + 1;
    *block = mem_alloc(*room, size);
}

char *mem_string(const char *s) {
    size_t n = strlen(s) + 1;
    return memcpy(mem_alloc((int64_t)n, 1), s, n);
}

void mem_free(void *p) {
    if (!p)
        return;
    struct head *head = head_of(p);
    atomic_fetch_sub(&live, 1);
    atomic_fetch_sub(&bytes_now, head->bytes);
    give(head, (size_t)head->bytes);
}

int64_t mem_live(void) {
    return live;
}
