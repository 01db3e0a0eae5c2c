#include "core/models/user_vectors.h"
#include "core/check.h"
#include "core/models/tables.h"
#include "core/ops/embedding.h"
#include "core/ops/ranges.h"

void user_vectors_add(struct model *model, struct user_vectors *users, int64_t dim) {
    int64_t n = model->catalogue.users;
    *users = (struct user_vectors){.dim = dim, .table = -1};
    if (model->config->model.user == USER_TABLE && n > 0)
        users->table = params_add(&model->params, 2, n, dim, PARAM_NORMAL, dim, "embed.users");
}

static struct tensor *of_table(const struct user_vectors *users, struct model *model,
                               const struct pass *pass) {
    const struct stream *stream = &pass->batch->stream[STREAM_MIXED];
    int32_t *row = arena_alloc(&pass->tape->arena, stream->tokens, sizeof *row);
    for (int64_t b = 0; b < stream->sequences; b++)
        for (int64_t t = stream->offsets[b]; t < stream->offsets[b + 1]; t++)
            row[t] = (int32_t)stream->id[b];
    return op_gather(pass->tape, tape_param(pass->tape, &model->params, users->table), row,
                     stream->tokens);
}

/* Of token t: the items from its sequence's first to its own. */
static struct tensor *of_items(const struct pass *pass, struct tensor *items) {
    const struct stream *stream = &pass->batch->stream[STREAM_MIXED];
    struct tape *tape = pass->tape;
    int32_t *lo = arena_alloc(&tape->arena, stream->tokens, sizeof *lo);
    int32_t *hi = arena_alloc(&tape->arena, stream->tokens, sizeof *hi);
    for (int64_t b = 0; b < stream->sequences; b++)
        for (int64_t t = stream->offsets[b]; t < stream->offsets[b + 1]; t++)
            lo[t] = (int32_t)stream->offsets[b], hi[t] = (int32_t)t + 1;
    struct row_ranges ranges = ranges_make(tape, lo, hi, stream->tokens);
    return op_range_mean(
        tape,
        op_gather(tape, items, view_inputs(pass->items, pass->batch, STREAM_MIXED), stream->tokens),
        &ranges);
}

struct tensor *user_vectors_run(const struct user_vectors *users, struct model *model,
                                const struct pass *pass, struct tensor *items) {
    assert(items->cols >= users->dim);
    return pass->step > 0 && users->table >= 0 ? of_table(users, model, pass)
                                               : of_items(pass, items);
}
