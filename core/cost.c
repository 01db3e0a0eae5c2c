#include "core/cost.h"
#include "core/catalogue/loss.h"
#include "core/models/kind.h"
#include "core/ops/mix.h"
#include <math.h>
#include <string.h>

const char *const cost_placement_names[COST_PLACEMENTS] = {"replicated", "sharded"};
const char *const cost_stage_names[COST_STAGES] = {
    "input", "encoder_forward", "loss", "encoder_backward", "reduction", "optimizer", "evaluation"};

enum { PAD = 16, PIECE = 1 << 20, RANKING_CHUNK = 512 };
#define BYTES ((int64_t)sizeof(real))

static int64_t at_most(int64_t n, int64_t most) {
    return n < most ? n : most;
}

/* Inputs of each stream, of a history without its target. */
static void count_inputs(const int32_t *items, int64_t length, int64_t x_items, int64_t max_len,
                         int64_t tokens[STREAMS]) {
    int64_t seen[2] = {0, 0};
    for (int64_t i = 0; i < length - 1; i++)
        seen[items[i] >= x_items]++;
    tokens[STREAM_X] = at_most(seen[0], max_len);
    tokens[STREAM_Y] = at_most(seen[1], max_len);
    tokens[STREAM_XY] = at_most(seen[0] + seen[1], max_len);
}

void cost_sequence_count(struct cost_sequence *sequence, const int32_t *items, int64_t length,
                         int64_t x_items, int64_t max_len, bool mixed) {
    batch_count_targets(items, length, x_items, max_len, sequence->targets);
    if (mixed) {
        memset(sequence->targets, 0, STREAM_XY * sizeof sequence->targets[0]);
        count_inputs(items, length, x_items, max_len, sequence->tokens);
        return;
    }
    for (int s = 0; s < STREAMS; s++)
        sequence->tokens[s] = sequence->targets[s][0] + sequence->targets[s][1];
}

void cost_load_add(struct cost_load *load, const struct cost_sequence *sequence) {
    load->samples++;
    for (int s = 0; s < STREAMS; s++) {
        int64_t n = sequence->tokens[s];
        load->sequences[s] += n > 0;
        load->tokens[s] += n;
        load->pairs[s] += n * (n + 1) / 2;
        for (int d = 0; d < 2; d++)
            load->targets[s][d] += sequence->targets[s][d];
    }
}

void cost_load_add_batch(struct cost_load *load, const struct batch *batch, int64_t x_items) {
    load->samples += batch->samples;
    for (int s = 0; s < STREAMS; s++) {
        const struct stream *stream = &batch->stream[s];
        load->sequences[s] += stream->sequences;
        load->tokens[s] += stream->tokens;
        for (int64_t b = 0; b < stream->sequences; b++) {
            int64_t n = stream->offsets[b + 1] - stream->offsets[b];
            load->pairs[s] += n * (n + 1) / 2;
        }
        for (int64_t t = 0; stream->aimed && t < stream->tokens; t++)
            load->targets[s][stream->targets[t] >= x_items]++;
    }
}

void cost_load_add_history(struct cost_load *load, const int32_t *items, int64_t length,
                           int64_t x_items, int64_t max_len) {
    struct cost_sequence history = {{0}, {{0}}};
    count_inputs(items, length, x_items, max_len, history.tokens);
    cost_load_add(load, &history);
    load->ranked[items[length - 1] >= x_items]++;
}

void cost_load_join(struct cost_load *load, const struct cost_load *other) {
    load->samples += other->samples;
    for (int d = 0; d < 2; d++)
        load->ranked[d] += other->ranked[d];
    for (int s = 0; s < STREAMS; s++) {
        load->sequences[s] += other->sequences[s];
        load->tokens[s] += other->tokens[s];
        load->pairs[s] += other->pairs[s];
        load->targets[s][0] += other->targets[s][0];
        load->targets[s][1] += other->targets[s][1];
    }
}

/* ---- what a model is ---- */

static const struct config *config_of(const struct cost_model *cost) {
    return cost->model->config;
}

/* sema_cdr: views are made one term, streams one state; else all terms and streams have a softmax
 * of their own. */
