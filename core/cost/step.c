#include "core/cost/step.h"
#include "core/ops/mix.h"
#include <math.h>

static void put(struct cost_part *part, int64_t values, int64_t gradients) {
    part->values += values;
    part->gradients += gradients;
}

static void put_linear(struct cost_part *part, int64_t rows, int64_t in, int64_t out,
                       bool learned) {
    put(part, rows * out, rows * out);
    *(learned ? &part->learned : &part->frozen) += 2 * (double)rows * (double)in * (double)out;
}

/* `n` rows at unit norm, and the inverses. */
static void put_unit(struct cost_part *part, int64_t n, int64_t d, bool learned) {
    put(part, n * (d + 1), learned ? n * d : 0);
}

void cost_part_join(struct cost_part *part, const struct cost_part *other) {
    put(part, other->values, other->gradients);
    part->frozen += other->frozen;
    part->learned += other->learned;
}

double cost_part_forward(const struct cost_part *part) {
    return part->frozen + part->learned;
}

double cost_part_backward(const struct cost_part *part) {
    return part->frozen + 2 * part->learned;
}

/* ---- encoders ---- */

/* A sublayer's norm, whose mean and inverse stay; attention on its joined q, k, v; output layer and
 * residual. */
static void put_norm(struct cost_part *part, int64_t t, int64_t d) {
    put(part, t * (d + 2), t * d);
}

static void put_attention(const struct cost_model *cost, int64_t t, int64_t pairs, int64_t d,
                          struct cost_part *part) {
    put(part, t * d + cost_config(cost)->model.heads * pairs, t * d);
    part->learned += 4 * (double)d * (double)pairs;
    put_linear(part, t, d, d, true);
    put(part, t * d, 0);
}

static void put_block(const struct cost_model *cost, int64_t t, int64_t pairs, int64_t d,
                      struct cost_part *part) {
    put_norm(part, t, d);
    put_linear(part, t, d, 3 * d, true);
    put_attention(cost, t, pairs, d, part);
    put_norm(part, t, d);
    put_linear(part, t, d, d, true);
    put(part, t * d, t * d);
    put_linear(part, t, d, d, true);
    put(part, t * d, 0);
}

static void put_tag_attention(const struct cost_model *cost, int64_t t, int64_t pairs, int64_t d,
                              struct cost_part *part) {
    put_norm(part, t, d);
    put_linear(part, t, d, d, true);
    put_linear(part, t, d, 2 * d, true);
    put(part, 3 * t * d, 3 * t * d);
    put_attention(cost, t, pairs, d, part);
}

/* States of stream s and term m, from the embedding to the last norm. */
static void put_encoder(const struct cost_model *cost, const struct cost_load *load, int s, int m,
                        struct cost_part *part) {
    const struct encoder *encoder = &cost->model->modality[m].encoder[s];
    int64_t t = load->tokens[s], pairs = load->pairs[s], d = cost_width(cost, m);
    if (encoder->tag >= 0) {
        int tags = cost->model->tags;
        put(part, t * cost_width(cost, tags),
            cost_learns(cost, tags) ? t * cost_width(cost, tags) : 0);
        put_linear(part, t, cost_width(cost, tags), d, cost_learns(cost, tags));
    }
    put(part, t * d, t * d);
    for (int b = 0; b < encoder->blocks; b++) {
        put_block(cost, t, pairs, d, part);
        if (encoder->tag >= 0)
            put_tag_attention(cost, t, pairs, d, part);
    }
    put_norm(part, t, d);
}

/* Scaled unit states. */
static void put_query(int64_t t, int64_t d, struct cost_part *part) {
    put_unit(part, t, d, true);
    put(part, t * d, t * d);
}

/* What weighs a stream in the fusion of all. */
static void put_stream_score(const struct cost_model *cost, int64_t t, int64_t d,
                             struct cost_part *part) {
    if (cost_config(cost)->model.stream_fusion == STREAM_FUSION_MEAN)
        return;
    put_linear(part, t, d, d, true);
    put(part, t * d, t * d);
    put_linear(part, t, d, cost->model->params.list[cost->model->stream_score].rows, true);
}

/* The mean, the weights, the index of every part: see op_mix. */
static void put_mix(int64_t n, int64_t d, struct cost_part *part) {
    put(part, n * (d + 2 * MIX_PARTS), n * d);
}

struct cost_part cost_stream_part(const struct cost_model *cost, const struct cost_load *load,
                                  bool all) {
    struct cost_part part = {0};
    for (int m = 0; m < cost->model->terms; m++) {
        int64_t d = cost_width(cost, m), mixed = load->tokens[STREAM_XY];
        for (int s = 0; s < STREAMS; s++) {
            if (!all && !cost_encodes(cost, s))
                continue;
            put_encoder(cost, load, s, m, &part);
            if (cost_fuses(cost))
                put_stream_score(cost, load->tokens[s], d, &part);
            else
                put_query(load->tokens[s], d, &part);
        }
        if (cost_fuses(cost)) {
            put_mix(mixed, d, &part);
            put_query(mixed, d, &part);
        }
    }
    return part;
}

/* ---- item rows ---- */

