#include "core/models/gru4rec.h"
#include "core/models/gru_layer.h"
#include "core/models/layers.h"
#include "core/models/mixed_stream.h"
#include "core/models/softmax_head.h"
#include "core/models/tables.h"
#include "core/ops/activation.h"
#include "core/ops/drop.h"
#include "core/ops/embedding.h"

enum { NEXT_ITEM };                     /* losses */
enum { ID, OUTPUT };                    /* tables */
enum { AT_INPUT, AT_STATE, AT_OUTPUT }; /* places of dropout */

struct gru4rec {
    struct gru_layer gru;
    int out; /* layer of tied outputs, -1 */
};

// clang-format off
static const struct option_spec options[] = {
OPTION(struct gru4rec_options, "model.output", CHOICE, output, "untied", "untied|tied", NULL,
    "what the state is compared with: a table of its own with a bias, or the items' embeddings"),
OPTION(struct gru4rec_options, "model.cell", CHOICE, cell, "tensorflow", "tensorflow|torch", NULL,
    "the reset gate acts before the recurrent product, as in TensorFlow, or behind it, as in PyTorch"),
OPTION(struct gru4rec_options, "model.hidden", INTEGER, hidden, "0", "[0, 65536]", NULL,
    "width of the recurrent state; 0: model.dim"),
OPTION(struct gru4rec_options, "model.state_dropout", REAL, state_dropout, "0", "[0, 1)", NULL,
    "dropout of the recurrent state from step to step"),
};
// clang-format on

const struct gru4rec_options *gru4rec_options(const struct config *config) {
    return options_own(config, gru4rec.name);
}

static bool is_untied(const struct config *config) {
    return gru4rec_options(config)->output == OUTPUT_UNTIED;
}

static int64_t hidden_width(const struct config *config) {
    int64_t hidden = gru4rec_options(config)->hidden;
    return hidden ? hidden : config->model.dim;
}

/* There is no attention, whose heads would have to divide widths. */
static enum status configure(struct config *config) {
    config->model.modalities =
        (struct names){.count = is_untied(config) ? 2 : 1, .name = {"id", "output"}};
    config->model.heads = 1;
    return STATUS_OK;
}

static int64_t learned_width(const struct config *config, int k) {
    return k == ID ? config->model.dim : hidden_width(config) + 1;
}

static enum status open_gru4rec(struct model *model) {
    const struct config *config = model->config;
    struct gru4rec *own = model->state;
    int64_t dim = config->model.dim, hidden = hidden_width(config);
    bool tf = gru4rec_options(config)->cell == CELL_TENSORFLOW;
    tables_declare(model);
    TRY(softmax_head_add(model, is_untied(config) ? OUTPUT : ID, 0, SIMILARITY_DOT, "output"));
    model_add_loss(model, stream_names[STREAM_MIXED], 1);
    gru_layer_add(&model->params, "gru", dim, hidden, tf ? GRU_RESET_BEFORE : GRU_RESET_AFTER,
                  &own->gru);
    own->out = is_untied(config) ? -1 : layer_add_linear(&model->params, "out", dim, hidden);
    return STATUS_OK;
}

static void count(const struct model *model, const struct batch *batch, int64_t out[LOSS_TERMS]) {
    out[NEXT_ITEM] = mixed_stream_count(model, batch);
}

static struct tensor *states(struct model *model, const struct pass *pass) {
    const struct config *config = model->config;
    const struct gru4rec *own = model->state;
    const struct stream *stream = &pass->batch->stream[STREAM_MIXED];
    struct tape *tape = pass->tape;
    double p = config->model.dropout;
    struct dropout input = stream_dropout(model, pass, STREAM_MIXED, p, AT_INPUT),
                   output = stream_dropout(model, pass, STREAM_MIXED, p, AT_OUTPUT),
                   state = stream_dropout(model, pass, STREAM_MIXED,
                                          gru4rec_options(config)->state_dropout, AT_STATE);
    struct tensor *x =
        op_gather(tape, tables_rows(model, tape, pass->items, ID),
                  view_inputs(pass->items, pass->batch, STREAM_MIXED), stream->tokens);
    struct tensor *h =
        gru_layer_run(&own->gru, &model->params, tape,
                      op_drop(tape, op_scale(tape, x, REAL_F(sqrt)((real)x->cols)), &input),
                      stream->offsets, stream->sequences, NULL, &state);
    h = op_drop(tape, h, &output);
    return own->out < 0 ? append_one(tape, h) : layer_linear(&model->params, tape, h, own->out);
}

static void forward(struct model *model, struct pass *pass) {
    mixed_stream_forward(model, pass, NEXT_ITEM, states);
}

static void add_query(struct model *model, struct pass *pass, int domain, struct query *query) {
    (void)domain;
    mixed_stream_query(model, pass, states, query);
}

const struct model_ops gru4rec = {
    .name = "gru4rec",
    .state_size = sizeof(struct gru4rec),
    .batch = BATCH_ONE,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .options_size = sizeof(struct gru4rec_options),
    .configure = configure,
    .learned_width = learned_width,
    .open = open_gru4rec,
    .count = count,
    .forward = forward,
    .query = add_query,
};