static bool fuses(const struct cost_model *cost) {
    return cost->model->kind->mixed_batch;
}

static bool is_id(const struct cost_model *cost, int m) {
    return cost->model->modality[m].table >= 0;
}

static bool is_tags(const struct cost_model *cost, int m) {
    return m == cost->model->tags;
}

static bool projects(const struct cost_model *cost, int m) {
    return cost->model->modality[m].proj >= 0;
}

/* Rows of term m are made on the tape. */
static bool is_computed(const struct cost_model *cost, int m) {
    return projects(cost, m) || is_tags(cost, m) || fuses(cost);
}

/* They take gradients. */
static bool learns(const struct cost_model *cost, int m) {
    return is_id(cost, m) || projects(cost, m) || fuses(cost) ||
           (is_tags(cost, m) && cost->model->tag_u >= 0);
}

/* Width of the states and rows of term m. */
static int64_t width(const struct cost_model *cost, int m) {
    return cost->model->modality[m].dim;
}

/* Width of the table of modality m: the learned one, the given one; 0: tags have none. */
static int64_t table_width(const struct cost_model *cost, int m) {
    return is_id(cost, m) ? width(cost, m) : is_tags(cost, m) ? 0 : cost->model->shape.table[m].dim;
}

static bool is_sampled(const struct cost_model *cost) {
    return config_of(cost)->train.loss != LOSS_EXACT;
}

static bool mixes_all(const struct cost_model *cost) {
    return config_of(cost)->model.mixed_softmax == MIXED_ALL;
}

/* Stream s has a softmax in training. */
static bool scores(const struct cost_model *cost, int s) {
    double weight[LOSS_PARTS];
    model_loss_weights(config_of(cost), weight);
    return weight[s] > 0;
}

/* Training needs its states. */
static bool encodes(const struct cost_model *cost, int s) {
    return fuses(cost) || scores(cost, s);
}

/* Candidate set 0: X, 1: Y, 2: all. */
static int64_t candidates(const struct cost_model *cost, int set) {
    const struct model_shape *shape = &cost->model->shape;
    return set == 0 ? shape->x_items : set == 1 ? shape->items - shape->x_items : shape->items;
}

/* Are targets of domain d in stream s predicted? Fused streams leave out those of the other domain
 * than train.target. */
static bool aims(const struct cost_model *cost, int s, int d) {
    int target = config_of(cost)->train.target;
    bool wanted = target == TARGET_BOTH || (target == TARGET_X) == (d == 0);
    return (s == STREAM_XY || s == d) && (!fuses(cost) || wanted);
}

/* The softmaxes of stream s: positions whose targets lie in a candidate set. */
struct group {
    int set;
    int64_t positions;
};

static int groups(const struct cost_model *cost, const struct cost_load *load, int s,
                  struct group out[2]) {
    bool both = aims(cost, s, 0) && aims(cost, s, 1);
    int n = 0;
    if (!scores(cost, s))
        return 0;
    if (both && mixes_all(cost)) {
        out[n++] = (struct group){2, load->tokens[s]};
        return n;
    }
    for (int d = 0; d < 2; d++)
        if (aims(cost, s, d))
            out[n++] = (struct group){d, load->targets[s][d]};
    return n;
}

/* ---- parameters ---- */

static int64_t padded(int64_t n) {
    return (n + PAD - 1) / PAD * PAD;
}

static int64_t param_whole(const struct param *p) {
    return padded(p->rows * p->cols);
}

int64_t cost_table_parameters(const struct cost_model *cost) {
    const struct model *model = cost->model;
    int64_t n = 0;
    for (int m = 0; m < model->modalities; m++)
        n += is_id(cost, m) ? param_whole(&model->params.list[model->modality[m].table]) : 0;
    return n;
}

int64_t cost_parameters(const struct cost_model *cost) {
    const struct params *params = &cost->model->params;
    int64_t n = 0;
    for (int i = 0; i < params->count; i++)
        n += param_whole(&params->list[i]);
    return n;
}

/* ---- parts of a step ---- */

