#include "jobs/engine/placement.h"
#include "core/mem.h"
#include "core/optim.h"
#include "mpi/collectives.h"
#include "partition/range.h"
#include <string.h>

static bool has_id(const struct config *config) {
    for (int m = 0; m < config->model.modalities.count; m++)
        if (!strcmp(config->model.modalities.name[m], "id"))
            return true;
    return false;
}

/* Lazy AdamW has to know which rows were used: the union, not just a sum. */
static void open_rows(struct placement *p, const struct config *config, int64_t items) {
    reduce_sparse_open(&p->rows, p->comm, items, config->model.dim);
    if (config->train.optimizer == OPTIMIZER_LAZY_ADAMW)
        p->rows.way = SPARSE_UNION;
}

static void share_out(struct placement *p, const struct catalogue *catalogue) {
    int size = p->comm->size;
    int64_t of_domain[DOMAINS] = {catalogue->a_items, catalogue->items - catalogue->a_items};
    p->first = mem_alloc(DOMAINS * size + 1, sizeof *p->first);
    for (int d = 0; d < DOMAINS; d++)
        for (int r = 0; r < size; r++)
            p->first[d * size + r] =
                (d ? catalogue->a_items : 0) + range_of(of_domain[d], size, r).lo;
    p->first[DOMAINS * size] = catalogue->items;
}

struct placement *placement_new(const struct comm *comm, const struct config *config,
                                const struct catalogue *catalogue) {
    struct placement *p = mem_zero(1, sizeof *p);
    p->comm = comm;
    p->sharded = config->train.placement == PLACEMENT_SHARDED;
    p->collectives = collectives_of(comm);
    share_out(p, catalogue);
    if (p->sharded)
        lookup_open(&p->lookup, comm, p->first, DOMAINS);
    else if (has_id(config) && config->train.loss != LOSS_EXACT)
        open_rows(p, config, catalogue->items);
    return p;
}

void placement_free(struct placement *p) {
    if (!p)
        return;
    lookup_close(&p->lookup);
    reduce_sparse_close(&p->rows);
    mem_free(p->first);
    mem_free(p);
}

void placement_catalogue(const struct placement *p, struct catalogue *catalogue) {
    catalogue->collectives = p->sharded ? &p->collectives : NULL;
    catalogue->local =
        (struct item_block){{0, catalogue->a_items}, {catalogue->a_items, catalogue->items}};
    for (int d = 0; p->sharded && d < DOMAINS; d++) {
        const int64_t *first = p->first + d * p->comm->size;
        catalogue->local.lo[d] = first[p->comm->rank];
        catalogue->local.hi[d] = first[p->comm->rank + 1];
        catalogue->max_local[d] = first[1] - first[0]; /* the first block is the largest */
    }
}

void placement_fetch(struct placement *p, const struct model *model, struct item_set *set) {
    if (!p->sharded) {
        model_fill_items(model, set);
        return;
    }
    lookup_plan(&p->lookup, set->item, set->n);
    for (int k = 0; k < model->tables; k++) {
        int64_t width;
        const real *table = model_table(model, k, &width);
        if (set->rows[k])
            lookup_pull(&p->lookup, table, width, set->rows[k]);
    }
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

void placement_reduce(struct placement *p, struct model *model, const struct item_set *set,
                      bool exchange, struct row_grad *rows) {
    *rows = (struct row_grad){0};
    for (int k = 0; k < model->tables; k++) {
        int index = model->table[k].param;
        if (index < 0)
            continue;
        struct tensor *table = &model->params.list[index].tensor;
        const real *g = set->table[k]->g;
        if (p->sharded)
            lookup_push(&p->lookup, g, table->cols, rows);
        else if (!exchange)
            *rows = (struct row_grad){g ? set->n : 0, set->item, g};
        else
            reduce_sparse_sum(&p->rows, set->item, set->n, g, rows);
        if (table->g) {
            row_grad_add(rows, table);
            *rows = (struct row_grad){0};
        }
    }
}

double placement_grad_square(const struct placement *p, const struct model *model,
                             const struct row_grad *rows) {
    const struct params *params = &model->params;
    double whole = grad_square(params, 0, params->shared);
    double part = grad_square(params, params->shared, params->dense);
    for (int i = 0; i < params->count; i++)
        if (params->list[i].by_rows)
            part += row_grad_square(rows, params->list[i].cols);
    if (p->sharded)
        comm_sum_f64(p->comm, &part, 1);
    return whole + part;
}
