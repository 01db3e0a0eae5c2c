#include "core/rng.h"
#include "core/permutation.h"
#include "tests/balanced.h"
#include <criterion/criterion.h>
#include <math.h>

BALANCED(rng);

Test(rng, permutation_is_a_permutation) {
    enum { N = 1000 };
    int64_t p[N];
    char seen[N] = {0};
    rng_permutation(rng_key(3, RNG_TEST, 0, 0), N, p);
    for (int i = 0; i < N; i++) {
        cr_assert(p[i] >= 0 && p[i] < N && !seen[p[i]]);
        seen[p[i]] = 1;
    }
}

Test(rng, normal_has_unit_moments) {
    enum { N = 100000 };
    double sum = 0, squares = 0;
    uint64_t key = rng_key(1, RNG_TEST, 2, 3);
    for (uint64_t i = 0; i < N; i++) {
        double x = rng_normal(key, i);
        sum += x, squares += x * x;
    }
    cr_expect(fabs(sum / N) < 5 / sqrt(N));
    cr_expect(fabs(squares / N - 1) < 5 * sqrt(2.0 / N));
}

Test(rng, below_is_uniform) {
    enum { N = 70000, K = 7 };
    int count[K] = {0};
    uint64_t key = rng_key(1, RNG_TEST, 0, 0);
    for (uint64_t i = 0; i < N; i++)
        count[rng_below(key, i, K)]++;
    double chi2 = 0;
    for (int k = 0; k < K; k++)
        chi2 += pow(count[k] - (double)N / K, 2) / ((double)N / K);
    cr_expect(chi2 < 30, "chi2 %g of 6 degrees of freedom", chi2);
}

/* Some elements are followed to where the whole permutation has them. */
Test(rng, places_in_a_permutation) {
    enum { N = 1000 };
    const int64_t size[] = {1, 2, 3, 17, N};
    int64_t p[N], place[N];
    for (int k = 0; k < 5; k++)
        for (int64_t n = size[k], first = 0; first <= n; first += 1 + n / 7)
            for (int64_t count = 0; first + count <= n; count += 1 + n / 3) {
                uint64_t key = rng_key(3, RNG_TEST, (uint64_t)n, 0);
                rng_permutation(key, n, p);
                permutation_places(key, n, first, count, place);
                for (int64_t i = 0; i < count; i++)
                    cr_assert_eq(p[place[i]], first + i, "%ld of %ld", (long)(first + i), (long)n);
            }
}
