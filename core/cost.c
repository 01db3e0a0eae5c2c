#include "core/cost.h"
#include "core/catalogue/loss.h"
#include "core/models/model.h"
#include <math.h>

const char *const cost_placement_names[COST_PLACEMENTS] = {"replicated", "sharded"};
const char *const cost_stage_names[COST_STAGES] = {
    "input", "encoder_forward", "loss", "encoder_backward", "reduction", "optimizer", "evaluation"};

enum { PAD = 16, PIECE = 1 << 20, RANKING_CHUNK = 512 };
#define BYTES ((int64_t)sizeof(real))

void cost_load_add(struct cost_load *load, const int64_t count[STREAMS][2]) {
    load->samples++;
    for (int s = 0; s < STREAMS; s++) {
        int64_t n = count[s][0] + count[s][1];
        load->sequences[s] += n > 0;
        load->pairs[s] += n * (n + 1) / 2;
        load->targets[s][0] += count[s][0];
        load->targets[s][1] += count[s][1];
    }
}

void cost_load_add_batch(struct cost_load *load, const struct batch *batch, int64_t x_items) {
    load->samples += batch->samples;
    for (int s = 0; s < STREAMS; s++) {
        const struct stream *stream = &batch->stream[s];
        load->sequences[s] += stream->sequences;
        for (int64_t b = 0; b < stream->sequences; b++) {
            int64_t n = stream->offsets[b + 1] - stream->offsets[b];
            load->pairs[s] += n * (n + 1) / 2;
        }
        for (int64_t t = 0; t < stream->tokens; t++)
            load->targets[s][stream->targets[t] >= x_items]++;
    }
}

static int64_t at_most(int64_t n, int64_t most) {
    return n < most ? n : most;
}

void cost_load_add_history(struct cost_load *load, const int32_t *items, int64_t length,
                           int64_t x_items, int64_t max_len) {
    int64_t seen[2] = {0, 0};
    for (int64_t i = 0; i < length - 1; i++)
        seen[items[i] >= x_items]++;
    const int64_t count[STREAMS][2] = {{at_most(seen[0], max_len), 0},
                                       {0, at_most(seen[1], max_len)},
                                       {at_most(seen[0] + seen[1], max_len), 0}};
    cost_load_add(load, count);
    load->ranked[items[length - 1] >= x_items]++;
}

void cost_load_join(struct cost_load *load, const struct cost_load *other) {
    load->samples += other->samples;
    for (int d = 0; d < 2; d++)
        load->ranked[d] += other->ranked[d];
    for (int s = 0; s < STREAMS; s++) {
        load->sequences[s] += other->sequences[s];
        load->pairs[s] += other->pairs[s];
        load->targets[s][0] += other->targets[s][0];
        load->targets[s][1] += other->targets[s][1];
    }
}

/* ---- what a model is ---- */

static int modalities(const struct cost_model *model) {
    return model->config->model.modalities.count;
}

static bool is_id(const struct cost_model *model, int m) {
    return model->given[m] == 0;
}

static bool projects(const struct cost_model *model, int m) {
    return !is_id(model, m) && model->config->model.feature_proj > 0;
}

/* The item side takes gradients. */
static bool learns(const struct cost_model *model, int m) {
    return is_id(model, m) || projects(model, m);
}

static int64_t width(const struct cost_model *model, int m) {
    return is_id(model, m)      ? model->config->model.dim
           : projects(model, m) ? model->config->model.feature_proj
                                : model->given[m];
}

static bool is_sampled(const struct cost_model *model) {
    return model->config->train.loss != LOSS_EXACT;
}

static bool mixes_all(const struct cost_model *model) {
    return model->config->model.mixed_softmax == MIXED_ALL;
}

static int64_t tokens(const struct cost_load *load, int s) {
    return load->targets[s][0] + load->targets[s][1];
}

/* Streams that the training loss needs. */
static bool trains(const struct cost_model *model, int s) {
    double weight[LOSS_PARTS];
    model_loss_weights(model->config, weight);
    return weight[s] > 0;
}

/* Candidate set 0: X, 1: Y, 2: all. */
static int64_t candidates(const struct cost_model *model, int set) {
    return set == 0 ? model->x_items : set == 1 ? model->items - model->x_items : model->items;
}

/* The softmaxes of stream s: positions whose targets lie in a candidate set. */
struct group {
    int set;
    int64_t positions;
};

