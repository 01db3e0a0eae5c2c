/* In the order of a step: keys; parameters; which sessions have a graph, and their nodes; the flow over the
 * graph; what it says of the items of a domain; the mixture, for training and for a ranking. */
#include "core/models/mifn.h"
#include "core/log.h"
#include "core/models/layers.h"
#include "core/models/mixed_stream.h"
#include "core/models/node_sets.h"
#include "core/models/softmax_head.h"
#include "core/models/tables.h"
#include "core/models/transfer.h"
#include "core/ops/activation.h"
#include "core/ops/embedding.h"
#include "core/ops/join.h"
#include "core/ops/linear.h"
#include "core/ops/mix.h"
#include "core/ops/pointer.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- options ---- */

// clang-format off
static const struct option_spec options[] = {
OPTION(struct mifn_options, "model.graph_nodes", INTEGER, nodes, "32", "[2, 1024]", NULL,
    "items of a session's graph at most: its own, up to a half, and their neighbours"),
OPTION(struct mifn_options, "model.graph_neighbours", INTEGER, neighbours, "20", "[1, 1000]", NULL,
    "neighbours of an item that are kept, in either domain"),
OPTION(struct mifn_options, "model.graph_targets", INTEGER, targets, "1", "[0, 1000000]", NULL,
    "of a sequence so many of its last targets in either domain have a graph; 0: all"),
OPTION(struct mifn_options, "model.switch_weight", REAL, switch_weight, "1", "[0, inf)", NULL,
    "weight of what trains the switch where the target is not in the graph"),
};
// clang-format on

const struct mifn_options *mifn_options(const struct config *config) {
    return options_own(config, mifn.name);
}

static enum status configure(struct config *config) {
    if (config->train.loss == LOSS_EXACT || config->train.loss == LOSS_SAMPLED)
        return domain_units_configure(config);
    return log_error(STATUS_INPUT,
                     "train.loss: mifn mixes probabilities, of which gbce, bce, bpr and "
                     "infonce have none; take exact or sampled");
}

static int64_t neighbours(const struct config *config) {
    return mifn_options(config)->neighbours;
}

/* ---- parameters ---- */

enum { NEXT_ITEM, SWITCH }; /* losses */

/* An attention of what is known of sessions to their nodes: parameters [d, d], [d, d], [1, d]. */
struct attention {
    int session, node, v;
};

struct mifn {
    struct domain_units units;
    struct transfer transfer;
    struct attention attention[NODE_SIDES]; /* of the last item's state, of what it transfers */
    int gate, gate_node;                    /* layer [d, 2 d], parameter [d, d] */
    int relation[NODE_SIDES];               /* layers [2 d, d], by the side that edges come from */
    struct gru_layer update;
    struct attention decoder[DOMAINS];
    int choice[DOMAINS]; /* layers [1, 3 d] */
};

static struct attention add_attention(struct params *p, const char *of, int64_t d) {
    return (struct attention){.session =
                                  params_add(p, 2, d, d, PARAM_FAN_IN, d, "%s.session.w", of),
                              .node = params_add(p, 2, d, d, PARAM_FAN_IN, d, "%s.node.w", of),
                              .v = params_add(p, 1, 1, d, PARAM_FAN_IN, d, "%s.v", of)};
}

static void add_graph_flow(struct model *model, struct mifn *m) {
    struct params *p = &model->params;
    int64_t d = model->config->model.dim;
    m->attention[NODE_IN] = add_attention(p, "graph.in", d);
    m->attention[NODE_CROSS] = add_attention(p, "graph.cross", d);
    m->gate = layer_add_linear(p, "graph.gate", d, 2 * d);
    m->gate_node = params_add(p, 2, d, d, PARAM_FAN_IN, d, "graph.gate.node.w");
    m->relation[NODE_IN] = layer_add_linear(p, "graph.from_in", 2 * d, d);
    m->relation[NODE_CROSS] = layer_add_linear(p, "graph.from_cross", 2 * d, d);
    gru_layer_add(p, "graph.update", 2 * d, d, GRU_RESET_BEFORE, &m->update);
}

