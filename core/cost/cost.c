/* Counts parameters by how they are held and summed; from those and from a step on a dry tape the
 * memory of a rank, the bytes and messages that it sends, and the optimizer's work. */
#include "core/cost/cost.h"
#include <math.h>

enum { PIECE = 1 << 20 };
#define BYTES ((int64_t)sizeof(real))

/* ---- the model's numbers ---- */

static int64_t padded_size(const struct param *p) {
    return param_end(p) - p->at;
}

/* Of the parameters that are here: all, those with a dense gradient, those of these that all ranks
 * hold and sum, and of these again those that are no item tables. */
struct sizes {
    int64_t all, dense, summed, layers;
};

static struct sizes count_parameters(const struct model *model) {
    struct sizes n = {0};
    for (int i = 0; i < model->params.count; i++) {
        const struct param *p = &model->params.list[i];
        int64_t size = padded_size(p);
        n.all += size;
        n.dense += p->by_rows ? 0 : size;
        n.summed += p->by_rows || p->partial ? 0 : size;
        n.layers += p->of_items ? 0 : size;
    }
    return n;
}

static bool is_learned(const struct model *model, int k) {
    return model->table[k].source == TABLE_LEARNED;
}

/* Columns of table k, learned or of the data set; 0: it is computed. */
static int64_t table_width(const struct model *model, int k) {
    int64_t width;
    (void)model_table(model, k, &width);
    return width;
}

static int64_t feature_bytes(const struct model *model) {
    const struct tag_table *tags = &model->catalogue.tags;
    int64_t items = model->catalogue.items, bytes = 0;
    bool computed = false;
    for (int k = 0; k < model->tables; k++) {
        computed = computed || !table_width(model, k);
        if (!is_learned(model, k))
            bytes += BYTES * item_block_count(&model->catalogue.local) * table_width(model, k);
    }
    if (computed)
        bytes += BYTES * tags->tags * tags->dim + 8 * tags->offsets[items] + 8 * (items + 1);
    return bytes;
}

/* ---- memory ---- */

/* Buffers of the size of the gradients that are summed. */
static int64_t reduction_blocks(const struct model *model, int ranks) {
    int64_t levels = 0;
    if (!model->config->train.reproducible)
        return ranks > 1;
    while ((ranks << levels) < 8)
        levels++;
    return levels;
}

/* Numbers of the rows that ranks exchange. */
static int64_t exchanged(const struct model *model, const struct cost_step *step) {
    int64_t n = 0;
    for (int k = 0; k < model->tables; k++) {
        int64_t width = table_width(model, k);
        bool learned = is_learned(model, k);
        if (model->catalogue.collectives)
            n += width * (learned ? 2 * step->set_rows : step->set_rows + step->whole_rows);
        else if (model_table_by_rows(model, k))
            n += width * step->union_rows;
    }
    return n;
}

void cost_memory(const struct model *model, int ranks, const struct cost_step *step,
                 int64_t evaluation, struct cost_bytes *b) {
    struct sizes n = count_parameters(model);
    *b = (struct cost_bytes){.parameters = BYTES * n.all,
                             .gradients = BYTES * n.dense,
                             .moments = 2 * BYTES * n.all,
                             .reduction = BYTES * reduction_blocks(model, ranks) * n.summed,
                             .features = feature_bytes(model),
                             .activations = step->activations,
                             .tiles = step->tiles,
                             .evaluation = evaluation};
    if (ranks > 1)
        b->reduction += BYTES * exchanged(model, step);
    b->total = b->parameters + b->gradients + b->moments + b->reduction + b->features + step->most +
               b->evaluation;
}

/* ---- network ---- */

static struct cost_traffic reduction(const struct model *model, double bytes, int ranks) {
    double pieces = ceil(bytes / PIECE), rounds = ceil(log2(ranks));
    if (model->config->train.reproducible)
        return (struct cost_traffic){rounds * bytes, rounds * pieces};
    return (struct cost_traffic){2.0 * (ranks - 1) / ranks * bytes, 2 * rounds * pieces};
}

static void add_lookups(const struct model *model, int ranks, const struct cost_step *step,
                        struct cost_traffic *t) {
    double away = (double)(ranks - 1) / ranks;
    t->bytes += away * ((double)(BYTES * exchanged(model, step)) + step->shared);
    for (int k = 0; k < model->tables; k++)
        t->messages += table_width(model, k) ? 4 * (ranks - 1) : 0;
}

struct cost_traffic cost_traffic(const struct model *model, int ranks,
                                 const struct cost_step *step) {
    struct sizes n = count_parameters(model);
    struct cost_traffic t = reduction(model, (double)(BYTES * n.summed), ranks);
    if (ranks > 1 && model->catalogue.collectives) {
        add_lookups(model, ranks, step, &t);
    } else if (ranks > 1) {
        struct cost_traffic rows =
            reduction(model, (double)(BYTES * exchanged(model, step)), ranks);
        t.bytes += rows.bytes;
        t.messages += rows.messages;
    }
    return t;
}

struct cost_traffic cost_hidden_traffic(const struct model *model, int ranks) {
    if (model->config->train.reproducible)
        return (struct cost_traffic){0};
    return reduction(model, (double)(BYTES * count_parameters(model).layers), ranks);
}

/* ---- the update ---- */

struct tape_work cost_adamw(double moved, double touched) {
    return (struct tape_work){.flops = 10 * moved,
                              .bytes = (double)sizeof(real) * (6 * moved + touched)};
}

/* Rows whose gradient comes here: of the union of all ranks' rows, a rank's part where tables are
 * shared out. */
struct tape_work cost_update(const struct model *model, int ranks, const struct cost_step *step) {
    bool lazy = model->config->train.optimizer == OPTIMIZER_LAZY_ADAMW;
    double rows = (double)step->union_rows / (model->catalogue.collectives ? ranks : 1);
    struct sizes n = count_parameters(model);
    double touched = (double)n.dense;
    for (int i = 0; i < model->params.count; i++)
        if (model->params.list[i].by_rows)
            touched += rows * (double)model->params.list[i].cols;
    return cost_adamw(lazy ? touched : (double)n.all, touched);
}