static int groups(const struct cost_model *model, const struct cost_load *load, int s,
                  struct group out[2]) {
    int n = 0;
    if (s == STREAM_XY && mixes_all(model)) {
        out[n++] = (struct group){2, tokens(load, s)};
        return n;
    }
    for (int d = 0; d < 2; d++)
        if (s == STREAM_XY || s == d)
            out[n++] = (struct group){d, load->targets[s][d]};
    return n;
}

/* ---- parameters ---- */

static int64_t padded(int64_t n) {
    return (n + PAD - 1) / PAD * PAD;
}

static int64_t linear_size(int64_t out, int64_t in) {
    return padded(out * in) + padded(out);
}

static int64_t encoder_size(const struct cost_model *model, int64_t d) {
    int64_t block = 4 * padded(d) + linear_size(3 * d, d) + 3 * linear_size(d, d);
    return padded(model->max_len * d) + model->config->model.blocks * block + 2 * padded(d);
}

int64_t cost_table_parameters(const struct cost_model *model) {
    int64_t n = 0;
    for (int m = 0; m < modalities(model); m++)
        n += is_id(model, m) ? padded(model->items * width(model, m)) : 0;
    return n;
}

int64_t cost_parameters(const struct cost_model *model) {
    const struct config *c = model->config;
    int encoders = c->model.share_encoders == SHARE_STREAMS ? 1 : STREAMS;
    bool fusion = c->model.fusion == FUSION_PROBABILITY && !c->model.fusion_weights.count &&
                  modalities(model) > 1;
    int64_t n = cost_table_parameters(model) + (fusion ? padded(modalities(model)) : 0);
    for (int m = 0; m < modalities(model); m++) {
        int64_t d = width(model, m);
        n += projects(model, m) ? linear_size(d, model->given[m]) : 0;
        n += (c->model.scale.count ? 0 : padded(1)) + encoders * encoder_size(model, d);
    }
    return n;
}

/* ---- memory ---- */

/* Numbers on the tape: those of forward, and the gradients that backward adds. */
struct numbers_on_tape {
    int64_t values, gradients;
};

static void put(struct numbers_on_tape *n, int64_t values, int64_t gradients) {
    n->values += values;
    n->gradients += gradients;
}

/* Values: embedding; per block two norms, q k v, attention, its output, two residuals, two layers,
 * activation (12); norm, unit norm, scale; means and inverses. Gradients: as many but for the
 * residuals, which share the buffer of the block's output. */
static void put_encoder(const struct cost_model *model, const struct cost_load *load, int s, int m,
                        struct numbers_on_tape *n) {
    const struct config *c = model->config;
    int64_t blocks = c->model.blocks, t = tokens(load, s), d = width(model, m);
    put(n, (12 * blocks + 4) * t * d + (4 * blocks + 3) * t, (10 * blocks + 4) * t * d);
    put(n, blocks * c->model.heads * load->pairs[s], 0);
}

/* Rows of an item set (core/models/item_set.h): inputs, targets and negatives, as many distinct
 * ones as uniform draws give. */
static int64_t set_rows(const struct cost_model *model, const struct cost_load *load) {
    double draws = 0, items = (double)model->items;
    int64_t most = 0;
    for (int s = 0; s < STREAMS; s++)
        if (trains(model, s))
            most = tokens(load, s) + load->sequences[s] > most
                       ? tokens(load, s) + load->sequences[s]
                       : most;
    draws += (double)most;
    if (is_sampled(model))
        draws += (double)((mixes_all(model) ? 3 : 2) * model->config->train.negatives);
    return (int64_t)(items * -expm1(-draws / items));
}

/* The set's rows on the tape, projected; those that are learned also at unit norm, with gradients.
 */
static void put_set(const struct cost_model *model, const struct cost_load *load, int m,
                    struct numbers_on_tape *n) {
    int64_t rows = set_rows(model, load), d = width(model, m);
    put(n, rows * (projects(model, m) ? model->given[m] + d : d), 0);
    if (learns(model, m))
        put(n, rows * (d + 1), 2 * rows * d);
}

/* The negatives' rows, gathered from the set. */
static void put_negatives(const struct cost_model *model, int m, struct numbers_on_tape *n) {
    int sets = mixes_all(model) ? 3 : 2;
    int64_t numbers = sets * model->config->train.negatives * width(model, m);
    put(n, numbers, learns(model, m) ? numbers : 0);
}

