/* Moments in time, exact where a double is not, and stable sorting by them. Not collective. */
#ifndef IO_READERS_ORDER_H
#define IO_READERS_ORDER_H
#include <stdbool.h>
#include <stdint.h>

/* Seconds since 1970 or whatever the source counts, and the rest in 10^-18 of them, not below 0. */
struct moment {
    int64_t seconds, rest;
};

static inline bool moment_same(struct moment a, struct moment b) {
    return a.seconds == b.seconds && a.rest == b.rest;
}

static inline bool moment_after(struct moment a, struct moment b) {
    return a.seconds > b.seconds || (a.seconds == b.seconds && a.rest > b.rest);
}

/* Fill order[n] with 0..n-1. */
void identity_order(int64_t n, int64_t *order);

/* Rearrange order[n], some of the indices of `key`, so that key[order[.]] rises; equal keys keep
 * their order. */
void stable_order(const struct moment *key, int64_t n, int64_t *order);

#endif
