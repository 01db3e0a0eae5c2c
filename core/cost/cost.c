/* Counts parameters by how they are held and summed; from those and from a step on a dry tape the
 * memory of a rank, the bytes and messages that it sends, and the optimizer's work. */
#include "core/cost/cost.h"
#include "partition/grid.h"
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
        n.layers += p->of_items || p->by_rows ? 0 : size;
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
    int64_t items = model->catalogue.items;
    int64_t bytes = item_graph_bytes(items, model->catalogue.graph.most);
    bool computed = false;
    for (int k = 0; k < model->tables; k++) {
        computed = computed || !table_width(model, k);
        if (!is_learned(model, k))
            bytes += BYTES * item_block_count(&model->catalogue.local) * table_width(model, k);
    }
    if (computed)
        bytes += BYTES * tags->tags * tags->dim + 8 * tags->offsets[items] + 8 * (items + 1);
    if (model->catalogue.successors)
        bytes += successors_bytes(model->catalogue.successors);
    return bytes;
}

/* ---- memory ---- */

/* Numbers of the buffers of a sum of dense gradients. */
static int64_t reduction_room(const struct model *model, int ranks, const struct sizes *n) {
    int64_t levels = 0;
    if (!model->config->train.reproducible)
        return ranks > 1 ? n->layers : 0;
    while ((ranks << levels) < 8)
        levels++;
    return levels * n->summed;
}

/* Columns of all tables whose rows are looked up, or of the learned ones. */
static int64_t columns(const struct model *model, bool learned) {
    int64_t n = 0;
    for (int k = 0; k < model->tables; k++)
        n += !learned || is_learned(model, k) ? table_width(model, k) : 0;
    return n;
}

static int64_t frozen_columns(const struct model *model) {
    return columns(model, false) - columns(model, true);
}

/* Numbers of the rows that ranks sum. */
static int64_t summed_rows(const struct model *model, const struct cost_step *step) {
    int64_t n = 0;
    for (int k = 0; k < model->tables; k++)
        n += model_table_by_rows(model, k) ? table_width(model, k) * step->union_rows : 0;
    return n;
}

/* Numbers of the rows of users that ranks sum, in either placement. */
static int64_t summed_users(const struct model *model, const struct cost_step *step) {
    return model->users < 0 ? 0 : model->params.list[model->users].cols * step->users;
}

/* Do lookups of so many rows of so many columns take two hops? */
static bool two_hops(int ranks, int64_t rows, int64_t cols) {
    return grid_hops(ranks, (double)(BYTES * rows * cols));
}

/* Rows asked for and given, sums of gradients, and rows between two hops. */
static int64_t lookup_room(const struct model *model, int ranks, const struct cost_step *step) {
    int64_t all = columns(model, false), learned = columns(model, true), own = step->set_rows * all,
            whole = step->whole_rows * frozen_columns(model), most = own > whole ? own : whole;
    return (two_hops(ranks, step->set_rows, all) ? 4 : 2) * most + step->set_rows * learned;
}

void cost_memory(const struct model *model, int ranks, const struct cost_step *step,
                 int64_t evaluation, struct cost_bytes *b) {
    struct sizes n = count_parameters(model);
    *b = (struct cost_bytes){.parameters = BYTES * n.all,
                             .gradients = BYTES * n.dense,
                             .moments = 2 * BYTES * n.all,
                             .reduction = BYTES * reduction_room(model, ranks, &n),
                             .features = feature_bytes(model),
                             .activations = step->activations,
                             .tiles = step->tiles,
                             .evaluation = evaluation};
    if (ranks > 1)
        b->reduction += BYTES * (model->catalogue.collectives ? lookup_room(model, ranks, step)
                                                              : summed_rows(model, step)) +
                        BYTES * summed_users(model, step);
    b->total = b->parameters + b->gradients + b->moments + b->reduction + b->features +
               step->most + b->evaluation;
}

/* ---- network ---- */

static double nodes(struct cost_ranks ranks) {
    return ceil((double)ranks.all / ranks.of_node);
}