/* Rows of `items` items in exact loss and ranking: the tables themselves, or projected. */
static void put_items(const struct cost_model *model, int m, int64_t items,
                      struct numbers_on_tape *n) {
    if (projects(model, m))
        put(n, items * width(model, m), items * width(model, m));
}

static struct numbers_on_tape on_tape(const struct cost_model *model, enum cost_placement placement,
                                      int ranks, const struct cost_load *load) {
    struct numbers_on_tape n = {0, 0};
    int64_t share = placement == COST_SHARDED ? (model->items + ranks - 1) / ranks : model->items;
    for (int m = 0; m < modalities(model); m++) {
        for (int s = 0; s < STREAMS; s++)
            if (trains(model, s))
                put_encoder(model, load, s, m, &n);
        if (is_sampled(model))
            put_negatives(model, m, &n);
        else
            put_items(model, m, share, &n);
        if (is_sampled(model) || placement == COST_SHARDED)
            put_set(model, load, m, &n);
    }
    return n;
}

/* Scratch of the loss of one group, by asking the loss itself. */
static int64_t group_scratch(const struct cost_model *model, const struct group *group, int ranks) {
    struct tensor q[OPTION_LIST], items[OPTION_LIST];
    struct catalogue_loss loss = {
        .terms = modalities(model),
        .fusion = (enum fusion)model->config->model.fusion,
        .positions = group->positions,
        .candidates = is_sampled(model) ? model->config->train.negatives
                                        : (candidates(model, group->set) + ranks - 1) / ranks};
    for (int m = 0; m < modalities(model); m++) {
        q[m] = (struct tensor){.cols = width(model, m), .learned = true};
        items[m] = (struct tensor){.cols = width(model, m), .learned = learns(model, m)};
        loss.term[m] = (struct catalogue_term){&q[m], &items[m], &items[m],
                                               learns(model, m) && !is_sampled(model)};
    }
    return catalogue_scratch(&loss, model->threads);
}

static int64_t scratch(const struct cost_model *model, const struct cost_load *load, int ranks) {
    int64_t most = 0;
    for (int s = 0; s < STREAMS; s++) {
        struct group group[2];
        for (int i = groups(model, load, s, group) - 1; trains(model, s) && i >= 0; i--) {
            int64_t bytes = group_scratch(model, &group[i], ranks);
            most = bytes > most ? bytes : most;
        }
    }
    return most;
}

/* Gradients that exist when the last loss runs: of states and of item rows. */
static int64_t early_gradients(const struct cost_model *model, const struct cost_load *load,
                               int64_t items) {
    int64_t n = 0;
    for (int m = 0; m < modalities(model); m++) {
        int64_t d = width(model, m);
        for (int s = 0; s < STREAMS; s++)
            n += trains(model, s) ? tokens(load, s) * d : 0;
        n += !is_sampled(model) && projects(model, m) ? items * d : 0;
    }
    return n;
}

/* The ranking keeps projected rows of all items, the values of an encoder pass, and per thread two
 * chunks of logits and one of divided rows. */
static int64_t evaluation_memory(const struct cost_model *model, const struct cost_load *history) {
    struct numbers_on_tape n = {0, 0};
    for (int m = 0; m < modalities(model); m++) {
        put_items(model, m, model->items, &n);
        for (int s = 0; s < STREAMS; s++)
            put_encoder(model, history, s, m, &n);
        n.values += learns(model, m) ? model->threads * RANKING_CHUNK * width(model, m) : 0;
    }
    return BYTES * (n.values + 2 * model->threads * history->samples * RANKING_CHUNK);
}

static int64_t feature_memory(const struct cost_model *model) {
    int64_t n = 0;
    for (int m = 0; m < modalities(model); m++)
        n += model->items * model->given[m];
    return n * BYTES;
}

/* The gradient of the id tables comes as rows. */
static bool by_rows(const struct cost_model *model) {
    return is_sampled(model) && !model->config->train.reproducible;
}

/* Buffers of the size of the dense gradients. */
static int64_t reduction_blocks(const struct cost_model *model, int ranks) {
    int64_t levels = 0;
    if (!model->config->train.reproducible)
        return ranks > 1;
    while ((ranks << levels) < 8)
        levels++;
    return levels;
}

/* Numbers of the rows that ranks exchange: the sum over their union; sharded, what a rank is asked
 * for and what it is given. */
