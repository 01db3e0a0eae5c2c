/* The two encoders of CLIP, forward only: texts or pictures to rows of unit norm. Not collective.
 *
 * Source: Radford et al., "Learning transferable visual models from natural language supervision",
 * ICML 2021, with names and shapes of tensors as the library transformers stores them. A layer is
 *     x += attention(norm1(x)),   x += fc2(f(fc1(norm2(x))))
 * Texts: token and position rows, causal attention, the state of the last token given, normed.
 * Pictures: a class row, then a row of each patch, and position rows, normed; attention to all; the
 * state of the class row, normed. Both are projected without bias and divided by their norm. */
#ifndef CORE_CLIP_TOWER_H
#define CORE_CLIP_TOWER_H
#include "core/ops/activation.h"
#include "core/tape.h"
#include <stdbool.h>
#include <stdint.h>

enum clip_input { CLIP_TEXTS, CLIP_PICTURES };
enum { CLIP_CHANNELS = 3 };

struct clip_shape {
    enum clip_input input;
    int64_t width, inner, layers, heads; /* columns of a state, and between fc1 and fc2 */
    int64_t projection;                  /* columns of the result */
    enum activation activation;
    double eps;          /* of the layer norms */
    int64_t positions;   /* of a text at most; of a picture (side / patch)^2 + 1 */
    int64_t vocabulary;  /* of texts */
    int64_t side, patch; /* of pictures, pixels */
};

/* One tensor of the weights. */
struct clip_tensor {
    char name[96];
    int ndim;
    int64_t extent[4]; /* [ndim] */
    int64_t at;        /* of its first number in the block of weights */
};

/* The tensors of an encoder, *count of them, in a list that is the caller's to be given to mem_free;
 * *total is the length of the block. The shape is within CLIP's bounds (io/clip/config.h). */
struct clip_tensor *clip_layout(const struct clip_shape *shape, int64_t *count, int64_t *total);

struct clip_tower {
    struct clip_shape shape;
    const real *weights; /* of clip_layout; the caller's */
    bool bf16;           /* multiply in bfloat16 (core/gemm_bf16.h) */
    double flops;        /* useful work of all calls */
    struct tape tape;
};

/* Text i has the tokens offsets[i] .. offsets[i + 1] - 1, at least one and at most `positions`; the
 * state of the last one counts. out [n, projection]. */
void clip_encode_texts(struct clip_tower *tower, const int32_t *tokens, const int64_t *offsets,
                       int64_t n, float *out);

/* pixels [n, 3, side, side], normalised; out [n, projection]. */
void clip_encode_pictures(struct clip_tower *tower, const real *pixels, int64_t n, float *out);

/* Frees its working memory; the weights stay. Safe on a zeroed object. */
void clip_tower_free(struct clip_tower *tower);

#endif