static void add(struct cost_traffic *t, struct cost_traffic more) {
    t->bytes += more.bytes;
    t->away += more.away;
    t->messages += more.messages;
}

static struct cost_traffic reduction(const struct model *model, double bytes,
                                     struct cost_ranks ranks) {
    double pieces = ceil(bytes / PIECE), rounds = ceil(log2(ranks.all));
    if (model->config->train.reproducible)
        return (struct cost_traffic){rounds * bytes, ceil(log2(nodes(ranks))) * bytes,
                                     rounds * pieces};
    return (struct cost_traffic){2 * (1 - 1.0 / ranks.all) * bytes,
                                 2 * (1 - 1 / nodes(ranks)) * bytes / ranks.of_node,
                                 2 * rounds * pieces};
}

/* `bytes` of a rank for all, itself among them, directly. */
static struct cost_traffic all_to_all(struct cost_ranks ranks, double bytes) {
    return (struct cost_traffic){(1 - 1.0 / ranks.all) * bytes, (1 - 1 / nodes(ranks)) * bytes,
                                 grid_messages(ranks.all, false)};
}

/* The same of rows that are looked up: in two hops first along the line, whose ranks stand together. */
static struct cost_traffic exchange(struct cost_ranks ranks, bool two, double bytes) {
    struct grid grid = grid_shape(ranks.all, ranks.all);
    double line = 1 - fmin(1, (double)ranks.of_node / grid.columns), column = 1 - 1.0 / grid.rows;
    if (!two)
        return all_to_all(ranks, bytes);
    return (struct cost_traffic){(1 - 1.0 / grid.columns + column) * bytes, (line + column) * bytes,
                                 grid_messages(ranks.all, true)};
}

/* Counts, numbers of rows, the rows, and gradients of some of their columns; and, where there is a
 * choice, the agreement on the hops. */
static void add_lookup(struct cost_ranks ranks, int64_t rows, int64_t cols, int64_t gradients,
                       struct cost_traffic *t) {
    bool two = two_hops(ranks.all, rows, cols);
    if (grid_hops(ranks.all, 0))
        t->messages += 2 * ceil(log2(ranks.all));
    add(t, exchange(ranks, two, 4.0 * ranks.all));
    add(t, exchange(ranks, two, 4.0 * (double)rows));
    add(t, exchange(ranks, two, (double)(BYTES * rows * cols)));
    if (gradients > 0)
        add(t, exchange(ranks, two, (double)(BYTES * rows * gradients)));
}

static void add_lookups(const struct model *model, struct cost_ranks ranks,
                        const struct cost_step *step, struct cost_traffic *t) {
    if (step->set_rows > 0)
        add_lookup(ranks, step->set_rows, columns(model, false), columns(model, true), t);
    if (step->whole_rows > 0)
        add_lookup(ranks, step->whole_rows, frozen_columns(model), 0, t);
}

static void add_shared(struct cost_ranks ranks, const struct cost_step *step,
                       struct cost_traffic *t) {
    struct cost_traffic shared = all_to_all(ranks, step->shared);
    t->bytes += shared.bytes;
    t->away += shared.away;
}

struct cost_traffic cost_traffic(const struct model *model, struct cost_ranks ranks,
                                 const struct cost_step *step) {
    struct sizes n = count_parameters(model);
    struct cost_traffic t = reduction(model, (double)(BYTES * n.summed), ranks);
    if (ranks.all > 1 && model->catalogue.collectives)
        add_lookups(model, ranks, step, &t);
    else if (ranks.all > 1)
        add(&t, reduction(model, (double)(BYTES * summed_rows(model, step)), ranks));
    if (ranks.all > 1)
        add_shared(ranks, step, &t);
    add(&t, reduction(model, (double)(BYTES * summed_users(model, step)), ranks));
    return t;
}

struct cost_traffic cost_hidden_traffic(const struct model *model, struct cost_ranks ranks) {
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
            touched += (i == model->users ? (double)step->users : rows) *
                       (double)model->params.list[i].cols;
    return cost_adamw(lazy ? touched : (double)n.all, touched);
}
