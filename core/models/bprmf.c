#include "core/models/bprmf.h"
#include "core/models/mixed_stream.h"
#include "core/models/softmax_head.h"
#include "core/models/tables.h"
#include "core/models/user_vectors.h"
#include "core/ops/join.h"

enum { PAIRS }; /* losses */

/* There is no attention whose heads would have to divide a width. */
static enum status configure(struct config *config) {
    config->model.modalities = (struct names){.count = 1, .name = {"id"}};
    config->model.heads = 1;
    if (config->model.user == USER_AUTO)
        config->model.user = USER_TABLE;
    return STATUS_OK;
}

/* The last column of `id` is the bias. */
static int64_t learned_width(const struct config *config, int k) {
    (void)k;
    return config->model.dim + 1;
}

static enum status open_bprmf(struct model *model) {
    tables_declare(model);
    user_vectors_add(model, model->state, model->config->model.dim);
    TRY(softmax_head_add(model, 0, 0, SIMILARITY_DOT, "id"));
    model_add_loss(model, stream_names[STREAM_MIXED], 1);
    return STATUS_OK;
}

static void count(const struct model *model, const struct batch *batch, int64_t out[LOSS_TERMS]) {
    out[PAIRS] = mixed_stream_count(model, batch);
}

/* [p | 1] of all tokens. */
static struct tensor *states(struct model *model, struct pass *pass) {
    const struct user_vectors *users = model->state;
    return op_append_one(pass->tape, user_vectors_run(users, model, pass, pass->items->rows[0]),
                         users->dim);
}

static void forward(struct model *model, struct pass *pass) {
    if (!mixed_stream_has_loss(model, pass, PAIRS))
        return;
    struct tensor *q = softmax_head_query(model, pass->tape, 0, states(model, pass));
    pass->loss[PAIRS] = mixed_stream_loss(model, pass, PAIRS, q);
}

static void add_query(struct model *model, struct pass *pass, int domain, struct query *query) {
    const bool *present = stream_present(pass->tape, pass->batch, STREAM_MIXED);
    const real *q = softmax_head_last(model, pass, 0, STREAM_MIXED, states(model, pass));
    (void)domain;
    softmax_head_compare(model, pass, 0, q, query,
                         query_add_term(query, 1, present, FUSION_PROBABILITY));
}

const struct model_ops bprmf = {
    .name = "bprmf",
    .state_size = sizeof(struct user_vectors),
    .batch = BATCH_ONE,
    .loss = LOSS_BPR,
    .configure = configure,
    .learned_width = learned_width,
    .open = open_bprmf,
    .count = count,
    .forward = forward,
    .query = add_query,
};