static void add_decoder(struct model *model, struct mifn *m, int domain) {
    int64_t d = model->config->model.dim;
    char name[PARAM_NAME];
    snprintf(name, sizeof name, "graph.%s", stream_names[domain]);
    m->decoder[domain] = add_attention(&model->params, name, d);
    snprintf(name, sizeof name, "switch.%s", stream_names[domain]);
    m->choice[domain] = layer_add_linear(&model->params, name, 1, 3 * d);
}

static enum status open_mifn(struct model *model) {
    static const struct filter_form form = {.gate = FILTER_GATE_TAKES};
    struct mifn *m = model->state;
    TRY(domain_units_open(model, &m->units));
    model_add_loss(model, "switch", mifn_options(model->config)->switch_weight);
    transfer_add(model, &form, &m->transfer);
    add_graph_flow(model, m);
    for (int domain = 0; domain < DOMAINS; domain++)
        add_decoder(model, m, domain);
    return STATUS_OK;
}

/* ---- sessions ---- */

/* Does the target of token t, of a sequence that ends before `end`, have a graph? It is one of the last
 * of its domain. */
static bool has_graph(const struct model *model, const struct stream *mixed, int64_t t,
                      int64_t end) {
    int64_t last = mifn_options(model->config)->targets, a_items = model->catalogue.a_items, n = 0;
    bool domain = mixed->targets[t] >= a_items;
    if (!mixed_stream_trains_on(model, mixed->targets[t]))
        return false;
    for (int64_t j = t; last > 0 && j < end && n <= last; j++)
        n += (mixed->targets[j] >= a_items) == domain;
    return last == 0 || n <= last;
}

/* Tokens of the mixed stream whose targets have a graph; `token` NULL: they are only counted. */
static int64_t graph_targets(const struct model *model, const struct batch *batch, int32_t *token) {
    const struct stream *mixed = &batch->stream[STREAM_MIXED];
    int64_t n = 0;
    for (int64_t b = 0; b < mixed->sequences; b++)
        for (int64_t t = mixed->offsets[b]; t < mixed->offsets[b + 1]; t++)
            if (has_graph(model, mixed, t, mixed->offsets[b + 1])) {
                if (token)
                    token[n] = (int32_t)t;
                n++;
            }
    return n;
}

static void count(const struct model *model, const struct batch *batch, int64_t out[LOSS_TERMS]) {
    out[NEXT_ITEM] = out[SWITCH] = mixed_stream_count(model, batch);
}

/* In a ranking every history has a graph, of all its items. */
static struct node_sets *make_sets(const struct model *model, struct tape *tape,
                                   const struct batch *batch, bool train) {
    const struct mifn_options *own = mifn_options(model->config);
    const struct catalogue *c = &model->catalogue;
    const struct stream *mixed = &batch->stream[STREAM_MIXED];
    struct node_sets *sets = arena_alloc(&tape->arena, 1, sizeof *sets);
    int64_t sessions = train ? graph_targets(model, batch, NULL) : mixed->sequences;
    int32_t *token = arena_alloc(&tape->arena, sessions, sizeof *token);
    if (train)
        graph_targets(model, batch, token);
    for (int64_t b = 0; !train && b < sessions; b++)
        token[b] = (int32_t)(mixed->offsets[b + 1] - 1);
    node_sets_make(&tape->arena, &c->graph, mixed, c->items, c->a_items, token, sessions,
                   own->nodes, train, sets);
    return sets;
}

static void further(const struct model *model, struct tape *tape, const struct batch *batch,
                    int64_t step, struct item_set *set) {
    const struct node_sets *sets = make_sets(model, tape, batch, step > 0);
    int64_t in = node_count(&sets->side[NODE_IN].rows), all = in;
    all += node_count(&sets->side[NODE_CROSS].rows);
    set->made = sets;
    set->further.n = all;
    set->further.item = arena_alloc(&tape->arena, all, sizeof *set->further.item);
    for (int64_t k = 0; k < all; k++)
        set->further.item[k] =
            k < in ? sets->side[NODE_IN].item[k] : sets->side[NODE_CROSS].item[k - in];
}

