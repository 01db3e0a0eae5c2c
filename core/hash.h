/* A hash of the numbers of a tensor that several ranks can take together: the sum modulo 2^64, over
 * the elements, of a mix of an element's bits and its index in the whole tensor. The hashes of any
 * parts add up to that of the whole, in any order. A change of one element always shows, because
 * the mix is one-to-one for each index; a change of several hides with a chance of 2^-64. Not
 * cryptographic. Not collective. */
#ifndef CORE_HASH_H
#define CORE_HASH_H
#include <stddef.h>
#include <stdint.h>

/* Of n elements of `size` (4 or 8) bytes that are the elements first, first + 1, ... of the whole.
 */
uint64_t hash_elements(const void *x, size_t size, int64_t n, int64_t first);

#endif
