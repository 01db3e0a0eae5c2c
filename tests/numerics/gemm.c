/* Products in bfloat16 against a plain loop: on operands that the test rounds by its own means, to
 * the accuracy of the sums; on the operands as they are, to that of bfloat16. The product by tiles,
 * over tiles in C, bit for bit too. */
#include "check.h"
#include "core/gemm_bf16.h"
#include "core/pack_bf16.h"
#include "tests/balanced.h"
#include <omp.h>

BALANCED(gemm);

enum { PAD = 3, MARK = 77 };

struct product {
    enum trans ta, tb;
    int64_t m, n, k;
    real alpha, beta;
};

static real *random_matrix(uint64_t key, int64_t rows, int64_t cols) {
    real *x = mem_alloc(rows * cols, sizeof *x);
    for (int64_t i = 0; i < rows * cols; i++)
        x[i] = (real)(float)rng_normal(check_key(key), (uint64_t)i);
    return x;
}

/* op(x), one row of length k per row of op(a) or column of op(b), in double precision. */
static double *members(const real *x, int64_t ld, int64_t n, int64_t k, bool along_k, bool round) {
    double *copy = mem_alloc(n * k, sizeof *copy);
    for (int64_t i = 0; i < n; i++)
        for (int64_t l = 0; l < k; l++) {
            double value = (double)(along_k ? x[i * ld + l] : x[l * ld + i]);
            copy[i * k + l] = round ? check_bf16(value) : value;
        }
    return copy;
}

struct operands {
    double *a[2], *b[2]; /* as they are, rounded */
};

struct sums {
    double exact, rounded, size; /* size: of the absolute values */
};

static struct sums element(const struct operands *o, int64_t k, int64_t i, int64_t j) {
    struct sums s = {0};
    for (int64_t l = 0; l < k; l++) {
        double product = o->a[1][i * k + l] * o->b[1][j * k + l];
        s.exact += o->a[0][i * k + l] * o->b[0][j * k + l];
        s.rounded += product;
        s.size += fabs(product);
    }
    return s;
}

/* Rounded operands: k products are exact, k + 3 operations are not. Given ones: either operand of a
 * product is off by 2^-8 of itself. */
static bool near(const struct product *p, struct sums s, double got, double before) {
    double alpha = (double)p->alpha, added = p->beta != 0 ? (double)p->beta * before : 0;
    double size = fabs(alpha) * s.size;
    double sum_error = (double)(p->k + 3) * (double)REAL_EPS * (size + fabs(added));
    return fabs(got - alpha * s.rounded - added) <= sum_error &&
           fabs(got - alpha * s.exact - added) <= sum_error + ldexp(2.1, -8) * size;
}

/* The leading dimensions are not multiples of anything; what lies between the rows of c stays. */
static void check_product(gemm_fn *version, struct product p) {
    int64_t lda = (p.ta ? p.m : p.k) + PAD, ldb = (p.tb ? p.k : p.n) + PAD, ldc = p.n + PAD;
    real *a = random_matrix(1, p.ta ? p.k : p.m, lda), *b = random_matrix(2, p.tb ? p.n : p.k, ldb);
    real *c = random_matrix(3, p.m, ldc), *was = mem_alloc(p.m * ldc, sizeof *was);
    struct operands o;
    for (int round = 0; round < 2; round++) {
        o.a[round] = members(a, lda, p.m, p.k, !p.ta, round);
        o.b[round] = members(b, ldb, p.n, p.k, p.tb, round);
    }
    for (int64_t i = 0; p.beta == 0 && i < p.m * ldc; i++)
        c[i] = i % ldc < p.n ? (real)NAN : MARK; /* read by nobody */
    memcpy(was, c, (size_t)(p.m * ldc) * sizeof *was);
    version(p.ta, p.tb, p.m, p.n, p.k, p.alpha, a, lda, b, ldb, p.beta, c, ldc);
    int wrong = 0;
    for (int64_t i = 0; i < p.m; i++)
        for (int64_t j = 0; j < ldc; j++)
            wrong += j < p.n ? !near(&p, element(&o, p.k, i, j), (double)c[i * ldc + j],
                                     (double)was[i * ldc + j])
                             : c[i * ldc + j] != was[i * ldc + j];
    cr_expect_eq(wrong, 0, "%d numbers of %ld x %ld x %ld, transposed %d %d", wrong, (long)p.m,
                 (long)p.n, (long)p.k, p.ta, p.tb);
    for (int round = 0; round < 2; round++) {
        mem_free(o.a[round]);
        mem_free(o.b[round]);
    }
    mem_free(a);
    mem_free(b);
    mem_free(c);
    mem_free(was);
}

