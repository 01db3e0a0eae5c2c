#include "core/ops/dropout.h"
#include <string.h>

const struct dropout dropout_none = {.scale = 1};

struct dropout dropout_make(double p, uint64_t key, const uint64_t *token_key) {
    uint32_t threshold = (uint32_t)lrint(p * 65536);
    if (threshold > 65535)
        threshold = 65535;
    return (struct dropout){key, token_key, threshold, (real)(65536.0 / (65536.0 - threshold))};
}

/* Four elements share the 64 bits of one counter; eight counters fill a vector register. */
HOT static void mask_row(uint64_t key, uint32_t threshold, real scale, int64_t n, const real *x,
                         real *out) {
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        uint64_t bits[8];
        uint16_t lane[32];
        for (int k = 0; k < 8; k++)
            bits[k] = rng_bits(key, (uint64_t)(i / 4 + k));
        memcpy(lane, bits, sizeof lane);
        for (int k = 0; k < 32; k++)
            out[i + k] = lane[k] >= threshold ? scale * x[i + k] : 0;
    }
    for (; i < n; i++) {
        uint32_t lane = (uint32_t)(rng_bits(key, (uint64_t)(i / 4)) >> (16 * (i % 4))) & 0xFFFF;
        out[i] = lane >= threshold ? scale * x[i] : 0;
    }
}

static void apply(const struct dropout *d, uint64_t key, int64_t n, const real *x, real *out) {
    if (d->threshold)
        mask_row(key, d->threshold, d->scale, n, x, out);
    else if (out != x)
        memcpy(out, x, (size_t)n * sizeof *x);
}

void dropout_row(const struct dropout *d, int64_t row, int64_t n, const real *x, real *out) {
    apply(d, d->threshold ? d->key ^ d->token_key[row] : 0, n, x, out);
}

void dropout_subrow(const struct dropout *d, int64_t token, int64_t subrow, int64_t n,
                    const real *x, real *out) {
    apply(d, d->threshold ? rng_bits(d->key ^ d->token_key[token], (uint64_t)subrow) : 0, n, x,
          out);
}
