#include "core/models/encoder.h"
#include "core/models/layers.h"
#include "core/ops/activation.h"
#include "core/ops/attention.h"
#include "core/ops/embedding.h"
#include "core/ops/join.h"
#include "core/options.h"
#include "core/rng.h"
#include <stdio.h>

/* ---- parameters ---- */

static void add_block(struct params *p, struct encoder_block *block, const char *encoder, int b,
                      const struct encoder_shape *shape) {
    int64_t d = shape->dim;
    char name[6][PARAM_NAME];
    const char *layer[6] = {"ln1", "attn.qkv", "attn.out", "ln2", "ffn.1", "ffn.2"};
    for (int i = 0; i < 6; i++)
        snprintf(name[i], sizeof name[i], "%.96s.%d.%s", encoder, b, layer[i]);
    block->ln1 = layer_add_norm(p, name[0], d);
    block->qkv = shape->attention == ATTENTION_IDENTITY
                     ? layer_add_map(p, name[1], 3 * d, d, PARAM_QKV)
                     : layer_add_linear(p, name[1], 3 * d, d);
    block->out = shape->attention == ATTENTION_IDENTITY
                     ? layer_add_map(p, name[2], d, d, PARAM_HALF)
                     : layer_add_linear(p, name[2], d, d);
    block->ln2 = layer_add_norm(p, name[3], d);
    block->ffn1 = layer_add_linear(p, name[4], d, d);
    block->ffn2 = layer_add_linear(p, name[5], d, d);
}

static void add_tag_attention(struct params *p, struct encoder_block *block, const char *encoder,
                              int b, int64_t d) {
    char name[4][PARAM_NAME];
    const char *layer[4] = {"tag.ln", "tag.q", "tag.kv", "tag.out"};
    for (int i = 0; i < 4; i++)
        snprintf(name[i], sizeof name[i], "%.96s.%d.%s", encoder, b, layer[i]);
    block->tag_ln = layer_add_norm(p, name[0], d);
    block->tag_q = layer_add_linear(p, name[1], d, d);
    block->tag_kv = layer_add_linear(p, name[2], 2 * d, d);
    block->tag_out = layer_add_linear(p, name[3], d, d);
}

void encoder_add(struct params *p, const char *name, const struct encoder_shape *shape,
                 struct encoder *e) {
    char norm[PARAM_NAME], tag[PARAM_NAME];
    snprintf(norm, sizeof norm, "%.120s.ln", name);
    snprintf(tag, sizeof tag, "%.120s.tag", name);
    *e = (struct encoder){.time = -1, .tag = -1, .blocks = shape->blocks, .heads = shape->heads};
    e->pos = params_add(p, 2, shape->max_len, shape->dim, PARAM_NORMAL, shape->dim, "%s.pos", name);
    if (shape->tag_dim)
        e->tag = layer_add_linear(p, tag, shape->dim, shape->tag_dim);
    for (int b = 0; b < shape->blocks; b++) {
        add_block(p, &e->block[b], name, b, shape);
        if (shape->tag_dim)
            add_tag_attention(p, &e->block[b], name, b, shape->dim);
    }
    if (shape->knots > 0)
        e->time =
            params_add(p, 2, shape->knots, shape->dim, PARAM_ZERO, shape->dim, "%s.time", name);
    e->ln = layer_add_norm(p, norm, shape->dim);
}

/* ---- forward ---- */

/* Places of dropout in a block; those of tags are numbered behind all others. */
enum place {
    AT_WEIGHTS,
    AT_ATTENTION,
    AT_HIDDEN,
    AT_FORWARD,
    PLACES,
    AT_TAG_WEIGHTS = PLACES,
    AT_TAGS
};

/* Layers are numbered across streams, heads, blocks. */
static struct dropout layer_dropout(const struct dropout_key *key, int block, int place) {
    uint64_t stream = (uint64_t)(key->stream + (place >= PLACES ? STREAMS : 0));
    uint64_t encoder = stream * OPTION_LIST + (uint64_t)key->head;
    uint64_t layer =
        (encoder * (MODEL_BLOCKS + 1) + (uint64_t)block) * PLACES + (uint64_t)(place % PLACES);
    if (key->p <= 0)
        return dropout_none;
    return dropout_make(key->p, rng_key(key->seed, RNG_DROPOUT, key->step, layer), key->token_key);
}

