/* The loops of the product by tiles, over the operations of core/amx.h: core/gemm_amx.c includes it
 * with the processor's, a test with its own. One file includes it once.
 *
 * Outline: the words of b are packed into panels of 32 columns, those of a row by row
 * (core/pack_bf16.h); a square of four tiles of sums; blocks that fit the caches. Words are filled
 * up with zeros to whole tiles along k; the rows and columns at the edge of c are tiles of fewer
 * rows and columns. */
#ifndef CORE_GEMM_AMX_KERNEL_H
#define CORE_GEMM_AMX_KERNEL_H
#include "core/amx.h"
#include "core/gemm.h"
#include "core/mem.h"
#include "core/pack_bf16.h"

enum {
    AMX_MR = 2 * AMX_ROWS, /* the square of tiles */
    AMX_NR = 2 * AMX_WORDS,
    AMX_KC = 256,        /* a panel of b and the rows of a beside it, 16 KiB each: first level */
    AMX_MC = 8 * AMX_MR, /* a block of a and one of b, 128 and 256 KiB: second level */
    AMX_NC = 16 * AMX_NR
};

struct amx_target {
    float *c;
    int64_t ldc, rows, cols;
    float alpha, beta;
};

static void amx_shape(struct amx_config *config, int tile, int64_t rows, int64_t words) {
    if (rows <= 0 || words <= 0)
        return;
    config->rows[tile] = (uint8_t)min64(AMX_ROWS, rows);
    config->row_bytes[tile] = (uint16_t)(4 * min64(AMX_WORDS, words));
}

/* Tiles 0 to 3 are the square of sums, row by row; 4 and 5 rows of a; 6 and 7 columns of b. */
static struct amx_config amx_shapes(int64_t rows, int64_t cols) {
    struct amx_config config = {.palette = 1};
    for (int i = 0; i < 2; i++) {
        int64_t below = rows - i * AMX_ROWS, right = cols - i * AMX_WORDS;
        amx_shape(&config, 4 + i, below, AMX_WORDS);
        amx_shape(&config, 6 + i, AMX_WORDS, right);
        for (int j = 0; j < 2; j++)
            amx_shape(&config, 2 * i + j, below, cols - j * AMX_WORDS);
    }
    return config;
}

/* sum = a b for the rows of a square and a panel. Tiles that are not there are left alone. */
AMX static void amx_square(int64_t words, const uint32_t *a, const uint32_t *b, bool below,
                           bool right, float sum[AMX_MR][AMX_NR]) {
    const int64_t a_stride = 4 * words, b_stride = 4 * AMX_NR;
    amx_zero(0);
    if (right)
        amx_zero(1);
    if (below)
        amx_zero(2);
    if (below && right)
        amx_zero(3);
    for (int64_t p = 0; p < words; p += AMX_WORDS) {
        amx_load(4, a + p, a_stride);
        amx_load(6, b + p * AMX_NR, b_stride);
        amx_product(0, 4, 6);
        if (right) {
            amx_load(7, b + p * AMX_NR + AMX_WORDS, b_stride);
            amx_product(1, 4, 7);
        }
        if (below) {
            amx_load(5, a + AMX_ROWS * words + p, a_stride);
            amx_product(2, 5, 6);
        }
        if (below && right)
            amx_product(3, 5, 7);
    }
    amx_store(0, sum[0], b_stride);
    if (right)
        amx_store(1, sum[0] + AMX_WORDS, b_stride);
    if (below)
        amx_store(2, sum[AMX_ROWS], b_stride);
    if (below && right)
        amx_store(3, sum[AMX_ROWS] + AMX_WORDS, b_stride);
}

/* c = alpha sum + beta c. Where beta is zero, c is not read. */
AMX static void amx_add(float sum[AMX_MR][AMX_NR], struct amx_target t) {
    for (int64_t i = 0; i < t.rows; i++) {
        float *c = t.c + i * t.ldc;
        if (t.beta == 0)
            for (int64_t j = 0; j < t.cols; j++)
                c[j] = t.alpha * sum[i][j];
        else
            for (int64_t j = 0; j < t.cols; j++)
                c[j] = t.alpha * sum[i][j] + t.beta * c[j];
    }
}

/* Shapes are set up anew only where they change, which is at the edges of c. */
AMX static void amx_block(int64_t words, const uint32_t *a, const uint32_t *b,
                          struct amx_target t) {
    _Alignas(64) float sum[AMX_MR][AMX_NR];
    int64_t rows_set = 0, cols_set = 0;
    for (int64_t j = 0; j < t.cols; j += AMX_NR)
        for (int64_t i = 0; i < t.rows; i += AMX_MR) {
            int64_t rows = min64(AMX_MR, t.rows - i), cols = min64(AMX_NR, t.cols - j);
            if (rows != rows_set || cols != cols_set) {
                struct amx_config config = amx_shapes(rows, cols);
                amx_configure(&config);
                rows_set = rows;
                cols_set = cols;
            }
            amx_square(words, a + i * words, b + j * words, rows > AMX_ROWS, cols > AMX_WORDS, sum);
            amx_add(sum,
                    (struct amx_target){t.c + i * t.ldc + j, t.ldc, rows, cols, t.alpha, t.beta});
        }
    amx_release();
}

static void amx_gemm(enum trans ta, enum trans tb, int64_t m, int64_t n, int64_t k, float alpha,
                     const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                     int64_t ldc) {
    struct operand x = {a, lda, !ta}, y = {b, ldb, tb};
    uint32_t *scratch = mem_alloc((AMX_MC + AMX_NC) * (AMX_KC / 2), sizeof *scratch);
    uint32_t *pa = scratch, *pb = pa + AMX_MC * (AMX_KC / 2);
    for (int64_t j = 0; j < n; j += AMX_NC)
        for (int64_t p = 0; p == 0 || p < k; p += AMX_KC) {
            int64_t depth = min64(AMX_KC, k - p), cols = min64(AMX_NC, n - j);
            int64_t words = ((depth + 1) / 2 + AMX_WORDS - 1) / AMX_WORDS * AMX_WORDS;
            pack_panels(operand_part(y, j, p), cols, depth, words, AMX_NR, pb);
            for (int64_t i = 0; i < m; i += AMX_MC) {
                int64_t rows = min64(AMX_MC, m - i);
                pack_rows(operand_part(x, i, p), rows, depth, words, pa);
                amx_block(
                    words, pa, pb,
                    (struct amx_target){c + i * ldc + j, ldc, rows, cols, alpha, p ? 1 : beta});
            }
        }
    mem_free(scratch);
}

#endif