/* ---- the sequence flow ---- */

/* Of the tokens of either stream, NULL where it has none; and of the targets of the mixed stream or the
 * histories what they ask with: t of the other domain, h of their own, the query of both. */
struct states {
    struct tensor *h[DOMAINS], *t[DOMAINS];
    struct tensor *source, *own, *query;
};

static void run_states(struct model *model, const struct pass *pass, const struct positions *p,
                       struct states *s) {
    const struct mifn *m = model->state;
    int64_t d = model->config->model.dim;
    domain_units_encode(model, pass, &m->units, s->h);
    for (int k = STREAM_A; k <= STREAM_B; k++)
        s->t[k] = s->h[k] ? transfer_run(model, pass, &m->transfer, k, s->h) : NULL;
    s->source = stream_choose(pass->tape, s->t, p->domain, p->n, false, p->hi, d);
    s->own = stream_choose(pass->tape, s->h, p->domain, p->n, true, p->hi, d);
    s->query = domain_units_ask(model, pass, s->source, s->own);
}

/* ---- the graph flow ---- */

/* What is known of the sessions, and their nodes with the rows of the items. */
struct graph {
    const struct node_sets *sets;
    struct tensor *h, *t; /* [sessions, d] of the last items */
    struct tensor *x[NODE_SIDES];
};

/* States of the last items of the sessions, by the streams that have them. */
static struct tensor *last_states(const struct pass *pass, const struct node_sets *sets,
                                  struct tensor *const states[DOMAINS], int64_t a_items,
                                  int64_t d) {
    struct tape *tape = pass->tape;
    const struct stream *mixed = &pass->batch->stream[STREAM_MIXED];
    struct gate_input input[DOMAINS];
    int inputs = 0;
    for (int s = STREAM_A; s <= STREAM_B; s++) {
        const int32_t *latest = stream_latest(tape, pass->batch, STREAM_MIXED, s);
        int32_t *index = arena_alloc(&tape->arena, sets->sessions, sizeof *index);
        for (int64_t k = 0; k < sets->sessions; k++) {
            int32_t t = sets->token[k];
            index[k] = (mixed->items[t] >= a_items) == (s == STREAM_B) ? latest[t] : -1;
        }
        if (states[s])
            input[inputs++] = (struct gate_input){.value = states[s], .index = index};
    }
    return op_mix(tape, input, inputs, sets->sessions, d);
}

static struct tensor *node_rows(struct model *model, const struct pass *pass,
                                const struct node_sets *sets, int side) {
    const struct item_set *set = pass->items->set;
    int64_t n = node_count(&sets->side[side].rows);
    const int32_t *index = sets->side[side].item;
    if (set)
        index =
            set->further.place + (side == NODE_CROSS ? node_count(&sets->side[NODE_IN].rows) : 0);
    struct tensor *rows = tables_rows(model, pass->tape, pass->items, 0);
    return op_scale(pass->tape, op_gather(pass->tape, rows, index, n),
                    REAL_F(sqrt)((real)rows->cols));
}

static struct tensor *product(struct model *model, struct tape *tape, struct tensor *x, int param) {
    return op_linear(tape, x, tape_param(tape, &model->params, param), NULL);
}

/* Scores of nodes, before their softmax. */
static struct tensor *attend(struct model *model, struct tape *tape, const struct attention *a,
                             struct tensor *session, struct tensor *node,
                             const struct node_rows *rows) {
    return op_node_scores(tape, product(model, tape, session, a->session),
                          product(model, tape, node, a->node),
                          tape_param(tape, &model->params, a->v), rows);
}

