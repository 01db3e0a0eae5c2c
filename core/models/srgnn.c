#include "core/models/srgnn.h"
#include "core/models/gru_layer.h"
#include "core/models/layers.h"
#include "core/models/mixed_stream.h"
#include "core/models/softmax_head.h"
#include "core/models/tables.h"
#include "core/ops/activation.h"
#include "core/ops/drop.h"
#include "core/ops/embedding.h"
#include "core/ops/join.h"
#include "core/ops/session.h"

enum { NEXT_ITEM };           /* losses */
enum { AT_INPUT, AT_OUTPUT }; /* places of dropout */

struct srgnn {
    int edge; /* layer, W_in over W_out */
    struct gru_layer gru;
    int last, node, out; /* layers W_1, W_2, W_3 */
    int q;               /* parameter */
};

/* There is no attention with heads, which would have to divide widths. */
static enum status configure(struct config *config) {
    config->model.modalities = (struct names){.count = 1, .name = {"id"}};
    config->model.heads = 1;
    return STATUS_OK;
}

static enum status open_srgnn(struct model *model) {
    struct srgnn *own = model->state;
    struct params *p = &model->params;
    int64_t d = model->config->model.dim;
    tables_declare(model);
    TRY(softmax_head_add(model, 0, 0, SIMILARITY_DOT, "id"));
    model_add_loss(model, stream_names[STREAM_MIXED], 1);
    own->edge = layer_add_linear(p, "edge", 2 * d, d);
    gru_layer_add(p, "gru", 2 * d, d, GRU_RESET_AFTER, &own->gru);
    own->last = layer_add_linear(p, "read.last", d, d);
    own->node = layer_add_linear(p, "read.node", d, d);
    own->q = params_add(p, 1, 1, d, PARAM_FAN_IN, d, "read.q");
    own->out = layer_add_linear(p, "read.out", d, 2 * d);
    return STATUS_OK;
}

static void count(const struct model *model, const struct batch *batch, int64_t out[LOSS_TERMS]) {
    out[NEXT_ITEM] = mixed_stream_count(model, batch);
}

/* Of all nodes: the states [states, d] after the step, from the items' rows x [tokens, d]. */
static struct tensor *node_states(struct model *model, struct tape *tape, struct tensor *x,
                                  const struct session_graph *graph) {
    const struct srgnn *own = model->state;
    int32_t *token = arena_alloc(&tape->arena, graph->states, sizeof *token);
    int64_t *each = arena_alloc(&tape->arena, graph->states + 1, sizeof *each);
    each[0] = 0;
    for (int64_t i = 0; i < graph->states; i++) {
        token[i] = graph->state[i].token;
        each[i + 1] = i + 1;
    }
    struct tensor *a =
        op_session_gather(tape, layer_linear(&model->params, tape, x, own->edge), graph);
    return gru_layer_run(&own->gru, &model->params, tape, a, each, graph->states,
                         op_gather(tape, x, token, graph->states), NULL);
}

/* s of every prefix, from the states of the nodes. */
static struct tensor *read_out(struct model *model, struct tape *tape, struct tensor *h,
                               const struct session_graph *graph) {
    const struct srgnn *own = model->state;
    struct params *p = &model->params;
    struct tensor *last = op_gather(tape, h, graph->last, graph->tokens);
    struct tensor *all =
        op_session_read(tape, layer_linear(p, tape, last, own->last),
                        layer_linear(p, tape, h, own->node), h, tape_param(tape, p, own->q), graph);
    return layer_linear(p, tape, op_join(tape, all, last), own->out);
}

static struct tensor *states(struct model *model, const struct pass *pass) {
    const struct stream *stream = &pass->batch->stream[STREAM_MIXED];
    struct tape *tape = pass->tape;
    double p = model->config->model.dropout;
    struct dropout input = stream_dropout(model, pass, STREAM_MIXED, p, AT_INPUT),
                   output = stream_dropout(model, pass, STREAM_MIXED, p, AT_OUTPUT);
    struct session_graph *graph = arena_alloc(&tape->arena, 1, sizeof *graph);
    session_graph_make(&tape->arena, stream->items, stream->offsets, stream->sequences, graph);
    struct tensor *x =
        op_gather(tape, pass->items->rows[0], view_inputs(pass->items, pass->batch, STREAM_MIXED),
                  stream->tokens);
    struct tensor *h = node_states(
        model, tape, op_drop(tape, op_scale(tape, x, REAL_F(sqrt)((real)x->cols)), &input), graph);
    return op_drop(tape, read_out(model, tape, h, graph), &output);
}

static void forward(struct model *model, struct pass *pass) {
    mixed_stream_forward(model, pass, NEXT_ITEM, states);
}

static void add_query(struct model *model, struct pass *pass, int domain, struct query *query) {
    (void)domain;
    mixed_stream_query(model, pass, states, query);
}

const struct model_ops srgnn = {
    .name = "srgnn",
    .state_size = sizeof(struct srgnn),
    .batch = BATCH_ONE,
    .configure = configure,
    .open = open_srgnn,
    .count = count,
    .forward = forward,
    .query = add_query,
};
