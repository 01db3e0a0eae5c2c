#include "core/models/sasrec.h"
#include "core/models/mixed_stream.h"
#include "core/models/softmax_head.h"
#include "core/models/stream_encoder.h"
#include "core/models/tables.h"
#include "core/ops/embedding.h"

enum { NEXT_ITEM }; /* losses */

static enum status configure(struct config *config) {
    config->model.modalities = (struct names){.count = 1, .name = {"id"}};
    return STATUS_OK;
}

static enum status open_sasrec(struct model *model) {
    tables_declare(model);
    TRY(softmax_head_add(model, 0, 0, SIMILARITY_DOT, "id"));
    model_add_loss(model, stream_names[STREAM_MIXED], 1);
    stream_encoder_add(model, model->state, STREAM_MIXED, 0, 0);
    return STATUS_OK;
}

static void count(const struct model *model, const struct batch *batch, int64_t out[LOSS_TERMS]) {
    out[NEXT_ITEM] = mixed_stream_count(model, batch);
}

/* States of all tokens. */
static struct tensor *states(struct model *model, const struct pass *pass) {
    return stream_encoder_run(model, model->state, pass, STREAM_MIXED, 0, pass->items->rows[0],
                              NULL, view_inputs(pass->items, pass->batch, STREAM_MIXED));
}

static void forward(struct model *model, struct pass *pass) {
    if (mixed_stream_has_loss(model, pass, NEXT_ITEM))
        pass->loss[NEXT_ITEM] = mixed_stream_loss(
            model, pass, NEXT_ITEM, softmax_head_query(model, pass->tape, 0, states(model, pass)));
}

/* One head: its logits rank. */
static void add_query(struct model *model, struct pass *pass, int domain, struct query *query) {
    struct tape *tape = pass->tape;
    const struct stream *mixed = &pass->batch->stream[STREAM_MIXED];
    struct tensor *q = NULL;
    (void)domain;
    if (mixed->tokens > 0) {
        int32_t *last = arena_alloc(&tape->arena, mixed->sequences, sizeof *last);
        for (int64_t b = 0; b < mixed->sequences; b++)
            last[b] = (int32_t)(mixed->offsets[b + 1] - 1);
        q = op_gather(tape, states(model, pass), last, mixed->sequences);
        q = softmax_head_query(model, tape, 0, q);
    }
    const bool *present = stream_present(tape, pass->batch, STREAM_MIXED);
    const real *rows = softmax_head_spread(tape, pass->batch, q, mixed->sample,
                                           q ? mixed->sequences : 0, model->head[0].dim);
    softmax_head_compare(model, pass, 0, rows, query,
                         query_add_term(query, 1, present, FUSION_PROBABILITY));
}

const struct model_ops sasrec = {
    .name = "sasrec",
    .state_size = sizeof(struct encoder),
    .batch = BATCH_ONE,
    .configure = configure,
    .open = open_sasrec,
    .count = count,
    .forward = forward,
    .query = add_query,
};
