#include "jobs/engine/placement.h"
#include "core/mem.h"
#include "core/optim.h"
#include "mpi/peers.h"
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
    rows_open(&p->rows, p->comm, items, config->model.dim);
    if (config->train.optimizer == OPTIMIZER_LAZY_ADAMW)
        p->rows.way = ROWS_SPARSE;
}

static void share_out(struct placement *p, const struct model_shape *shape) {
    int size = p->comm->size;
    int64_t of_domain[PARTS] = {shape->x_items, shape->items - shape->x_items};
    p->first = mem_alloc(PARTS * size + 1, sizeof *p->first);
    for (int d = 0; d < PARTS; d++)
        for (int r = 0; r < size; r++)
            p->first[d * size + r] = (d ? shape->x_items : 0) + range_of(of_domain[d], size, r).lo;
    p->first[PARTS * size] = shape->items;
}

struct placement *placement_new(const struct comm *comm, const struct config *config,
                                const struct model_shape *shape) {
    struct placement *p = mem_zero(1, sizeof *p);
    p->comm = comm;
    p->sharded = config->train.placement == PLACEMENT_SHARDED;
    p->peers = peers_of(comm);
    share_out(p, shape);
    if (p->sharded)
        lookup_open(&p->lookup, comm, p->first, PARTS);
    else if (has_id(config) && config->train.loss != LOSS_EXACT)
        open_rows(p, config, shape->items);
    return p;
}

void placement_free(struct placement *p) {
    if (!p)
        return;
    lookup_close(&p->lookup);
    rows_close(&p->rows);
    mem_free(p->first);
    mem_free(p);
}

void placement_shape(const struct placement *p, struct model_shape *shape) {
    shape->peers = p->sharded ? &p->peers : NULL;
    shape->here = (struct parts){{0, shape->x_items}, {shape->x_items, shape->items}};
    for (int d = 0; p->sharded && d < PARTS; d++) {
        const int64_t *first = p->first + d * p->comm->size;
        shape->here.lo[d] = first[p->comm->rank];
        shape->here.hi[d] = first[p->comm->rank + 1];
        shape->most[d] = first[1] - first[0]; /* the first block is the largest */
    }
}

void placement_fetch(struct placement *p, const struct model *model, struct item_set *set) {
    if (!p->sharded) {
        model_fill_items(model, set);
        return;
    }
    lookup_ask(&p->lookup, set->item, set->n);
    for (int m = 0; m < model->modalities; m++) {
        int64_t width;
        const real *table = model_table(model, m, &width);
        if (set->rows[m])
            lookup_fetch(&p->lookup, table, width, set->rows[m]);
    }
}

void placement_reduce(struct placement *p, struct model *model, const struct item_set *set,
                      bool exchange, struct row_grad *rows) {
    *rows = (struct row_grad){0};
    for (int m = 0; m < model->modalities; m++) {
        int index = model->modality[m].table;
        if (index < 0)
            continue;
        struct tensor *table = &model->params.list[index].tensor;
        const real *g = set->table[m]->g;
        if (p->sharded)
            lookup_give(&p->lookup, g, table->cols, rows);
        else if (!exchange)
            *rows = (struct row_grad){g ? set->n : 0, set->item, g};
        else
            rows_sum(&p->rows, set->item, set->n, g, rows);
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
