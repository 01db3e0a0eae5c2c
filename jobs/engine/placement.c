#include "jobs/engine/placement.h"
#include "core/mem.h"
#include "core/optim.h"
#include "mpi/collectives.h"
#include <string.h>

/* Lazy AdamW has to know which rows were used: the union, not just a sum. */
static void open_rows(struct placement *p, const struct config *config, int64_t items) {
    for (int k = 0; k < config->model.modalities.count; k++) {
        int64_t width = model_learned_width(config, k);
        if (!width)
            continue;
        reduce_sparse_open(&p->rows[k], p->comm, items, width);
        if (config->train.optimizer == OPTIMIZER_LAZY_ADAMW)
            p->rows[k].way = SPARSE_UNION;
    }
}

static void open_users(struct placement *p, const struct config *config, int64_t users) {
    if (config->train.optimizer != OPTIMIZER_LAZY_ADAMW || config->model.user != USER_TABLE)
        return;
    reduce_sparse_open(&p->users, p->comm, users, config->model.dim);
    p->users.way = SPARSE_UNION;
}

struct placement *placement_new(const struct comm *comm, const struct config *config,
                                const struct catalogue *catalogue) {
    struct placement *p = mem_zero(1, sizeof *p);
    p->comm = comm;
    p->sharded = config->train.placement == PLACEMENT_SHARDED;
    p->collectives = collectives_of(comm);
    p->first = mem_alloc(DOMAINS * comm->size + 1, sizeof *p->first);
    item_block_first(catalogue->a_items, catalogue->items, comm->size, p->first);
    if (p->sharded)
        lookup_open(&p->lookup, comm, p->first, DOMAINS);
    else if (config->train.loss != LOSS_EXACT)
        open_rows(p, config, catalogue->items);
    open_users(p, config, catalogue->users);
    return p;
}

void placement_free(struct placement *p) {
    if (!p)
        return;
    lookup_close(&p->lookup);
    for (int k = 0; k < OPTION_LIST; k++)
        reduce_sparse_close(&p->rows[k]);
    reduce_sparse_close(&p->users);
    mem_free(p->first);
    mem_free(p);
}

void placement_share_out(struct catalogue *catalogue, const struct collectives *collectives) {
    int size = collectives ? collectives->size : 1, rank = collectives ? collectives->rank : 0;
    struct item_block first = item_block_of(catalogue->a_items, catalogue->items, size, 0);
    catalogue->collectives = collectives;
    catalogue->local = item_block_of(catalogue->a_items, catalogue->items, size, rank);
    for (int d = 0; d < DOMAINS; d++)
        catalogue->max_local[d] = item_block_rows(&first, d);
}

void placement_fetch(struct placement *p, const struct model *model, struct item_set *set) {
    if (!p->sharded) {
        model_fill_items(model, set);
        return;
    }
    struct lookup_part part[OPTION_LIST];
    int64_t cols = 0;
    int parts = 0;
    for (int k = 0; k < model->tables; k++) {
        int64_t width;
        const real *table = model_table(model, k, &width);
        if (set->rows[k])
            part[parts++] = (struct lookup_part){width, table, set->rows[k]};
        cols += set->rows[k] ? width : 0;
    }
    lookup_plan(&p->lookup, set->item, set->n, cols);
    if (parts > 0)
        lookup_pull(&p->lookup, part, parts);
}

void placement_view(struct placement *p, struct model *model, const struct item_view *all,
                    struct pass *pass) {
    pass->items = all;
    if (!model_ranks_by_rows(model))
        return;
    struct item_set *set = arena_alloc(&pass->tape->arena, 1, sizeof *set);
    struct item_view *view = arena_alloc(&pass->tape->arena, 1, sizeof *view);
    model_items(model, pass->tape, pass->batch, 0, set);
    placement_fetch(p, model, set);
    model_view(model, pass->tape, set, view);
    pass->items = view;
}

/* The gradients of the learned tables go to the rows' owners together. */
static void give(struct placement *p, const struct model *model, const struct item_set *set,
                 struct item_grads *grads) {
    struct lookup_part part[OPTION_LIST];
    struct row_grad sum[OPTION_LIST] = {0};
    int parts = 0, taken = 0;
    for (int k = 0; k < model->tables; k++)
        if (model->table[k].param >= 0)
            part[parts++] = (struct lookup_part){.cols = model->table[k].given,
                                                 .from = item_set_gradient(set, k)};
    if (parts > 0)
        lookup_push(&p->lookup, part, parts, sum);
    for (int k = 0; k < model->tables; k++)
        if (model->table[k].param >= 0)
            grads->table[k] = sum[taken++];
}

void placement_reduce(struct placement *p, struct model *model, const struct item_set *set,
                      bool exchange, struct item_grads *grads) {
    *grads = (struct item_grads){0};
    if (p->sharded)
        give(p, model, set, grads);
    for (int k = 0; k < model->tables; k++) {
        int index = model->table[k].param;
        struct row_grad *rows = &grads->table[k];
        if (index < 0)
            continue;
        struct tensor *table = &model->params.list[index].tensor;
        const real *g = item_set_gradient(set, k);
        if (!p->sharded && !exchange)
            *rows = (struct row_grad){g ? set->n : 0, set->item, g};
        else if (!p->sharded)
            reduce_sparse_sum(&p->rows[k], set->item, set->n, g, rows);
        if (table->g) {
            row_grad_add(rows, table);
            *rows = (struct row_grad){0};
        }
    }
}

void placement_reduce_users(struct placement *p, const struct user_rows *users, bool exchange,
                            struct item_grads *grads) {
    const real *g = users->n > 0 ? users->rows->g : NULL;
    if (exchange)
        reduce_sparse_sum(&p->users, users->user, users->n, g, &grads->users);
    else
        grads->users = (struct row_grad){g ? users->n : 0, users->user, g};
}

double placement_grad_square(const struct placement *p, const struct model *model,
                             const struct item_grads *grads) {
    const struct params *params = &model->params;
    double whole = grad_square(params, 0, params->shared);
    double part = grad_square(params, params->shared, params->dense);
    if (model->users >= 0)
        whole += row_grad_square(&grads->users, params->list[model->users].cols);
    for (int k = 0; k < model->tables; k++)
        if (model_table_by_rows(model, k))
            part += row_grad_square(&grads->table[k], model->table[k].given);
    if (p->sharded)
        comm_sum_f64(p->comm, &part, 1);
    return whole + part;
}