/* What the nodes of a side send along their edges, to their own side and to the other, [n, 2 d]. */
static struct tensor *messages(struct model *model, struct tape *tape, const struct graph *g,
                               struct tensor *gate, int side) {
    const struct mifn *m = model->state;
    const struct node_rows *rows = &g->sets->side[side].rows;
    struct tensor *e =
        attend(model, tape, &m->attention[side], side == NODE_IN ? g->h : g->t, g->x[side], rows);
    struct tensor *y = op_node_gate(tape, op_node_softmax(tape, e, rows), gate,
                                    product(model, tape, g->x[side], m->gate_node), g->x[side],
                                    rows, side == NODE_CROSS);
    return layer_linear(&model->params, tape, y, m->relation[side]);
}

static struct tensor *update(struct model *model, struct tape *tape, const struct graph *g,
                             struct tensor *const z[NODE_SIDES], int side) {
    const struct mifn *m = model->state;
    const struct node_set *set = &g->sets->side[side];
    int64_t n = node_count(&set->rows), d = model->config->model.dim;
    int64_t *each = arena_alloc(&tape->arena, n + 1, sizeof *each);
    struct node_source from[NODE_SIDES] = {
        {z[side], 0, &set->from[side]},
        {z[!side], d, &set->from[!side]},
    };
    for (int64_t i = 0; i <= n; i++)
        each[i] = i;
    struct tensor *c = op_activation(tape, op_node_spread(tape, from, d, &set->rows),
                                     ACTIVATION_RELU, &dropout_none);
    return gru_layer_run(&m->update, &model->params, tape, c, each, n, g->x[side], NULL);
}

/* x' of the nodes of either side, NULL where there are none. */
static void graph_flow(struct model *model, const struct pass *pass, const struct states *states,
                       const struct node_sets *sets, struct tensor *out[NODE_SIDES]) {
    const struct mifn *m = model->state;
    struct tape *tape = pass->tape;
    int64_t d = model->config->model.dim, a_items = model->catalogue.a_items;
    struct graph g = {.sets = sets,
                      .h = last_states(pass, sets, states->h, a_items, d),
                      .t = last_states(pass, sets, states->t, a_items, d)};
    struct tensor *gate = layer_linear(&model->params, tape, op_join(tape, g.h, g.t), m->gate);
    struct tensor *z[NODE_SIDES] = {NULL};
    for (int side = 0; side < NODE_SIDES; side++)
        if (node_count(&sets->side[side].rows) > 0) {
            g.x[side] = node_rows(model, pass, sets, side);
            z[side] = messages(model, tape, &g, gate, side);
        }
    for (int side = 0; side < NODE_SIDES; side++)
        out[side] = z[side] ? update(model, tape, &g, z, side) : NULL;
}

/* ---- what it says of a domain ---- */

/* Sessions that ask for an item of a domain, and their nodes of that domain. */
struct asked {
    int64_t sessions;
    int32_t *row; /* [sessions] of the states that they ask with */
    struct node_rows rows;
    int32_t *item;             /* [nodes] */
    int32_t *node[NODE_SIDES]; /* [nodes] places in the sets' sides; -1: on the other */
};

/* Session k asks with row row[k]. */
static void find_asked(struct arena *arena, const struct node_sets *sets, const int32_t *row,
                       const struct stream *mixed, const int32_t *domains, int domain,
                       int64_t a_items, struct asked *q) {
    int64_t most = 0, n = 0;
    for (int side = 0; side < NODE_SIDES; side++)
        most += node_count(&sets->side[side].rows);
    int64_t *offsets = arena_alloc(arena, sets->sessions + 1, sizeof *offsets);
    *q = (struct asked){.row = arena_alloc(arena, sets->sessions, sizeof *q->row),
                        .item = arena_alloc(arena, most, sizeof *q->item)};
    for (int side = 0; side < NODE_SIDES; side++)
        q->node[side] = arena_alloc(arena, most, sizeof *q->node[side]);
    offsets[0] = 0;
    for (int64_t k = 0; k < sets->sessions; k++) {
        if (domains[row[k]] != domain)
            continue;
        int side = (mixed->items[sets->token[k]] >= a_items) == domain ? NODE_IN : NODE_CROSS;
        const struct node_set *set = &sets->side[side];
        for (int64_t i = set->rows.offsets[k]; i < set->rows.offsets[k + 1]; i++, n++) {
            q->item[n] = set->item[i];
            q->node[side][n] = (int32_t)i;
            q->node[!side][n] = -1;
        }
        q->row[q->sessions++] = row[k];
        offsets[q->sessions] = n;
    }
    q->rows = (struct node_rows){q->sessions, offsets};
}