/* What the blocks of one run share. */
struct run {
    const struct encoder *encoder;
    struct params *params;
    struct tape *tape;
    const struct stream *stream;
    const struct dropout_key *key;
    struct tensor *tags; /* states [tokens, dim] */
};

static struct tensor *attend(const struct run *r, int b, struct tensor *x) {
    const struct encoder_block *block = &r->encoder->block[b];
    struct tensor *n = layer_norm(r->params, r->tape, x, block->ln1);
    struct tensor *qkv = layer_linear(r->params, r->tape, n, block->qkv);
    struct dropout drop = layer_dropout(r->key, b, AT_WEIGHTS);
    struct tensor *a = op_attention(r->tape, qkv, r->stream->offsets, r->stream->sequences,
                                    r->encoder->heads, ATTEND_CAUSAL, &drop);
    drop = layer_dropout(r->key, b, AT_ATTENTION);
    return op_residual(r->tape, x, layer_linear(r->params, r->tape, a, block->out), &drop);
}

static struct tensor *attend_tags(const struct run *r, int b, struct tensor *x) {
    const struct encoder_block *block = &r->encoder->block[b];
    struct tensor *n = layer_norm(r->params, r->tape, x, block->tag_ln);
    struct tensor *qkv = op_join(r->tape, layer_linear(r->params, r->tape, n, block->tag_q),
                                 layer_linear(r->params, r->tape, r->tags, block->tag_kv));
    struct dropout drop = layer_dropout(r->key, b, AT_TAG_WEIGHTS);
    struct tensor *a = op_attention(r->tape, qkv, r->stream->offsets, r->stream->sequences,
                                    r->encoder->heads, ATTEND_CAUSAL, &drop);
    drop = layer_dropout(r->key, b, AT_TAGS);
    return op_residual(r->tape, x, layer_linear(r->params, r->tape, a, block->tag_out), &drop);
}

static struct tensor *feed_forward(const struct run *r, int b, struct tensor *x) {
    const struct encoder_block *block = &r->encoder->block[b];
    struct tensor *n = layer_norm(r->params, r->tape, x, block->ln2);
    struct dropout drop = layer_dropout(r->key, b, AT_HIDDEN);
    struct tensor *f = op_activation(r->tape, layer_linear(r->params, r->tape, n, block->ffn1),
                                     ACTIVATION_RELU, &drop);
    drop = layer_dropout(r->key, b, AT_FORWARD);
    return op_residual(r->tape, x, layer_linear(r->params, r->tape, f, block->ffn2), &drop);
}

static struct tensor *add_time(const struct run *r, struct tensor *x) {
    struct tensor *table = tape_param(r->tape, r->params, r->encoder->time);
    struct tensor *rows = op_interpolate(r->tape, table, r->stream->times, r->stream->tokens);
    return op_residual(r->tape, x, rows, &dropout_none);
}

struct tensor *encoder_run(const struct encoder *e, struct params *params, struct tape *tape,
                           const struct stream *stream, const struct encoder_input *in,
                           const struct dropout_key *key) {
    struct run r = {e, params, tape, stream, key, NULL};
    struct dropout drop = layer_dropout(key, e->blocks, AT_WEIGHTS);
    if (e->tag >= 0)
        r.tags = layer_linear(params, tape, op_gather(tape, in->tags, in->index, stream->tokens),
                              e->tag);
    struct tensor *x =
        op_embed(tape, in->rows, in->index, tape_param(tape, params, e->pos), stream->positions,
                 stream->tokens, REAL_F(sqrt)((real)in->rows->cols), &drop);
    for (int b = 0; b < e->blocks; b++) {
        x = attend(&r, b, x);
        if (r.tags)
            x = attend_tags(&r, b, x);
        x = feed_forward(&r, b, x);
    }
    if (e->time >= 0)
        x = add_time(&r, x);
    return layer_norm(params, tape, x, e->ln);
}
