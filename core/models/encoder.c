#include "core/models/encoder.h"
#include "core/models/layers.h"
#include "core/ops/activation.h"
#include "core/ops/attention.h"
#include "core/ops/embedding.h"
#include "core/options.h"
#include "core/rng.h"
#include <stdio.h>

/* ---- parameters ---- */

static void add_block(struct params *p, struct encoder_block *block, const char *encoder, int b,
                      int64_t d) {
    char name[6][PARAM_NAME];
    const char *layer[6] = {"ln1", "attn.qkv", "attn.out", "ln2", "ffn.1", "ffn.2"};
    for (int i = 0; i < 6; i++)
        snprintf(name[i], sizeof name[i], "%.96s.%d.%s", encoder, b, layer[i]);
    block->ln1 = layer_add_norm(p, name[0], d);
    block->qkv = layer_add_linear(p, name[1], 3 * d, d);
    block->out = layer_add_linear(p, name[2], d, d);
    block->ln2 = layer_add_norm(p, name[3], d);
    block->ffn1 = layer_add_linear(p, name[4], d, d);
    block->ffn2 = layer_add_linear(p, name[5], d, d);
}

void encoder_add(struct params *p, const char *name, const struct encoder_shape *shape,
                 struct encoder *e) {
    char norm[PARAM_NAME];
    snprintf(norm, sizeof norm, "%.120s.ln", name);
    *e = (struct encoder){.blocks = shape->blocks, .heads = shape->heads};
    e->pos = params_add(p, 2, shape->max_len, shape->dim, PARAM_NORMAL, shape->dim, "%s.pos", name);
    for (int b = 0; b < shape->blocks; b++)
        add_block(p, &e->block[b], name, b, shape->dim);
    e->ln = layer_add_norm(p, norm, shape->dim);
}

/* ---- forward ---- */

/* Layers are numbered across streams, terms, blocks. */
static struct dropout noise_layer(const struct noise *noise, int block, int place) {
    uint64_t layer =
        (((uint64_t)noise->stream * OPTION_LIST + (uint64_t)noise->term) * (MODEL_BLOCKS + 1) +
         (uint64_t)block) *
            4 +
        (uint64_t)place;
    if (noise->p <= 0)
        return dropout_none;
    return dropout_make(noise->p, rng_key(noise->seed, RNG_DROPOUT, noise->step, layer),
                        noise->token_key);
}

/* What the blocks of one run share. */
struct run {
    const struct encoder *encoder;
    struct params *params;
    struct tape *tape;
    const struct stream *stream;
    const struct noise *noise;
};

static struct tensor *attend(const struct run *r, int b, struct tensor *x) {
    const struct encoder_block *block = &r->encoder->block[b];
    struct tensor *n = layer_norm(r->params, r->tape, x, block->ln1);
    struct tensor *qkv = layer_linear(r->params, r->tape, n, block->qkv);
    struct dropout drop = noise_layer(r->noise, b, 0);
    struct tensor *a = op_attention(r->tape, qkv, r->stream->offsets, r->stream->sequences,
                                    r->encoder->heads, &drop);
    drop = noise_layer(r->noise, b, 1);
    return op_residual(r->tape, x, layer_linear(r->params, r->tape, a, block->out), &drop);
}

static struct tensor *feed_forward(const struct run *r, int b, struct tensor *x) {
    const struct encoder_block *block = &r->encoder->block[b];
    struct tensor *n = layer_norm(r->params, r->tape, x, block->ln2);
    struct dropout drop = noise_layer(r->noise, b, 2);
    struct tensor *f = op_activation(r->tape, layer_linear(r->params, r->tape, n, block->ffn1),
                                     ACTIVATION_RELU, &drop);
    drop = noise_layer(r->noise, b, 3);
    return op_residual(r->tape, x, layer_linear(r->params, r->tape, f, block->ffn2), &drop);
}

struct tensor *encoder_run(const struct encoder *e, struct params *params, struct tape *tape,
                           const struct stream *stream, struct tensor *rows, const int32_t *index,
                           const struct noise *noise) {
    struct run r = {e, params, tape, stream, noise};
    struct dropout drop = noise_layer(noise, e->blocks, 0);
    struct tensor *x =
        op_embed(tape, rows, index, tape_param(tape, params, e->pos), stream->positions,
                 stream->tokens, REAL_F(sqrt)((real)rows->cols), &drop);
    for (int b = 0; b < e->blocks; b++)
        x = feed_forward(&r, b, attend(&r, b, x));
    return layer_norm(params, tape, x, e->ln);
}
