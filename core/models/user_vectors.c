#include "core/models/user_vectors.h"
#include "core/check.h"
#include "core/distinct.h"
#include "core/models/tables.h"
#include "core/ops/embedding.h"
#include "core/ops/ranges.h"
#include <string.h>

void user_vectors_add(struct model *model, struct user_vectors *users, int64_t dim) {
    int64_t n = model->catalogue.users;
    *users = (struct user_vectors){.dim = dim, .table = -1};
    if (model->config->model.user == USER_TABLE && n > 0)
        users->table = params_add(&model->params, 2, n, dim, PARAM_NORMAL, dim, "embed.users");
    if (users->table < 0 || model->config->train.optimizer != OPTIMIZER_LAZY_ADAMW)
        return;
    params_by_rows(&model->params, users->table);
    model->users = users->table;
}

/* The user of every token. */
static int32_t *token_users(const struct pass *pass) {
    const struct stream *stream = &pass->batch->stream[STREAM_MIXED];
    int32_t *user = arena_alloc(&pass->tape->arena, stream->tokens, sizeof *user);
    for (int64_t b = 0; b < stream->sequences; b++)
        for (int64_t t = stream->offsets[b]; t < stream->offsets[b + 1]; t++)
            user[t] = (int32_t)stream->id[b];
    return user;
}

/* The rows of the batch's users, a tensor of their own; user[t] becomes the row of token t in it. */
static struct tensor *read_rows(const struct tensor *table, struct pass *pass, int64_t tokens,
                                int32_t *user) {
    struct user_rows *u = &pass->users;
    struct arena *arena = &pass->tape->arena;
    int64_t d = table->cols;
    int32_t *row = arena_alloc(arena, tokens, sizeof *row);
    u->user = arena_alloc(arena, tokens, sizeof *u->user);
    u->n = distinct(arena, user, tokens, u->user, row);
    u->rows = tape_tensor(pass->tape, u->n, d, true);
    for (int64_t i = 0; i < tape_rows(pass->tape, u->n); i++)
        memcpy(u->rows->x + i * d, table->x + u->user[i] * d, (size_t)d * sizeof *table->x);
    return op_gather(pass->tape, u->rows, row, tokens);
}

static struct tensor *of_table(const struct user_vectors *users, struct model *model,
                               struct pass *pass) {
    int64_t tokens = pass->batch->stream[STREAM_MIXED].tokens;
    struct tensor *table = tape_param(pass->tape, &model->params, users->table);
    int32_t *user = token_users(pass);
    return model->users < 0 ? op_gather(pass->tape, table, user, tokens)
                            : read_rows(table, pass, tokens, user);
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
                                struct pass *pass, struct tensor *items) {
    assert(items->cols >= users->dim);
    return pass->step > 0 && users->table >= 0 ? of_table(users, model, pass)
                                               : of_items(pass, items);
}
