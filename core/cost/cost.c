#include "core/cost/cost.h"
#include "core/catalogue/loss.h"
#include "core/cost/step.h"
#include "core/models/kind.h"
#include <math.h>

const char *const cost_placement_names[COST_PLACEMENTS] = {"replicated", "sharded"};
const char *const cost_stage_names[COST_STAGES] = {
    "input", "encoder_forward", "loss", "encoder_backward", "reduction", "optimizer", "evaluation"};

enum { PIECE = 1 << 20, RANKING_CHUNK = 512 };
#define BYTES ((int64_t)sizeof(real))

/* ---- memory ---- */

/* Scratch of a loss, by asking the loss itself. */
static int64_t group_scratch(const struct cost_model *cost, const struct cost_group *group,
                             int64_t parts) {
    struct tensor q[OPTION_LIST], items[OPTION_LIST];
    struct catalogue_loss loss = {
        .terms = cost->model->terms,
        .fusion = (enum fusion)cost_config(cost)->model.fusion,
        .positions = group->positions,
        .candidates = cost_is_sampled(cost)
                          ? cost_config(cost)->train.negatives
                          : (cost_candidates(cost, group->set) + parts - 1) / parts};
    for (int m = 0; m < cost->model->terms; m++) {
        q[m] = (struct tensor){.cols = cost_width(cost, m), .learned = true};
        items[m] = (struct tensor){.cols = cost_width(cost, m), .learned = cost_learns(cost, m)};
        loss.term[m] =
            (struct catalogue_term){&q[m], &items[m], &items[m],
                                    !cost->model->modality[m].frozen && !cost_is_sampled(cost)};
    }
    return catalogue_scratch(&loss, cost->threads);
}

static int64_t scratch(const struct cost_model *cost, const struct cost_load *load, int64_t parts) {
    int64_t most = 0;
    for (int s = 0; s < STREAMS; s++) {
        struct cost_group group[2];
        for (int i = cost_groups(cost, load, s, group) - 1; i >= 0; i--) {
            int64_t bytes = group_scratch(cost, &group[i], parts);
            most = bytes > most ? bytes : most;
        }
    }
    return most;
}

static int64_t contrast_scratch(const struct cost_model *cost, const struct cost_load *all,
                                int ranks) {
    int64_t n = cost_contrast_rows(cost, all);
    struct tensor rows = {.cols = cost_width(cost, 0), .learned = true};
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
            n += cost_scores(cost, s) ? load->tokens[s] * cost_width(cost, m) : 0;
        n += !cost_is_sampled(cost) && cost_is_computed(cost, m) && cost_learns(cost, m)
                 ? items * cost_width(cost, m)
                 : 0;
    }
    return n;
}

/* The ranking keeps computed rows of all items that are here, the values of an encoder pass, with
 * the rows of its histories where they are an item set, and per thread two chunks of logits and one
 * of divided rows. */
