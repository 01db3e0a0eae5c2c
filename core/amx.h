/* The tiles of AMX: 8 registers of up to 16 rows of up to 64 bytes, and the operations on them that
 * a product in bfloat16 needs (Intel, "Intel 64 and IA-32 Architectures Software Developer's
 * Manual", volumes 1 and 2: "Programming with Intel AMX", LDTILECFG, TDPBF16PS). Not collective.
 *
 * Tile numbers are literals, 0 to 7. Operations that do not suit the shapes that are set up, and
 * all of them before amx_permitted, end the process with a signal.
 *
 * | operation | what |
 * |---|---|
 * | amx_configure(config) | sets the shapes of the calling thread's tiles, which become zero |
 * | amx_release() | none is set up any more: the system need not save them with the thread |
 * | amx_zero(t) | |
 * | amx_load(t, from, stride) | rows `stride` bytes apart |
 * | amx_store(t, to, stride) | |
 * | amx_product(c, a, b) | see below |
 *
 * Row p of b holds 16 columns' word p, row i of a the words of a row of a; a word is two neighbours
 * along k. The products with the first and those with the second half of the words are summed apart,
 * from zero, each step rounded once (fused); then both sums are added and the result is added to c:
 *
 *     s0 = 0;  s0 = a[i][p].first  * b[p][j].first  + s0    for p = 0, 1, ...
 *     s1 = 0;  s1 = a[i][p].second * b[p][j].second + s1
 *     c[i][j] = c[i][j] + (s0 + s1)
 *
 * Rounding is to nearest, ties to even; subnormal operands and results are zero.
 *
 * A test that defines AMX_EMULATED brings its own operations. */
#ifndef CORE_AMX_H
#define CORE_AMX_H
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

enum { AMX_TILES = 8, AMX_ROWS = 16, AMX_WORDS = 16 };

/* As LDTILECFG reads it. A tile of no rows and no bytes is not there. */
struct amx_config {
    uint8_t palette; /* 1 */
    uint8_t reserved[15];
    uint16_t row_bytes[16]; /* by tile; the upper half is zero */
    uint8_t rows[16];
};
static_assert(sizeof(struct amx_config) == 64, "the processor reads 64 bytes");

#ifndef AMX_EMULATED

/* Whether the processor has AMX with bfloat16 and the system gave this process leave to use it, for
 * which this asks. */
bool amx_permitted(void);

#ifdef __x86_64__
#include <immintrin.h>

#define AMX __attribute__((target("avx512f,amx-tile,amx-bf16")))

/* What was stored is in memory: the compilers' intrinsics do not say that they read it. */
#define AMX_FENCE __asm__ volatile("" ::: "memory")

AMX static inline void amx_configure(const struct amx_config *config) {
    __asm__ volatile("" ::"m"(*config) : "memory");
    _tile_loadconfig(config);
}

#define amx_release() _tile_release()
#define amx_zero(t) _tile_zero(t)
#define amx_load(t, from, stride)                                                                  \
    do {                                                                                           \
        AMX_FENCE;                                                                                 \
        _tile_loadd(t, from, stride);                                                              \
    } while (0)
#define amx_store(t, to, stride) _tile_stored(t, to, stride)
#define amx_product(c, a, b) _tile_dpbf16ps(c, a, b)
#endif
#endif

#endif