/* The mixed stream has the items of the others, but where it is cut they reach further back. */
double cost_distinct_items(const struct cost_model *cost, const struct cost_load *load) {
    const int64_t *tokens = load->tokens, *last = load->sequences;
    int64_t mixed = tokens[STREAM_XY] + last[STREAM_XY],
            apart = tokens[STREAM_X] + tokens[STREAM_Y] +
                    (cost_fuses(cost) ? last[STREAM_XY] : last[STREAM_X] + last[STREAM_Y]);
    double items = (double)cost->model->shape.items;
    return items * -expm1(-(double)(mixed > apart ? mixed : apart) / items);
}

int64_t cost_set_rows(const struct cost_model *cost, const struct cost_load *load,
                      const struct cost_load *all) {
    const struct config *c = cost_config(cost);
    double own = cost_distinct_items(cost, load), from = (double)cost->model->shape.items;
    if (!cost_is_sampled(cost))
        return (int64_t)own;
    if (c->train.sampler == SAMPLER_BATCH)
        from = cost_distinct_items(cost, all);
    double negatives = (double)((cost_mixes_all(cost) ? 3 : 2) * c->train.negatives);
    return (int64_t)(own + (from - own) * -expm1(-negatives / from));
}

/* `n` rows of modality m's table: where they are, or of an item set. */
static void put_table(const struct cost_model *cost, int m, int64_t n, bool set,
                      struct cost_part *part) {
    if (set)
        put(part, n * cost_table_width(cost, m), cost_is_id(cost, m) ? n * cost_width(cost, m) : 0);
}

/* The weighted sums of tags, their inverse norms, the weights. */
static void put_tags(const struct cost_model *cost, int64_t n, struct cost_part *part) {
    const struct model_shape *shape = &cost->model->shape;
    int64_t d = shape->tags.dim, each = shape->tags.offsets[shape->items] / shape->items;
    put(part, n * (d + 1 + each), cost->model->tag_u >= 0 ? n * d : 0);
}

static void put_adapter(const struct cost_model *cost, int v, int64_t n, struct cost_part *part) {
    int64_t d = cost_width(cost, 0);
    put_linear(part, n, cost_table_width(cost, v), d, false);
    put(part, n * d, n * d);
    put_linear(part, n, d, d, true);
}

static void put_views(const struct cost_model *cost, int64_t n, bool set, struct cost_part *part) {
    for (int v = 0; v < VIEWS; v++) {
        put_table(cost, v, n, set, part);
        if (!cost_is_id(cost, v))
            put_adapter(cost, v, n, part);
        put_linear(part, n, cost_width(cost, 0), 1, true);
    }
    put_mix(n, cost_width(cost, 0), part);
}

void cost_put_rows(const struct cost_model *cost, int m, int64_t n, bool set,
                   struct cost_part *part) {
    if (cost_fuses(cost))
        put_views(cost, n, set, part);
    else if (cost_is_tags(cost, m))
        put_tags(cost, n, part);
    else
        put_table(cost, m, n, set, part);
    if (cost_projects(cost, m))
        put_linear(part, n, cost->model->shape.table[m].dim, cost_width(cost, m),
                   cost_is_tags(cost, m) && cost->model->tag_u >= 0);
}

/* The negatives' rows, gathered from the set. */
static void put_negatives(const struct cost_model *cost, int m, struct cost_part *part) {
    int sets = cost_mixes_all(cost) ? 3 : 2;
    int64_t numbers = sets * cost_config(cost)->train.negatives * cost_width(cost, m);
    put(part, numbers, cost_learns(cost, m) ? numbers : 0);
}

struct cost_part cost_item_part(const struct cost_model *cost, const struct cost_load *load,
                                const struct cost_load *all, int64_t parts, bool sharded) {
    struct cost_part part = {0};
    int64_t rows = cost_set_rows(cost, load, all);
    int64_t share = (cost->model->shape.items + parts - 1) / parts;
    for (int m = 0; m < cost->model->terms; m++) {
        if (cost_is_sampled(cost))
            put_negatives(cost, m, &part);
        else
            cost_put_rows(cost, m, share, false, &part);
        if (!cost_is_sampled(cost) && !sharded)
            continue;
        cost_put_rows(cost, m, rows, true, &part);
        if (!cost->model->modality[m].frozen)
            put_unit(&part, rows, cost_width(cost, m), cost_learns(cost, m));
    }
    return part;
}

/* ---- contrast ---- */

int64_t cost_contrast_rows(const struct cost_model *cost, const struct cost_load *all) {
    if (!model_contrasts(cost->model))
        return 0;
    return all->contrasted ? all->contrasted : (int64_t)cost_distinct_items(cost, all);
}

/* Rows of the two tables, of all items and of those with both views; views, unit and scaled. */
struct cost_part cost_contrast_part(const struct cost_model *cost, const struct cost_load *all) {
    struct cost_part part = {0};
    int64_t n = cost_contrast_rows(cost, all), d = cost_width(cost, 0);
    for (int v = 0; n > 0 && v < VIEWS; v++) {
        if (cost_is_id(cost, v))
            continue;
        put(&part, 2 * n * cost_table_width(cost, v), 0);
        put_adapter(cost, v, n, &part);
        put_unit(&part, n, d, true);
        put(&part, n * d, n * d);
    }
    return part;
}