/* The switch z and the scores e. */
static struct pointer_part decode(struct model *model, struct tape *tape, const struct asked *q,
                                  struct tensor *const nodes[NODE_SIDES], struct tensor *source,
                                  struct tensor *own, int domain) {
    const struct mifn *m = model->state;
    struct gate_input input[NODE_SIDES];
    int inputs = 0;
    for (int side = 0; side < NODE_SIDES; side++)
        if (nodes[side])
            input[inputs++] = (struct gate_input){.value = nodes[side], .index = q->node[side]};
    struct tensor *x = op_mix(tape, input, inputs, node_count(&q->rows), own->cols);
    struct tensor *h = op_gather(tape, own, q->row, q->sessions),
                  *t = op_gather(tape, source, q->row, q->sessions);
    struct tensor *all = op_join(tape, op_join(tape, h, t), op_node_sum(tape, x, &q->rows));
    return (struct pointer_part){.z = layer_linear(&model->params, tape, all, m->choice[domain]),
                                 .e = attend(model, tape, &m->decoder[domain], h, x, &q->rows),
                                 .rows = q->rows,
                                 .row = q->row};
}

/* ---- training ---- */

/* The node of every session that is its target, -1: none is. */
static int32_t *find_targets(struct arena *arena, const struct asked *q, const int32_t *target) {
    int32_t *node = arena_alloc(arena, q->sessions, sizeof *node);
    for (int64_t s = 0; s < q->sessions; s++) {
        node[s] = -1;
        for (int64_t i = q->rows.offsets[s]; i < q->rows.offsets[s + 1]; i++)
            if (q->item[i] == target[q->row[s]])
                node[s] = (int32_t)i;
    }
    return node;
}

static const struct node_sets *sets_of(const struct model *model, const struct pass *pass) {
    const struct item_set *set = pass->items->set;
    return set ? set->made : make_sets(model, pass->tape, pass->batch, pass->step > 0);
}

/* What the graphs say, by domain; returns how many parts there are. */
static int target_parts(struct model *model, const struct pass *pass, const struct states *s,
                        const struct positions *p, struct pointer_part part[POINTER_PARTS]) {
    const struct stream *mixed = &pass->batch->stream[STREAM_MIXED];
    const struct node_sets *sets = sets_of(model, pass);
    struct arena *arena = &pass->tape->arena;
    struct tensor *nodes[NODE_SIDES];
    int parts = 0;
    graph_flow(model, pass, s, sets, nodes);
    for (int domain = 0; domain < DOMAINS; domain++) {
        struct asked q;
        find_asked(arena, sets, sets->token, mixed, p->domain, domain, model->catalogue.a_items,
                   &q);
        if (node_count(&q.rows) == 0)
            continue;
        part[parts] = decode(model, pass->tape, &q, nodes, s->source, s->own, domain);
        part[parts++].target = find_targets(arena, &q, mixed->targets);
    }
    return parts;
}