static int64_t evaluation_memory(const struct cost_model *cost, const struct cost_load *history,
                                 int64_t parts, bool sharded) {
    struct cost_part part = cost_stream_part(cost, history, true);
    int64_t items = cost->model->shape.items, rows = (int64_t)cost_distinct_items(cost, history),
            divided = 0;
    for (int m = 0; m < cost->model->terms; m++) {
        cost_put_rows(cost, m, items, false, &part);
        if (sharded || cost->model->kind->computes_rows)
            cost_put_rows(cost, m, rows, true, &part);
        divided += cost->model->modality[m].frozen ? 0 : RANKING_CHUNK * cost_width(cost, m);
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
        n += cost_is_id(cost, m) ? 0 : model->shape.items * cost_table_width(cost, m);
    if (model->tags >= 0)
        bytes = BYTES * tags->tags * tags->dim + 8 * tags->offsets[model->shape.items] +
                8 * (model->shape.items + 1);
    return BYTES * n / parts + bytes;
}

/* Buffers of the size of the dense gradients. */
static int64_t reduction_blocks(const struct cost_model *cost, int ranks) {
    int64_t levels = 0;
    if (!cost_config(cost)->train.reproducible)
        return ranks > 1;
    while ((ranks << levels) < 8)
        levels++;
    return levels;
}

/* Numbers of the rows that ranks exchange: the sum over their union; sharded, what a rank is asked
 * for and what it is given. */
static int64_t exchanged(const struct cost_model *cost, bool sharded, const struct cost_load *load,
                         const struct cost_load *all) {
    int64_t n = 0, whole = cost_contrast_rows(cost, all);
    for (int m = 0; m < cost->model->modalities; m++)
        if (sharded) {
            int64_t rows = cost_set_rows(cost, load, all);
            n += (cost_is_id(cost, m) ? 2 * rows : rows + whole) * cost_table_width(cost, m);
        } else if (cost_is_id(cost, m) && cost_by_rows(cost)) {
            n += cost_set_rows(cost, all, all) * cost_width(cost, m);
        }
    return n;
}

/* The most of a step: in the streams' losses, in the contrast, after backward. */
static void step_memory(const struct cost_model *cost, int64_t parts, bool sharded, int ranks,
                        const struct cost_load *load, const struct cost_load *all,
                        struct cost_bytes *b, int64_t *most) {
    struct cost_part step = cost_item_part(cost, load, all, parts, sharded),
                     streams = cost_stream_part(cost, load, false),
                     contrast = cost_contrast_part(cost, all);
    cost_part_join(&step, &streams);
    int64_t early = early_gradients(cost, load, cost->model->shape.items / parts),
            tiles = scratch(cost, sharded && !cost_is_sampled(cost) ? all : load, parts),
            contrast_tiles = contrast_scratch(cost, all, ranks),
            at_loss = BYTES * (step.values + early) + tiles;
    cost_part_join(&step, &contrast);
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
                             .gradients = cost_by_rows(cost) ? rest : block,
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
    struct cost_part step = cost_item_part(cost, load, load, 1, false),
                     streams = cost_stream_part(cost, load, false),
                     contrast = cost_contrast_part(cost, load);
    cost_part_join(&step, &streams);
    if (!back)
        return (struct cost_work){cost_part_forward(&step), 2.0 * (double)(BYTES * step.values)};
    cost_part_join(&step, &contrast);
    return (struct cost_work){cost_part_backward(&step),
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
    struct cost_part contrast = cost_contrast_part(cost, load);
    struct cost_work work = {cost_part_forward(&contrast), 2.0 * (double)(BYTES * contrast.values)};
    double rows = (double)cost_contrast_rows(cost, load);
    for (int way = 0; way < 2; way++)
        add_softmax(rows, rows, (double)cost_width(cost, 0), true, &work);
    for (int s = 0; s < STREAMS; s++) {
        struct cost_group group[2];
        for (int i = cost_groups(cost, load, s, group) - 1; i >= 0; i--)
            for (int m = 0; m < cost->model->terms; m++)
                add_softmax((double)group[i].positions,
                            (double)(cost_is_sampled(cost) ? cost_config(cost)->train.negatives
                                                           : cost_candidates(cost, group[i].set)),
                            (double)cost_width(cost, m), cost_learns(cost, m), &work);
    }
    return work;
}

static struct cost_work ranking_work(const struct cost_model *cost, const struct cost_load *load) {
    struct cost_part part = cost_stream_part(cost, load, true);
    struct cost_work work = {0, 0};
    double pairs = 0; /* of one stream that is nowhere empty */
    for (int domain = 0; domain < 2; domain++)
        pairs += (double)load->ranked[domain] * (double)cost_candidates(cost, domain);
    for (int m = 0; m < cost->model->terms; m++) {
        double d = (double)cost_width(cost, m);
        cost_put_rows(cost, m, cost->model->shape.items, false, &part);
        for (int s = cost_fuses(cost) ? STREAM_XY : STREAM_X; s < STREAMS && load->samples > 0; s++)
            work.flops += 2 * d * pairs * (double)load->sequences[s] / (double)load->samples;
        work.bytes += (double)BYTES * (double)cost->model->shape.items * d;
    }
    work.flops += cost_part_forward(&part);
    return work;
}

/* Parameters with a gradient in a step; of tables whose gradient comes as rows, those rows. */
static double touched(const struct cost_model *cost, const struct cost_load *load) {
    double n = (double)cost_parameters(cost);
    int64_t others = cost->model->shape.items - cost_set_rows(cost, load, load);
    for (int m = 0; cost_by_rows(cost) && m < cost->model->modalities; m++)
        if (cost_is_id(cost, m))
            n -= (double)others * (double)cost_width(cost, m);
    return n;
}

/* `n` parameters over all ranks, when a table that is shared out counts once. */
static double over_ranks(const struct cost_model *cost, int ranks, double n) {
    double whole = (double)(cost_parameters(cost) - cost_table_parameters(cost));
    bool sharded = cost_config(cost)->train.placement == PLACEMENT_SHARDED;
    return ranks * whole + (sharded ? 1 : ranks) * (n - whole);
}

static struct cost_work optimizer_work(const struct cost_model *cost, int ranks,
                                       const struct cost_load *load) {
    double gradients = over_ranks(cost, ranks, touched(cost, load));
    double moved = cost_config(cost)->train.optimizer == OPTIMIZER_LAZY_ADAMW
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
    if (cost_config(cost)->train.reproducible)
        return (struct cost_traffic){rounds * bytes, rounds * pieces};
    return (struct cost_traffic){2.0 * (ranks - 1) / ranks * bytes, 2 * rounds * pieces};
}

/* Rows of the tables, fetched and their gradients given back. */
static void add_lookups(const struct cost_model *cost, int ranks, const struct cost_load *load,
                        const struct cost_load *all, struct cost_traffic *t) {
    double away = (double)(ranks - 1) / ranks, whole = (double)cost_contrast_rows(cost, all),
           rows = (double)cost_set_rows(cost, load, all);
    for (int m = 0; m < cost->model->modalities; m++) {
        double bytes = away * (double)(BYTES * cost_table_width(cost, m));
        t->bytes += bytes * (cost_is_id(cost, m) ? 2 * rows : rows + whole);
        t->messages += bytes > 0 ? 4 * (ranks - 1) : 0;
    }
}

/* Of the exact loss where candidates are shared out. */
static void add_states(const struct cost_model *cost, int ranks, const struct cost_load *all,
                       struct cost_traffic *t) {
    for (int m = 0; m < cost->model->terms; m++)
        for (int s = 0; s < STREAMS; s++)
            if (cost_scores(cost, s))
                t->bytes += 2.0 * (ranks - 1) / ranks *
                            (double)(BYTES * cost_width(cost, m) * all->tokens[s]);
}

struct cost_traffic cost_traffic(const struct cost_model *cost, enum cost_placement placement,
                                 int ranks, const struct cost_load *load,
                                 const struct cost_load *all) {
    bool sharded = placement == COST_SHARDED;
    int64_t table = sharded || cost_by_rows(cost) ? cost_table_parameters(cost) : 0;
    struct cost_traffic t =
        reduction(cost, (double)(BYTES * (cost_parameters(cost) - table)), ranks);
    if (ranks > 1 && sharded)
        add_lookups(cost, ranks, load, all, &t);
    if (ranks > 1 && sharded && !cost_is_sampled(cost))
        add_states(cost, ranks, all, &t);
    for (int m = 0; m < cost->model->modalities && ranks > 1 && !sharded; m++)
        if (cost_is_id(cost, m) && cost_by_rows(cost)) {
            double bytes = (double)(BYTES * cost_width(cost, m) * cost_set_rows(cost, all, all));
            struct cost_traffic rows = reduction(cost, bytes, ranks);
            t.bytes += rows.bytes;
            t.messages += rows.messages;
        }
    return t;
}