/* Every transposition on both sides of the sizes of tiles, panels and blocks. */
static void check_sizes(gemm_fn *version) {
    static const int64_t sizes[][3] = {{1, 1, 1},    {1, 17, 2},     {11, 31, 7},    {12, 32, 32},
                                       {13, 33, 33}, {24, 48, 31},   {119, 16, 64},  {121, 15, 65},
                                       {3, 513, 20}, {130, 530, 19}, {26, 70, 257},  {25, 64, 511},
                                       {5, 1, 600},  {241, 3, 40},   {37, 545, 258}, {7, 9, 0}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int t = 0; t < 4; t++)
            for (int beta = 0; beta < 3; beta++)
                check_product(version,
                              (struct product){t & 1 ? TRANS : NO_TRANS, t & 2 ? TRANS : NO_TRANS,
                                               sizes[i][0], sizes[i][1], sizes[i][2],
                                               beta == 2 ? (real)-0.5 : 1, (real)beta});
}

Test(gemm, bf16_by_every_kernel_of_this_machine) {
    for (const struct gemm_bf16_kernel *k = gemm_bf16_kernels; k->name; k++)
        if (k->usable())
            check_sizes(k->product);
}

Test(gemm, bf16_takes_the_best_kernel) {
    const struct gemm_bf16_kernel *k = gemm_bf16_kernels;
    while (k != gemm_bf16_kernel())
        cr_assert(!(k++)->usable());
    cr_assert(k->usable());
}

Test(gemm, bf16_on_several_threads) {
    omp_set_num_threads(3);
    check_sizes(gemm_bf16);
}

/* A run that diverges has to show it: NaN and infinity stay in their rows and columns. */
static void check_not_finite(gemm_fn *version) {
    enum { N = 40 };
    real a[N * N], b[N * N], c[N * N];
    const real bad[] = {(real)NAN, (real)-NAN, (real)INFINITY, (real)3.4e38};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        for (int i = 0; i < N * N; i++)
            a[i] = b[i] = 1;
        a[5 * N + 7] = bad[k];
        version(NO_TRANS, NO_TRANS, N, N, N, 1, a, N, b, N, 0, c, N);
        for (int i = 0; i < N * N; i++)
            cr_expect(i / N == 5 ? !isfinite((float)c[i]) : c[i] == N, "%d: %g", i, (double)c[i]);
    }
}

/* What one panel of b has left in the scratch does not come into the next one. */
static void check_stays_in_its_column(gemm_fn *version) {
    enum { M = 2, N = 64, K = 266 };
    real a[M * K], b[K * N], c[M * N];
    for (int i = 0; i < M * K; i++)
        a[i] = 1;
    for (int i = 0; i < K * N; i++)
        b[i] = i % N ? 1 : (real)NAN;
    version(NO_TRANS, NO_TRANS, M, N, K, 1, a, K, b, N, 0, c, N);
    for (int i = 0; i < M * N; i++)
        cr_expect(i % N ? c[i] == K : c[i] != c[i], "%d: %g", i, (double)c[i]);
}

Test(gemm, bf16_keeps_what_is_not_finite) {
    for (const struct gemm_bf16_kernel *k = gemm_bf16_kernels; k->name; k++)
        if (k->usable()) {
            check_not_finite(k->product);
            check_stays_in_its_column(k->product);
        }
}

/* Halfway cases go to the even neighbour, with the sign. */
Test(gemm, bf16_rounds_to_nearest_even) {
    static const float given[] = {0x1.01p0f,     0x1.03p0f,     -0x1.01p0f, -0x1.03p0f,
                                  0x1.010002p0f, 0x1.00fffep0f, 0x1.ffp0f,  0x1.00p-100f,
                                  0x1.81p-100f,  0x1.83p+100f,  0};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        real a = (real)given[i], b = 1, c[2];
        gemm_bf16_serial(NO_TRANS, NO_TRANS, 1, 1, 1, 1, &a, 1, &b, 1, 0, &c[0], 1);
        gemm_bf16_portable(NO_TRANS, TRANS, 1, 1, 1, 1, &a, 1, &b, 1, 0, &c[1], 1);
        for (int k = 0; k < 2; k++)
            cr_expect_eq((double)c[k], check_bf16((double)given[i]), "%a: %a, want %a",
                         (double)given[i], (double)c[k], check_bf16((double)given[i]));
    }
}

