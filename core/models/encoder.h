/* The causal self-attention encoder that all models share (methods, section 2): pre-norm blocks
 * over packed sequences. Not collective. */
#ifndef CORE_MODELS_ENCODER_H
#define CORE_MODELS_ENCODER_H
#include "core/batch.h"
#include "core/ops/dropout.h"
#include "core/params.h"
#include "core/tape.h"

enum { MODEL_BLOCKS = 16 };

/* Layers, see core/models/layers.h. */
struct encoder_block {
    int ln1, qkv, out, ln2, ffn1, ffn2;
};

struct encoder {
    int pos, ln; /* parameter; layer */
    int blocks, heads;
    struct encoder_block block[MODEL_BLOCKS];
};

struct encoder_shape {
    int64_t dim, max_len;
    int blocks, heads; /* heads divide dim */
};

/* Declare the parameters `name`.pos, `name`.0.ln1.g and so on. */
void encoder_add(struct params *params, const char *name, const struct encoder_shape *shape,
                 struct encoder *encoder);

/* What the dropout layers of an encoder are keyed by. */
struct noise {
    double p; /* 0: no dropout */
    uint64_t seed, step;
    int stream, term;
    const uint64_t *token_key;
};

/* States [tokens, dim] of a stream whose token t is row index[t] of `rows` [*, dim] (NULL: t). */
struct tensor *encoder_run(const struct encoder *encoder, struct params *params, struct tape *tape,
                           const struct stream *stream, struct tensor *rows, const int32_t *index,
                           const struct noise *noise);

#endif