/* Numbers on the tape: those of forward, and the gradients that backward adds. Operations of
 * forward: of products whose rows take no gradient, and of the others. */
struct part {
    int64_t values, gradients;
    double frozen, learned;
};

static void put(struct part *part, int64_t values, int64_t gradients) {
    part->values += values;
    part->gradients += gradients;
}

static void put_linear(struct part *part, int64_t rows, int64_t in, int64_t out, bool learned) {
    put(part, rows * out, rows * out);
    *(learned ? &part->learned : &part->frozen) += 2 * (double)rows * (double)in * (double)out;
}

/* `n` rows at unit norm, and the inverses. */
static void put_unit(struct part *part, int64_t n, int64_t d, bool learned) {
    put(part, n * (d + 1), learned ? n * d : 0);
}

static void join(struct part *part, const struct part *other) {
    put(part, other->values, other->gradients);
    part->frozen += other->frozen;
    part->learned += other->learned;
}

static double forward(const struct part *part) {
    return part->frozen + part->learned;
}

static double backward(const struct part *part) {
    return part->frozen + 2 * part->learned;
}

/* ---- encoders ---- */

/* A sublayer's norm, whose mean and inverse stay; attention on its joined q, k, v; output layer and
 * residual. */
static void put_norm(struct part *part, int64_t t, int64_t d) {
    put(part, t * (d + 2), t * d);
}

static void put_attention(const struct cost_model *cost, int64_t t, int64_t pairs, int64_t d,
                          struct part *part) {
    put(part, t * d + config_of(cost)->model.heads * pairs, t * d);
    part->learned += 4 * (double)d * (double)pairs;
    put_linear(part, t, d, d, true);
    put(part, t * d, 0);
}

static void put_block(const struct cost_model *cost, int64_t t, int64_t pairs, int64_t d,
                      struct part *part) {
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
                              struct part *part) {
    put_norm(part, t, d);
    put_linear(part, t, d, d, true);
    put_linear(part, t, d, 2 * d, true);
    put(part, 3 * t * d, 3 * t * d);
    put_attention(cost, t, pairs, d, part);
}

