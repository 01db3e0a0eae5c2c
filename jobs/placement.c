#include "jobs/placement.h"
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

struct placement *placement_new(const struct comm *comm, const struct config *config,
                                int64_t items) {
    struct placement *p = mem_zero(1, sizeof *p);
    p->comm = comm;
    p->sharded = config->train.placement == PLACEMENT_SHARDED;
    p->peers = peers_of(comm);
    p->first = mem_alloc(comm->size + 1, sizeof *p->first);
    for (int r = 0; r <= comm->size; r++)
        p->first[r] = r < comm->size ? range_of(items, comm->size, r).lo : items;
    if (p->sharded)
        lookup_open(&p->lookup, comm, p->first);
    else if (has_id(config) && config->train.loss == LOSS_SAMPLED)
        open_rows(p, config, items);
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
    struct range here = range_of(shape->items, p->comm->size, p->comm->rank);
    shape->peers = p->sharded ? &p->peers : NULL;
    shape->lo = p->sharded ? here.lo : 0;
    shape->hi = p->sharded ? here.hi : shape->items;
    shape->most = p->sharded ? range_of(shape->items, p->comm->size, 0).hi : shape->items;
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
        lookup_fetch(&p->lookup, table, width, set->rows[m]);
    }
}

static void add_rows(const struct row_grad *grad, struct tensor *table) {
    for (int64_t i = 0; i < grad->n; i++)
        for (int64_t c = 0; c < table->cols; c++)
            table->g[grad->row[i] * table->cols + c] += grad->g[i * table->cols + c];
}

void placement_reduce(struct placement *p, struct model *model, const struct item_set *set,
                      struct row_grad *rows) {
    *rows = (struct row_grad){0};
    for (int m = 0; m < model->modalities; m++) {
        int index = model->modality[m].table;
        if (index < 0)
            continue;
        struct tensor *table = &model->params.list[index].tensor;
        const real *g = set->table[m]->g;
        if (p->sharded)
            lookup_give(&p->lookup, g, table->cols, rows);
        else
            rows_sum(&p->rows, set->item, set->n, g, rows);
        if (table->g) {
            add_rows(rows, table);
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
