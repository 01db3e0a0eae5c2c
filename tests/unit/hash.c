/* Hashes of tensors by parts, and the search for numbers that are not finite. */
#include "core/hash.h"
#include "core/params.h"
#include "core/rng.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 70001 }; /* several blocks, and a last one that is not full */

static float x[N];
static double y[N];

static void fill(void) {
    for (int i = 0; i < N; i++)
        x[i] = (float)(y[i] = rng_normal(rng_key(1, RNG_TEST, 0, 0), (uint64_t)i));
}

/* The sum written out. */
static uint64_t plain(const void *values, size_t size, int64_t n, int64_t first) {
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t bits = 0;
        memcpy(&bits, (const char *)values + (size_t)i * size, size);
        sum += rng_bits(bits, (uint64_t)(first + i));
    }
    return sum;
}

Test(hash, is_the_sum_over_elements, .init = fill) {
    cr_expect_eq(hash_elements(x, sizeof *x, N, 0), plain(x, sizeof *x, N, 0));
    cr_expect_eq(hash_elements(y, sizeof *y, N, 5), plain(y, sizeof *y, N, 5));
    cr_expect_eq(hash_elements(x, sizeof *x, 0, 0), 0);
}

Test(hash, parts_add_up, .init = fill) {
    uint64_t whole = hash_elements(x, sizeof *x, N, 0), sum = 0;
    for (int64_t lo = 0; lo < N; lo += 12345) {
        int64_t n = N - lo < 12345 ? N - lo : 12345;
        sum += hash_elements(x + lo, sizeof *x, n, lo);
    }
    cr_expect_eq(sum, whole);
}

Test(hash, every_bit_and_every_place_counts, .init = fill) {
    uint64_t whole = hash_elements(x, sizeof *x, N, 0);
    for (int k = 0; k < 32; k++) {
        uint32_t bits;
        memcpy(&bits, &x[1000 * k], sizeof bits);
        bits ^= UINT32_C(1) << k;
        memcpy(&x[1000 * k], &bits, sizeof bits);
        cr_expect_neq(hash_elements(x, sizeof *x, N, 0), whole, "bit %d", k);
        bits ^= UINT32_C(1) << k;
        memcpy(&x[1000 * k], &bits, sizeof bits);
    }
    float first = x[3];
    x[3] = x[4];
    x[4] = first;
    cr_expect_neq(hash_elements(x, sizeof *x, N, 0), whole, "two that change places");
}

Test(hash, first_not_finite_is_the_first) {
    static real z[N];
    static const int64_t at[] = {0, 4095, 4096, 50000, N - 1};
    cr_expect_eq(first_not_finite(z, N), -1);
    cr_expect_eq(first_not_finite(z, 0), -1);
    for (int k = 4; k >= 0; k--) {
        z[at[k]] = k % 2 ? (real)-INFINITY : (real)NAN;
        cr_expect_eq(first_not_finite(z, N), at[k]);
    }
}