static int64_t exchanged(const struct cost_model *model, enum cost_placement placement, int ranks,
                         const struct cost_load *load, const struct cost_load *all) {
    int64_t n = 0;
    if (ranks == 1)
        return 0;
    for (int m = 0; m < modalities(model); m++)
        if (placement == COST_SHARDED)
            n += (learns(model, m) ? 2 : 1) * set_rows(model, load) * width(model, m);
        else if (is_id(model, m) && by_rows(model))
            n += set_rows(model, all) * width(model, m);
    return n;
}

void cost_memory(const struct cost_model *model, enum cost_placement placement, int ranks,
                 const struct cost_load *load, const struct cost_load *all,
                 const struct cost_load *history, struct cost_bytes *b) {
    int64_t parts = placement == COST_SHARDED ? ranks : 1, table = cost_table_parameters(model);
    int64_t here = BYTES * ((table + parts - 1) / parts),
            rest = BYTES * (cost_parameters(model) - table), block = rest + here;
    struct numbers_on_tape tape = on_tape(model, placement, ranks, load);
    const struct cost_load *positions =
        placement == COST_SHARDED && !is_sampled(model) ? all : load;
    *b = (struct cost_bytes){.parameters = block,
                             .gradients = by_rows(model) ? rest : block,
                             .moments = 2 * block,
                             .features = feature_memory(model) / parts,
                             .activations = BYTES * (tape.values + tape.gradients),
                             .tiles = scratch(model, positions, (int)parts)};
    b->reduction =
        reduction_blocks(model, ranks) * (placement == COST_SHARDED ? rest : b->gradients) +
        BYTES * exchanged(model, placement, ranks, load, all);
    b->evaluation = history ? evaluation_memory(model, history) / parts : 0;
    int64_t at_loss = BYTES * (tape.values + early_gradients(model, load, model->items / parts));
    int64_t step = at_loss + b->tiles > b->activations ? at_loss + b->tiles : b->activations;
    b->total = b->parameters + b->gradients + b->moments + b->reduction + b->features + step +
               b->evaluation;
}

/* ---- work ---- */

static double encoder_flops(const struct cost_model *model, const struct cost_load *load) {
    double flops = 0;
    for (int m = 0; m < modalities(model); m++)
        for (int s = 0; s < STREAMS; s++) {
            double d = (double)width(model, m), blocks = (double)model->config->model.blocks;
            flops +=
                blocks * (12 * d * d * (double)tokens(load, s) + 4 * d * (double)load->pairs[s]);
        }
    return flops;
}

/* Rows that go through the projections. */
static double projection_flops(const struct cost_model *model, const struct cost_load *load) {
    double flops = 0;
    for (int m = 0; m < modalities(model); m++) {
        int64_t rows = is_sampled(model) ? set_rows(model, load) : model->items;
        if (projects(model, m))
            flops += 2.0 * (double)rows * (double)model->given[m] * (double)width(model, m);
    }
    return flops;
}

static struct cost_load trained(const struct cost_model *model, const struct cost_load *load) {
    struct cost_load out = *load;
    for (int s = 0; s < STREAMS; s++)
        if (!trains(model, s))
            out.sequences[s] = out.pairs[s] = out.targets[s][0] = out.targets[s][1] = 0;
    return out;
}

static struct cost_work encoder_work(const struct cost_model *model, const struct cost_load *load,
                                     bool backward) {
    struct cost_load used = trained(model, load);
    struct numbers_on_tape n = on_tape(model, COST_REPLICATED, 1, &used);
    double forward = encoder_flops(model, &used), projection = projection_flops(model, &used);
    return backward ? (struct cost_work){2 * forward + projection,
                                         2.0 * (double)(BYTES * (n.values + n.gradients))}
                    : (struct cost_work){forward + projection, 2.0 * (double)(BYTES * n.values)};
}

static struct cost_work loss_work(const struct cost_model *model, const struct cost_load *load) {
    struct cost_work work = {0, 0};
    for (int s = 0; s < STREAMS; s++) {
        struct group group[2];
        for (int i = groups(model, load, s, group) - 1; trains(model, s) && i >= 0; i--) {
            double positions = (double)group[i].positions,
                   items = (double)(is_sampled(model) ? model->config->train.negatives
                                                      : candidates(model, group[i].set));
            for (int m = 0; m < modalities(model) && group[i].positions > 0; m++) {
                double d = (double)width(model, m);
                work.flops += (learns(model, m) ? 6 : 4) * positions * items * d;
                work.bytes +=
                    (double)BYTES * d * ((learns(model, m) ? 3 : 1) * items + 3 * positions);
            }
        }
    }
    return work;
}

