#include "jobs/run.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/ops/norm.h"
#include <string.h>

static enum status read_table(struct run *run, int m, struct model_shape *shape) {
    const char *name = run->config.model.modalities.name[m];
    int dim = 0;
    if (!strcmp(name, "id"))
        return STATUS_OK;
    TRY(dataset_feature_dim(run->comm, &run->dataset, name, &dim));
    run->tables[m] = mem_alloc(run->dataset.items * dim, sizeof(real));
    TRY(dataset_read_feature(run->comm, &run->dataset, name, 0, run->dataset.items,
                             run->tables[m]));
    unit_norm_rows(run->tables[m], run->dataset.items, dim, (real)1e-8);
    shape->table[m] = (struct frozen_table){run->tables[m], run->tables[m], dim};
    return STATUS_OK;
}

static enum status open_model(struct run *run, bool training) {
    struct model_shape shape = {.items = run->dataset.items,
                                .x_items = run->dataset.domain_items[0],
                                .max_len = run->config.data.max_len};
    for (int m = 0; m < run->config.model.modalities.count; m++)
        TRY(read_table(run, m, &shape));
    enum status status = model_create(&run->model, &run->config, &shape, training);
    return comm_agree(run->comm, status);
}

enum status run_open(struct run *run, struct comm *comm, const struct config *config,
                     bool training) {
    *run = (struct run){.comm = comm, .config = *config};
    TRY(dataset_open(comm, config->data.path, &run->dataset));
    if (run->config.data.max_len == 0)
        run->config.data.max_len = run->dataset.max_len;
    enum status status = open_model(run, training);
    if (status != STATUS_OK)
        run_close(run);
    return status;
}

void run_close(struct run *run) {
    model_free(&run->model);
    for (int m = 0; m < OPTION_LIST; m++)
        mem_free(run->tables[m]);
    dataset_close(&run->dataset);
    *run = (struct run){0};
}