/* States of stream s and term m, from the embedding to the last norm. */
static void put_encoder(const struct cost_model *cost, const struct cost_load *load, int s, int m,
                        struct part *part) {
    const struct encoder *encoder = &cost->model->modality[m].encoder[s];
    int64_t t = load->tokens[s], pairs = load->pairs[s], d = width(cost, m);
    if (encoder->tag >= 0) {
        int tags = cost->model->tags;
        put(part, t * width(cost, tags), learns(cost, tags) ? t * width(cost, tags) : 0);
        put_linear(part, t, width(cost, tags), d, learns(cost, tags));
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
static void put_query(int64_t t, int64_t d, struct part *part) {
    put_unit(part, t, d, true);
    put(part, t * d, t * d);
}

/* What weighs a stream in the fusion of all. */
static void put_stream_score(const struct cost_model *cost, int64_t t, int64_t d,
                             struct part *part) {
    if (config_of(cost)->model.stream_fusion == STREAM_FUSION_MEAN)
        return;
    put_linear(part, t, d, d, true);
    put(part, t * d, t * d);
    put_linear(part, t, d, cost->model->params.list[cost->model->stream_score].rows, true);
}

/* The mean, the weights, the index of every part: see op_mix. */
static void put_mix(int64_t n, int64_t d, struct part *part) {
    put(part, n * (d + 2 * MIX_PARTS), n * d);
}

/* All streams, or those that training needs. */
static struct part stream_part(const struct cost_model *cost, const struct cost_load *load,
                               bool all) {
    struct part part = {0};
    for (int m = 0; m < cost->model->terms; m++) {
        int64_t d = width(cost, m), mixed = load->tokens[STREAM_XY];
        for (int s = 0; s < STREAMS; s++) {
            if (!all && !encodes(cost, s))
                continue;
            put_encoder(cost, load, s, m, &part);
            if (fuses(cost))
                put_stream_score(cost, load->tokens[s], d, &part);
            else
                put_query(load->tokens[s], d, &part);
        }
        if (fuses(cost)) {
            put_mix(mixed, d, &part);
            put_query(mixed, d, &part);
        }
    }
    return part;
}

/* ---- item rows ---- */

/* Distinct inputs and targets, if they were uniform draws. The mixed stream has the items of the
 * others, but where it is cut they reach further back. */
static double sequence_items(const struct cost_model *cost, const struct cost_load *load) {
    const int64_t *tokens = load->tokens, *last = load->sequences;
    int64_t mixed = tokens[STREAM_XY] + last[STREAM_XY],
            apart = tokens[STREAM_X] + tokens[STREAM_Y] +
                    (fuses(cost) ? last[STREAM_XY] : last[STREAM_X] + last[STREAM_Y]);
    double items = (double)cost->model->shape.items;
    return items * -expm1(-(double)(mixed > apart ? mixed : apart) / items);
}

/* Rows of an item set (core/models/item_set.h): of a load and of the step's negatives, which come
 * from all items or from those of the whole batch. */
static int64_t set_rows(const struct cost_model *cost, const struct cost_load *load,
                        const struct cost_load *all) {
    const struct config *c = config_of(cost);
    double own = sequence_items(cost, load), from = (double)cost->model->shape.items;
    if (!is_sampled(cost))
        return (int64_t)own;
    if (c->train.sampler == SAMPLER_BATCH)
        from = sequence_items(cost, all);
    double negatives = (double)((mixes_all(cost) ? 3 : 2) * c->train.negatives);
    return (int64_t)(own + (from - own) * -expm1(-negatives / from));
}

/* `n` rows of modality m's table: where they are, or of an item set. */
static void put_table(const struct cost_model *cost, int m, int64_t n, bool set,
                      struct part *part) {
    if (set)
        put(part, n * table_width(cost, m), is_id(cost, m) ? n * width(cost, m) : 0);
}

/* The weighted sums of tags, their inverse norms, the weights. */
static void put_tags(const struct cost_model *cost, int64_t n, struct part *part) {
    const struct model_shape *shape = &cost->model->shape;
    int64_t d = shape->tags.dim, each = shape->tags.offsets[shape->items] / shape->items;
    put(part, n * (d + 1 + each), cost->model->tag_u >= 0 ? n * d : 0);
}

static void put_adapter(const struct cost_model *cost, int v, int64_t n, struct part *part) {
    int64_t d = width(cost, 0);
    put_linear(part, n, table_width(cost, v), d, false);
    put(part, n * d, n * d);
    put_linear(part, n, d, d, true);
}

static void put_views(const struct cost_model *cost, int64_t n, bool set, struct part *part) {
    for (int v = 0; v < VIEWS; v++) {
        put_table(cost, v, n, set, part);
        if (!is_id(cost, v))
            put_adapter(cost, v, n, part);
        put_linear(part, n, width(cost, 0), 1, true);
    }
    put_mix(n, width(cost, 0), part);
}

/* `n` rows of term m as encoders take them. */
static void put_rows(const struct cost_model *cost, int m, int64_t n, bool set, struct part *part) {
    if (fuses(cost))
        put_views(cost, n, set, part);
    else if (is_tags(cost, m))
        put_tags(cost, n, part);
    else
        put_table(cost, m, n, set, part);
    if (projects(cost, m))
        put_linear(part, n, cost->model->shape.table[m].dim, width(cost, m),
                   is_tags(cost, m) && cost->model->tag_u >= 0);
}

/* The negatives' rows, gathered from the set. */
static void put_negatives(const struct cost_model *cost, int m, struct part *part) {
    int sets = mixes_all(cost) ? 3 : 2;
    int64_t numbers = sets * config_of(cost)->train.negatives * width(cost, m);
    put(part, numbers, learns(cost, m) ? numbers : 0);
}

/* Rows of the side that training compares states with; a rank of `parts` has its share of them. */
static struct part item_part(const struct cost_model *cost, const struct cost_load *load,
                             const struct cost_load *all, int64_t parts, bool sharded) {
    struct part part = {0};
    int64_t rows = set_rows(cost, load, all);
    int64_t share = (cost->model->shape.items + parts - 1) / parts;
    for (int m = 0; m < cost->model->terms; m++) {
        if (is_sampled(cost))
            put_negatives(cost, m, &part);
        else
            put_rows(cost, m, share, false, &part);
        if (!is_sampled(cost) && !sharded)
            continue;
        put_rows(cost, m, rows, true, &part);
        if (!cost->model->modality[m].frozen)
            put_unit(&part, rows, width(cost, m), learns(cost, m));
    }
    return part;
}

/* ---- contrast ---- */

/* Distinct items of the whole batch, as if all had both views. */
static int64_t contrast_rows(const struct cost_model *cost, const struct cost_load *all) {
    return model_contrasts(cost->model) ? (int64_t)sequence_items(cost, all) : 0;
}

/* Rows of the two tables, of all items and of those with both views; views, unit and scaled. */
static struct part contrast_part(const struct cost_model *cost, const struct cost_load *all) {
    struct part part = {0};
    int64_t n = contrast_rows(cost, all), d = width(cost, 0);
    for (int v = 0; n > 0 && v < VIEWS; v++) {
        if (is_id(cost, v))
            continue;
        put(&part, 2 * n * table_width(cost, v), 0);
        put_adapter(cost, v, n, &part);
        put_unit(&part, n, d, true);
        put(&part, n * d, n * d);
    }
    return part;
}

/* ---- memory ---- */

/* Scratch of a loss, by asking the loss itself. */
static int64_t group_scratch(const struct cost_model *cost, const struct group *group,
                             int64_t parts) {
    struct tensor q[OPTION_LIST], items[OPTION_LIST];
    struct catalogue_loss loss = {
        .terms = cost->model->terms,
        .fusion = (enum fusion)config_of(cost)->model.fusion,
        .positions = group->positions,
        .candidates = is_sampled(cost) ? config_of(cost)->train.negatives
                                       : (candidates(cost, group->set) + parts - 1) / parts};
    for (int m = 0; m < cost->model->terms; m++) {
        q[m] = (struct tensor){.cols = width(cost, m), .learned = true};
        items[m] = (struct tensor){.cols = width(cost, m), .learned = learns(cost, m)};
        loss.term[m] = (struct catalogue_term){
            &q[m], &items[m], &items[m], !cost->model->modality[m].frozen && !is_sampled(cost)};
    }
    return catalogue_scratch(&loss, cost->threads);
}

static int64_t scratch(const struct cost_model *cost, const struct cost_load *load, int64_t parts) {
    int64_t most = 0;
    for (int s = 0; s < STREAMS; s++) {
        struct group group[2];
        for (int i = groups(cost, load, s, group) - 1; i >= 0; i--) {
            int64_t bytes = group_scratch(cost, &group[i], parts);
            most = bytes > most ? bytes : most;
        }
    }
    return most;
}

static int64_t contrast_scratch(const struct cost_model *cost, const struct cost_load *all,
                                int ranks) {
    int64_t n = contrast_rows(cost, all);
    struct tensor rows = {.cols = width(cost, 0), .learned = true};
    struct catalogue_loss loss = {.terms = 1,
                                  .term = {{&rows, &rows, &rows, 0}},
                                  .positions = (n + ranks - 1) / ranks,
                                  .candidates = n};
    return catalogue_scratch(&loss, cost->threads);
}

/* Gradients that exist when the last loss of the streams runs: of states and of item rows. */
static int64_t early_gradients(const struct cost_model *cost, const struct cost_load *load,
                               int64_t items) {
    int64_t n = 0;
    for (int m = 0; m < cost->model->terms; m++) {
        for (int s = 0; s < STREAMS; s++)
            n += scores(cost, s) ? load->tokens[s] * width(cost, m) : 0;
        n += !is_sampled(cost) && is_computed(cost, m) && learns(cost, m) ? items * width(cost, m)
                                                                          : 0;
    }
    return n;
}

/* The ranking keeps computed rows of all items that are here, the values of an encoder pass, with
 * the rows of its histories where they are an item set, and per thread two chunks of logits and one
 * of divided rows. */
static int64_t evaluation_memory(const struct cost_model *cost, const struct cost_load *history,
                                 int64_t parts, bool sharded) {
    struct part part = stream_part(cost, history, true);
    int64_t items = cost->model->shape.items, rows = (int64_t)sequence_items(cost, history),
            divided = 0;
    for (int m = 0; m < cost->model->terms; m++) {
        put_rows(cost, m, items, false, &part);
        if (sharded || cost->model->kind->computes_rows)
            put_rows(cost, m, rows, true, &part);
        divided += cost->model->modality[m].frozen ? 0 : RANKING_CHUNK * width(cost, m);
    }
    return BYTES *
           (part.values / parts + cost->threads * (divided + 2 * history->samples * RANKING_CHUNK));
}

/* Tags stand on every rank: vectors, and of each entry its number and weight. */
static int64_t feature_memory(const struct cost_model *cost, int64_t parts) {
    const struct model *model = cost->model;
    const struct tag_table *tags = &model->shape.tags;
    int64_t n = 0, bytes = 0;
    for (int m = 0; m < model->modalities; m++)
        n += is_id(cost, m) ? 0 : model->shape.items * table_width(cost, m);
    if (model->tags >= 0)
        bytes = BYTES * tags->tags * tags->dim + 8 * tags->offsets[model->shape.items] +
                8 * (model->shape.items + 1);
    return BYTES * n / parts + bytes;
}

/* The gradient of the id tables comes as rows. */
static bool by_rows(const struct cost_model *cost) {
    return is_sampled(cost) && !config_of(cost)->train.reproducible;
}

/* Buffers of the size of the dense gradients. */
static int64_t reduction_blocks(const struct cost_model *cost, int ranks) {
    int64_t levels = 0;
    if (!config_of(cost)->train.reproducible)
        return ranks > 1;
    while ((ranks << levels) < 8)
        levels++;
    return levels;
}

/* Numbers of the rows that ranks exchange: the sum over their union; sharded, what a rank is asked
 * for and what it is given. */
static int64_t exchanged(const struct cost_model *cost, bool sharded, const struct cost_load *load,
                         const struct cost_load *all) {
    int64_t n = 0, whole = contrast_rows(cost, all);
    for (int m = 0; m < cost->model->modalities; m++)
        if (sharded) {
            int64_t rows = set_rows(cost, load, all);
            n += (is_id(cost, m) ? 2 * rows : rows + whole) * table_width(cost, m);
        } else if (is_id(cost, m) && by_rows(cost)) {
            n += set_rows(cost, all, all) * width(cost, m);
        }
    return n;
}

/* The most of a step: in the streams' losses, in the contrast, after backward. */
static void step_memory(const struct cost_model *cost, int64_t parts, bool sharded, int ranks,
                        const struct cost_load *load, const struct cost_load *all,
                        struct cost_bytes *b, int64_t *most) {
    struct part step = item_part(cost, load, all, parts, sharded),
                streams = stream_part(cost, load, false), contrast = contrast_part(cost, all);
    join(&step, &streams);
    int64_t early = early_gradients(cost, load, cost->model->shape.items / parts),
            tiles = scratch(cost, sharded && !is_sampled(cost) ? all : load, parts),
            contrast_tiles = contrast_scratch(cost, all, ranks),
            at_loss = BYTES * (step.values + early) + tiles;
    join(&step, &contrast);
    int64_t at_contrast = BYTES * (step.values + early) + contrast_tiles;
    b->activations = BYTES * (step.values + step.gradients);
    b->tiles = tiles > contrast_tiles ? tiles : contrast_tiles;
    *most = at_loss > at_contrast ? at_loss : at_contrast;
    *most = *most > b->activations ? *most : b->activations;
}

void cost_memory(const struct cost_model *cost, enum cost_placement placement, int ranks,
                 const struct cost_load *load, const struct cost_load *all,
                 const struct cost_load *history, struct cost_bytes *b) {
    bool sharded = placement == COST_SHARDED;
    int64_t parts = sharded ? ranks : 1, table = cost_table_parameters(cost), step;
    int64_t here = BYTES * ((table + parts - 1) / parts),
            rest = BYTES * (cost_parameters(cost) - table), block = rest + here;
    *b = (struct cost_bytes){.parameters = block,
                             .gradients = by_rows(cost) ? rest : block,
                             .moments = 2 * block,
                             .features = feature_memory(cost, parts)};
    step_memory(cost, parts, sharded, ranks, load, all, b, &step);
    b->reduction = reduction_blocks(cost, ranks) * (sharded ? rest : b->gradients);
    if (ranks > 1)
        b->reduction += BYTES * exchanged(cost, sharded, load, all);
    b->evaluation = history ? evaluation_memory(cost, history, parts, sharded) : 0;
    b->total = b->parameters + b->gradients + b->moments + b->reduction + b->features + step +
               b->evaluation;
}

/* ---- work ---- */

static struct cost_work encoder_work(const struct cost_model *cost, const struct cost_load *load,
                                     bool back) {
    struct part step = item_part(cost, load, load, 1, false),
                streams = stream_part(cost, load, false), contrast = contrast_part(cost, load);
    join(&step, &streams);
    if (!back)
        return (struct cost_work){forward(&step), 2.0 * (double)(BYTES * step.values)};
    join(&step, &contrast);
    return (struct cost_work){backward(&step),
                              2.0 * (double)(BYTES * (step.values + step.gradients))};
}

static void add_softmax(double positions, double items, double d, bool learned,
                        struct cost_work *work) {
    if (positions <= 0)
        return;
    work->flops += (learned ? 6 : 4) * positions * items * d;
    work->bytes += (double)BYTES * d * ((learned ? 3 : 1) * items + 3 * positions);
}

static struct cost_work loss_work(const struct cost_model *cost, const struct cost_load *load) {
    struct part contrast = contrast_part(cost, load);
    struct cost_work work = {forward(&contrast), 2.0 * (double)(BYTES * contrast.values)};
    double rows = (double)contrast_rows(cost, load);
    for (int way = 0; way < 2; way++)
        add_softmax(rows, rows, (double)width(cost, 0), true, &work);
    for (int s = 0; s < STREAMS; s++) {
        struct group group[2];
        for (int i = groups(cost, load, s, group) - 1; i >= 0; i--)
            for (int m = 0; m < cost->model->terms; m++)
                add_softmax((double)group[i].positions,
                            (double)(is_sampled(cost) ? config_of(cost)->train.negatives
                                                      : candidates(cost, group[i].set)),
                            (double)width(cost, m), learns(cost, m), &work);
    }
    return work;
}

static struct cost_work ranking_work(const struct cost_model *cost, const struct cost_load *load) {
    struct part part = stream_part(cost, load, true);
    struct cost_work work = {0, 0};
    double pairs = 0; /* of one stream that is nowhere empty */
    for (int domain = 0; domain < 2; domain++)
        pairs += (double)load->ranked[domain] * (double)candidates(cost, domain);
    for (int m = 0; m < cost->model->terms; m++) {
        double d = (double)width(cost, m);
        put_rows(cost, m, cost->model->shape.items, false, &part);
        for (int s = fuses(cost) ? STREAM_XY : STREAM_X; s < STREAMS && load->samples > 0; s++)
            work.flops += 2 * d * pairs * (double)load->sequences[s] / (double)load->samples;
        work.bytes += (double)BYTES * (double)cost->model->shape.items * d;
    }
    work.flops += forward(&part);
    return work;
}

/* Parameters with a gradient in a step; of tables whose gradient comes as rows, those rows. */
static double touched(const struct cost_model *cost, const struct cost_load *load) {
    double n = (double)cost_parameters(cost);
    int64_t others = cost->model->shape.items - set_rows(cost, load, load);
    for (int m = 0; by_rows(cost) && m < cost->model->modalities; m++)
        if (is_id(cost, m))
            n -= (double)others * (double)width(cost, m);
    return n;
}

/* `n` parameters over all ranks, when a table that is shared out counts once. */
static double over_ranks(const struct cost_model *cost, int ranks, double n) {
    double whole = (double)(cost_parameters(cost) - cost_table_parameters(cost));
    bool sharded = config_of(cost)->train.placement == PLACEMENT_SHARDED;
    return ranks * whole + (sharded ? 1 : ranks) * (n - whole);
}

static struct cost_work optimizer_work(const struct cost_model *cost, int ranks,
                                       const struct cost_load *load) {
    double gradients = over_ranks(cost, ranks, touched(cost, load));
    double moved = config_of(cost)->train.optimizer == OPTIMIZER_LAZY_ADAMW
                       ? gradients
                       : over_ranks(cost, ranks, (double)cost_parameters(cost));
    return (struct cost_work){10 * moved, BYTES * (6 * moved + gradients)};
}

struct cost_work cost_stage(const struct cost_model *cost, enum cost_stage stage, int ranks,
                            const struct cost_load *load) {
    switch (stage) {
    case COST_ENCODER_FORWARD:
        return encoder_work(cost, load, false);
    case COST_LOSS:
        return loss_work(cost, load);
    case COST_ENCODER_BACKWARD:
        return encoder_work(cost, load, true);
    case COST_REDUCTION:
        return (struct cost_work){0, ranks > 1 ? BYTES * touched(cost, load) : 0};
    case COST_OPTIMIZER:
        return optimizer_work(cost, ranks, load);
    case COST_EVALUATION:
        return ranking_work(cost, load);
    case COST_INPUT:
    case COST_STAGES:
        break;
    }
    return (struct cost_work){0, 0};
}

/* ---- network ---- */

static struct cost_traffic reduction(const struct cost_model *cost, double bytes, int ranks) {
    double pieces = ceil(bytes / PIECE), rounds = ceil(log2(ranks));
    if (config_of(cost)->train.reproducible)
        return (struct cost_traffic){rounds * bytes, rounds * pieces};
    return (struct cost_traffic){2.0 * (ranks - 1) / ranks * bytes, 2 * rounds * pieces};
}

/* Rows of the tables, fetched and their gradients given back. */
static void add_lookups(const struct cost_model *cost, int ranks, const struct cost_load *load,
                        const struct cost_load *all, struct cost_traffic *t) {
    double away = (double)(ranks - 1) / ranks, whole = (double)contrast_rows(cost, all),
           rows = (double)set_rows(cost, load, all);
    for (int m = 0; m < cost->model->modalities; m++) {
        double bytes = away * (double)(BYTES * table_width(cost, m));
        t->bytes += bytes * (is_id(cost, m) ? 2 * rows : rows + whole);
        t->messages += bytes > 0 ? 4 * (ranks - 1) : 0;
    }
}

/* Of the exact loss where candidates are shared out. */
static void add_states(const struct cost_model *cost, int ranks, const struct cost_load *all,
                       struct cost_traffic *t) {
    for (int m = 0; m < cost->model->terms; m++)
        for (int s = 0; s < STREAMS; s++)
            if (scores(cost, s))
                t->bytes +=
                    2.0 * (ranks - 1) / ranks * (double)(BYTES * width(cost, m) * all->tokens[s]);
}

struct cost_traffic cost_traffic(const struct cost_model *cost, enum cost_placement placement,
                                 int ranks, const struct cost_load *load,
                                 const struct cost_load *all) {
    bool sharded = placement == COST_SHARDED;
    int64_t table = sharded || by_rows(cost) ? cost_table_parameters(cost) : 0;
    struct cost_traffic t =
        reduction(cost, (double)(BYTES * (cost_parameters(cost) - table)), ranks);
    if (ranks > 1 && sharded)
        add_lookups(cost, ranks, load, all, &t);
    if (ranks > 1 && sharded && !is_sampled(cost))
        add_states(cost, ranks, all, &t);
    for (int m = 0; m < cost->model->modalities && ranks > 1 && !sharded; m++)
        if (is_id(cost, m) && by_rows(cost)) {
            double bytes = (double)(BYTES * width(cost, m) * set_rows(cost, all, all));
            struct cost_traffic rows = reduction(cost, bytes, ranks);
            t.bytes += rows.bytes;
            t.messages += rows.messages;
        }
    return t;
}
