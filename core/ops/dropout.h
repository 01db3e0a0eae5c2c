/* Dropout decided by counter-based random numbers: whether element (token, column) of a layer
 * survives depends on the layer's key and the token's key only, never on where the token stands in
 * a batch or on which rank. Not collective.
 *
 * Probabilities are rounded to multiples of 2^-16. Masks are drawn again in backward, not stored.
 */
#ifndef CORE_OPS_DROPOUT_H
#define CORE_OPS_DROPOUT_H
#include "core/real.h"
#include "core/rng.h"
#include <stdint.h>

struct dropout {
    uint64_t key;              /* of (seed, step, layer) */
    const uint64_t *token_key; /* [T] of (sample, position) */
    uint32_t threshold;        /* an element survives if its 16 bits are >= this; 0: no dropout */
    real scale;                /* of the survivors, 1 / (1 - p) */
};

extern const struct dropout dropout_none;

/* Dropout with probability p in [0, 1). */
struct dropout dropout_make(double p, uint64_t key, const uint64_t *token_key);

/* One row of `n` elements: out = mask * scale * x (out may be x). */
void dropout_row(const struct dropout *d, int64_t row, int64_t n, const real *x, real *out);

/* The same with the row's index chosen freely below the token (attention weights: row = head). */
void dropout_subrow(const struct dropout *d, int64_t token, int64_t subrow, int64_t n,
                    const real *x, real *out);

#endif
