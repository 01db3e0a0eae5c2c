#include "core/models/sasrec.h"
#include "core/models/mixed_stream.h"
#include "core/models/output_table.h"
#include "core/models/softmax_head.h"
#include "core/models/stream_encoder.h"
#include "core/models/tables.h"
#include <math.h>

enum { NEXT_ITEM }; /* losses */

// clang-format off
static const struct option_spec options[] = {
OPTION(struct sasrec_options, "model.similarity", CHOICE, similarity, "dot", "cosine|dot", NULL,
    "what compares states with items"),
};
// clang-format on

const struct sasrec_options *sasrec_options(const struct config *config) {
    return options_own(config, sasrec.name);
}

static enum status configure(struct config *config) {
    config->model.modalities = (struct names){.count = 1, .name = {"id"}};
    if (config->model.scale == 0 && sasrec_options(config)->similarity == SIMILARITY_COSINE)
        config->model.scale = NAN;
    return output_table_configure(config);
}

static enum status open_sasrec(struct model *model) {
    output_table_declare(model);
    TRY(softmax_head_add(model, output_table_scored(model, 0), 0,
                         (enum similarity)sasrec_options(model->config)->similarity, "id"));
    model_add_loss(model, stream_names[STREAM_MIXED], 1);
    stream_encoder_add(model, model->state, STREAM_MIXED, 0, 0);
    return STATUS_OK;
}

static void count(const struct model *model, const struct batch *batch, int64_t out[LOSS_TERMS]) {
    out[NEXT_ITEM] = mixed_stream_count(model, batch);
}

static struct tensor *states(struct model *model, const struct pass *pass) {
    return stream_encoder_run(model, model->state, pass, STREAM_MIXED, 0,
                              output_table_read(model, pass, 0), NULL,
                              view_inputs(pass->items, pass->batch, STREAM_MIXED));
}

static void forward(struct model *model, struct pass *pass) {
    mixed_stream_forward(model, pass, NEXT_ITEM, states);
}

static void add_query(struct model *model, struct pass *pass, int domain, struct query *query) {
    (void)domain;
    mixed_stream_query(model, pass, states, query);
}

const struct model_ops sasrec = {
    .name = "sasrec",
    .time = TIME_IF_ASKED,
    .state_size = sizeof(struct encoder),
    .batch = BATCH_ONE,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .options_size = sizeof(struct sasrec_options),
    .configure = configure,
    .learned_width = output_table_width,
    .open = open_sasrec,
    .count = count,
    .forward = forward,
    .query = add_query,
};
