/* Stable sorting of events by time. Not collective. */
#ifndef IO_READERS_ORDER_H
#define IO_READERS_ORDER_H
#include <stdint.h>

/* Fill order[n] with 0..n-1 so that key[order[.]] rises; equal keys keep their order. */
void stable_order(const double *key, int64_t n, int64_t *order);

#endif