static void forward(struct model *model, struct pass *pass) {
    struct tape *tape = pass->tape;
    struct pointer_part part[POINTER_PARTS];
    int64_t tokens = pass->batch->stream[STREAM_MIXED].tokens;
    int parts = 0;
    if (!mixed_stream_has_loss(model, pass, NEXT_ITEM))
        return;
    struct tensor *q = tape_tensor(tape, 0, model->head[0].dim, false);
    if (tokens > 0) {
        struct positions p = positions_of_targets(model, tape, pass->batch);
        struct states s;
        run_states(model, pass, &p, &s);
        q = s.query;
        parts = target_parts(model, pass, &s, &p, part);
    }
    struct tensor *mixture = op_pointer(tape, part, parts, tokens);
    pass->loss[NEXT_ITEM] = mixed_stream_loss_terms(model, pass, NEXT_ITEM, q,
                                                    &(struct token_terms){.mixture = mixture});
    if (parts > 0)
        pass->loss[SWITCH] = pointer_loss(tape, mixture, part, parts,
                                          model->loss[SWITCH].weight / (double)pass->count[SWITCH]);
}

/* ---- ranking ---- */

/* Of a mixture what the sequences have, and what the graph adds to the items that are nodes. */
static void add_nodes(struct tape *tape, const struct asked *q, const struct pointer_part *part,
                      int64_t samples, struct query *query) {
    const struct tensor *a = op_node_softmax(tape, part->e, &q->rows);
    struct query_added added = {0};
    real *share = arena_numbers(&tape->arena, samples, sizeof *share);
    for (int64_t s = 0; s < q->sessions; s++) {
        int64_t n = q->rows.offsets[s + 1] - q->rows.offsets[s];
        added.width = n > added.width ? n : added.width;
    }
    int32_t *item = arena_alloc(&tape->arena, samples * added.width, sizeof *item);
    real *value = arena_numbers(&tape->arena, samples * added.width, sizeof *value);
    memset(item, -1, (size_t)(samples * added.width) * sizeof *item);
    for (int64_t t = 0; t < tape_rows(tape, samples); t++)
        share[t] = 1;
    for (int64_t s = 0; s < q->sessions; s++) {
        int64_t lo = q->rows.offsets[s], at = q->row[s] * added.width;
        int64_t n = q->rows.offsets[s + 1] - lo;
        double graph = tape->dry || n == 0 ? 0 : 1 / (1 + exp(-(double)part->z->x[s]));
        memcpy(item + at, q->item + lo, (size_t)n * sizeof *item);
        if (tape->dry)
            continue;
        share[q->row[s]] = (real)(1 - graph);
        for (int64_t i = 0; i < n; i++)
            value[at + i] = (real)(graph * (double)a->x[lo + i]);
    }
    added.item = item;
    added.value = value;
    query->added = added;
    query->term[0].share = share;
}

static void add_query(struct model *model, struct pass *pass, int domain, struct query *query) {
    struct tape *tape = pass->tape;
    const struct stream *mixed = &pass->batch->stream[STREAM_MIXED];
    struct positions p = positions_of_histories(tape, pass->batch, domain);
    struct states s;
    run_states(model, pass, &p, &s);
    const bool *present = stream_present(tape, pass->batch, STREAM_MIXED);
    const struct node_sets *sets = sets_of(model, pass);
    struct tensor *nodes[NODE_SIDES];
    struct asked q;
    softmax_head_compare(model, pass, 0, s.query->x, query,
                         query_add_term(query, 1, present, FUSION_PROBABILITY));
    find_asked(&tape->arena, sets, mixed->sample, mixed, p.domain, domain, model->catalogue.a_items,
               &q);
    if (node_count(&q.rows) == 0)
        return;
    graph_flow(model, pass, &s, sets, nodes);
    struct pointer_part part = decode(model, tape, &q, nodes, s.source, s.own, domain);
    add_nodes(tape, &q, &part, p.n, query);
}

const struct model_ops mifn = {
    .name = "mifn",
    .state_size = sizeof(struct mifn),
    .batch = BATCH_MIXED,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .options_size = sizeof(struct mifn_options),
    .two_domains = true,
    .configure = configure,
    .learned_width = domain_units_width,
    .neighbours = neighbours,
    .open = open_mifn,
    .further = further,
    .count = count,
    .forward = forward,
    .query = add_query,
};
