/* Operands of products in bfloat16, packed for the cache: rounded to nearest, ties to even, and two
 * neighbours along k side by side in a word of 32 bits, the first one in its lower half. Subnormal
 * numbers become zero. An odd k is padded with a zero. Not collective.
 *
 * The processor's instructions do it, AVX-512 BF16: PACK_BF16 is defined where a build can have
 * them, pack_usable says whether this processor has them. */
#ifndef CORE_PACK_BF16_H
#define CORE_PACK_BF16_H
#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(CDSR_DOUBLE)
#define PACK_BF16
#include <immintrin.h>

#define BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))
#define BF16_INLINE BF16 inline __attribute__((always_inline))

enum { LANES = 16 };

/* A matrix as the packing sees it: members, which are the rows of a or the columns of b, of k
 * numbers each. */
struct operand {
    const float *x;
    int64_t ld;
    bool along_k; /* neighbours in memory are neighbours along k */
};

static inline int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static inline struct operand operand_part(struct operand o, int64_t member, int64_t k) {
    o.x += o.along_k ? member * o.ld + k : k * o.ld + member;
    return o;
}

/* The first n of 16 lanes: none of them if n < 0, all if n > 16. */
static BF16_INLINE __mmask16 first_lanes(int64_t n) {
    return (__mmask16)(n >= LANES ? 0xffffu : n > 0 ? (1u << n) - 1 : 0);
}

bool pack_usable(void);

/* Panels of `width` members, word by word side by side: out[span / width][words][width], span /
 * width rounded up. The last panel is filled up with zeros, and so is every member beyond its
 * (k + 1) / 2 words. */
void pack_panels(struct operand o, int64_t span, int64_t k, int64_t words, int width,
                 uint32_t *out);

/* Member by member: out[span][words], where `words` is the next multiple of 16 of (k + 1) / 2 and
 * what is too many is zero. */
void pack_rows(struct operand o, int64_t span, int64_t k, int64_t words, uint32_t *out);

#endif
#endif