static struct cost_work ranking_work(const struct cost_model *model, const struct cost_load *load) {
    struct cost_work work = {encoder_flops(model, load), 0};
    double scores = 0; /* of one stream that is nowhere empty */
    for (int domain = 0; domain < 2; domain++)
        scores += (double)load->ranked[domain] * (double)candidates(model, domain);
    for (int m = 0; m < modalities(model); m++) {
        double d = (double)width(model, m);
        for (int s = 0; s < STREAMS && load->samples > 0; s++)
            work.flops += 2 * d * scores * (double)load->sequences[s] / (double)load->samples;
        work.bytes += (double)BYTES * (double)model->items * d;
    }
    return work;
}

/* Parameters with a gradient in a step; of tables whose gradient comes as rows, those rows. */
static double touched(const struct cost_model *model, const struct cost_load *load) {
    double n = (double)cost_parameters(model);
    for (int m = 0; by_rows(model) && m < modalities(model); m++)
        if (is_id(model, m))
            n -= (double)(model->items - set_rows(model, load)) * (double)width(model, m);
    return n;
}

/* `n` parameters over all ranks, when a table that is shared out counts once. */
static double over_ranks(const struct cost_model *model, int ranks, double n) {
    double whole = (double)(cost_parameters(model) - cost_table_parameters(model));
    bool sharded = model->config->train.placement == PLACEMENT_SHARDED;
    return ranks * whole + (sharded ? 1 : ranks) * (n - whole);
}

static struct cost_work optimizer_work(const struct cost_model *model, int ranks,
                                       const struct cost_load *load) {
    double gradients = over_ranks(model, ranks, touched(model, load));
    double moved = model->config->train.optimizer == OPTIMIZER_LAZY_ADAMW
                       ? gradients
                       : over_ranks(model, ranks, (double)cost_parameters(model));
    return (struct cost_work){10 * moved, BYTES * (6 * moved + gradients)};
}

struct cost_work cost_stage(const struct cost_model *model, enum cost_stage stage, int ranks,
                            const struct cost_load *load) {
    switch (stage) {
    case COST_ENCODER_FORWARD:
        return encoder_work(model, load, false);
    case COST_LOSS:
        return loss_work(model, load);
    case COST_ENCODER_BACKWARD:
        return encoder_work(model, load, true);
    case COST_REDUCTION:
        return (struct cost_work){0, ranks > 1 ? BYTES * touched(model, load) : 0};
    case COST_OPTIMIZER:
        return optimizer_work(model, ranks, load);
    case COST_EVALUATION:
        return ranking_work(model, load);
    case COST_INPUT:
    case COST_STAGES:
        break;
    }
    return (struct cost_work){0, 0};
}

/* ---- network ---- */

static struct cost_traffic reduction(const struct cost_model *model, double bytes, int ranks) {
    double pieces = ceil(bytes / PIECE), rounds = ceil(log2(ranks));
    if (model->config->train.reproducible)
        return (struct cost_traffic){rounds * bytes, rounds * pieces};
    return (struct cost_traffic){2.0 * (ranks - 1) / ranks * bytes, 2 * rounds * pieces};
}

struct cost_traffic cost_traffic(const struct cost_model *model, enum cost_placement placement,
                                 int ranks, const struct cost_load *load,
                                 const struct cost_load *all) {
    bool sharded = placement == COST_SHARDED;
    int64_t table = sharded || by_rows(model) ? cost_table_parameters(model) : 0;
    double away = (double)(ranks - 1) / ranks;
    struct cost_traffic t =
        reduction(model, (double)(BYTES * (cost_parameters(model) - table)), ranks);
    for (int m = 0; m < modalities(model) && ranks > 1; m++) {
        double d = (double)(BYTES * width(model, m)), states = 0;
        for (int s = 0; s < STREAMS; s++)
            states += !is_sampled(model) && trains(model, s) ? (double)tokens(all, s) : 0;
        if (sharded) {
            t.bytes += away * d * ((learns(model, m) ? 2 : 1) * (double)set_rows(model, load));
            t.bytes += away * d * 2 * states;
            t.messages += 4 * (ranks - 1);
        } else if (is_id(model, m) && by_rows(model)) {
            struct cost_traffic rows = reduction(model, d * (double)set_rows(model, all), ranks);
            t.bytes += rows.bytes;
            t.messages += rows.messages;
        }
    }
    return t;
}