/* ---- the product by tiles, over tiles in C; it packs by the processor's instructions ---- */

#ifdef PACK_BF16
#include "amx_emulated.h"
#include "core/gemm_amx_kernel.h"

static void need_packing(void) {
    if (!pack_usable())
        cr_skip_test("the processor has no AVX-512 BF16");
}

Test(gemm, amx_emulated) {
    need_packing();
    check_sizes(amx_gemm);
    check_not_finite(amx_gemm);
    check_stays_in_its_column(amx_gemm);
}

/* One number of the product, in the order in which tiles add it: steps of 32 numbers, in each of
 * them the even and the odd ones apart. For k up to a panel's. */
static float in_order(const struct product *p, const double *a, const double *b) {
    float sum = 0;
    for (int64_t step = 0; step < p->k; step += 32) {
        float apart[2] = {0};
        for (int64_t l = step; l < p->k && l < step + 32; l++)
            apart[l % 2] = fmaf((float)a[l], (float)b[l], apart[l % 2]);
        sum += apart[0] + apart[1];
    }
    return sum;
}

static void check_bits(struct product p) {
    int64_t lda = (p.ta ? p.m : p.k) + PAD, ldb = (p.tb ? p.k : p.n) + PAD, ldc = p.n + PAD;
    real *a = random_matrix(1, p.ta ? p.k : p.m, lda), *b = random_matrix(2, p.tb ? p.n : p.k, ldb);
    real *c = random_matrix(3, p.m, ldc), *want = mem_alloc(p.m * ldc, sizeof *want);
    double *x = members(a, lda, p.m, p.k, !p.ta, true), *y = members(b, ldb, p.n, p.k, p.tb, true);
    memcpy(want, c, (size_t)(p.m * ldc) * sizeof *want);
    for (int64_t i = 0; i < p.m; i++)
        for (int64_t j = 0; j < p.n; j++) {
            float product = p.alpha * in_order(&p, x + i * p.k, y + j * p.k);
            real *to = &want[i * ldc + j];
            *to = p.beta != 0 ? product + p.beta * *to : product;
        }
    amx_gemm(p.ta, p.tb, p.m, p.n, p.k, p.alpha, a, lda, b, ldb, p.beta, c, ldc);
    cr_expect(!amx_configured, "the thread keeps its tiles");
    cr_expect(!memcmp(c, want, (size_t)(p.m * ldc) * sizeof *want),
              "%ld x %ld x %ld, transposed %d %d", (long)p.m, (long)p.n, (long)p.k, p.ta, p.tb);
    mem_free(a);
    mem_free(b);
    mem_free(c);
    mem_free(want);
    mem_free(x);
    mem_free(y);
}

Test(gemm, amx_emulated_bit_for_bit) {
    enum { PRODUCTS = 400, LARGEST = 70 };
    need_packing();
    for (uint64_t i = 0; i < PRODUCTS; i++) {
        int64_t size[3];
        for (uint64_t d = 0; d < 3; d++)
            size[d] = 1 + rng_below(check_key(4), 3 * i + d, LARGEST);
        check_bits((struct product){i & 1 ? TRANS : NO_TRANS, i & 2 ? TRANS : NO_TRANS, size[0],
                                    size[1], size[2], i & 4 ? (real)-0.5 : 1, (real)(i >> 3 & 1)});
    }
}

/* Results and operands below the smallest normal number are zero, and one just at it is not. */
Test(gemm, amx_emulated_flushes_what_is_subnormal) {
    static const struct {
        float a, b, want;
    } given[] = {{0x1p-127f, 0x1p+100f, 0},
                 {0x1p-126f, 1, 0x1p-126f},
                 {0x1p-100f, 0x1p-27f, 0},
                 {0x1p-100f, 0x1p-26f, 0x1p-126f}};
    need_packing();
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        float c;
        amx_gemm(NO_TRANS, NO_TRANS, 1, 1, 1, 1, &given[i].a, 1, &given[i].b, 1, 0, &c, 1);
        cr_expect_eq(c, given[i].want, "%a times %a: %a", (double)given[i].a, (double)given[i].b,
                     (double)c);
    }
}
#endif
