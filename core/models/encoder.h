/* The causal self-attention encoder that all models share (core/models/README.md): pre-norm blocks
 * over packed sequences. With tags each block has a second attention behind the first, whose keys
 * and values are the tag states of the same positions:
 *     x += Drop( MHA( q = LN(x), k = v = g ) ),   g = W E_tag[s_t] + b.
 *
 * Where the times of events are known, what is bought changes with them, as the biases of items do in
 * Koren, "Collaborative filtering with temporal dynamics", KDD 2009. Decided here: a state is moved by a
 * vector that is linear between knots of time (core/clock.h) and begins as zero,
 *     h = LN( x + (1 - f) T_k + f T_{k+1} ),
 * with k + f the time of the sequence's last event of either domain before the item that is asked for.
 * As logits are products of states and item rows, every item has a bias that changes with time.
 *
 * Attention may begin near identities (ATTENTION_IDENTITY), as in Trockman and Kolter, "Mimetic
 * initialization of self-attention layers", ICML 2023, with R_q, R_k of PARAM_FAN_IN and biases of zero:
 *     W_q = R_q + 0.3 I,   W_k = R_k + 0.3 I,   W_v = I,   W_o = I / 2.
 * What it adds to a state is then half a mean of the history's normed states, in which those that are like
 * the state weigh most: item rows, which is what states are compared with.
 * Not collective. */
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
    int tag_ln, tag_q, tag_kv, tag_out;
};

struct encoder {
    int pos, ln; /* parameter; layer */
    int time;    /* parameter, -1: without */
    int tag;     /* layer of the tag states, -1: no tags */
    int blocks, heads;
    struct encoder_block block[MODEL_BLOCKS];
};

struct encoder_shape {
    int64_t dim, max_len;
    int blocks, heads; /* heads divide dim */
    int64_t tag_dim;   /* width of tag rows, 0: no tags */
    int knots;         /* of time, 0: without */
    int attention;     /* enum attention_init: random or identity */
};

/* Declare the parameters `name`.pos, `name`.0.ln1.g and so on. */
void encoder_add(struct params *params, const char *name, const struct encoder_shape *shape,
                 struct encoder *encoder);

/* What the dropout layers of an encoder are keyed by. */
struct dropout_key {
    double p; /* 0: no dropout */
    uint64_t seed, step;
    int stream, head;
    const uint64_t *token_key;
};

/* Item rows, token t of a stream is row index[t] (NULL: t). */
struct encoder_input {
    struct tensor *rows; /* [*, dim] */
    struct tensor *tags; /* [*, tag_dim], NULL without tags */
    const int32_t *index;
};

/* States [tokens, dim] of a stream. */
struct tensor *encoder_run(const struct encoder *encoder, struct params *params, struct tape *tape,
                           const struct stream *stream, const struct encoder_input *input,
                           const struct dropout_key *key);

#endif
