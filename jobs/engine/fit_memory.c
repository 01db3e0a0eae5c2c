#include "jobs/engine/fit_memory.h"
#include "jobs/launch/memory_limit.h"
#include "mpi/inverse.h"
#include <omp.h>
#include <stdio.h>

void fit_memory_cost(const struct model *model, const struct dataset *dataset, int ranks,
                     struct fit_cost *cost) {
    const struct fit_size size = {.ranks = ranks,
                                  .threads = omp_get_max_threads(),
                                  .sequences = dataset->counts[SPLIT_TRAIN],
                                  .events = dataset->events[SPLIT_TRAIN],
                                  .inverse_bytes = inverse_bytes};
    *cost = (struct fit_cost){0};
    model->ops->fit_cost(model, &size, cost);
}

/* Of a rank: its parameters and what the fit takes beside them. */
static int64_t bytes_of(const struct model *model, const struct dataset *dataset, int ranks) {
    struct fit_cost cost;
    fit_memory_cost(model, dataset, ranks, &cost);
    for (int i = 0; i < model->params.count; i++)
        cost.bytes += param_size(&model->params.list[i]) * (int64_t)sizeof(real);
    return cost.bytes;
}

/* What is in the way on this rank's node; false: nothing. */
static bool find_lack(const struct comm *comm, const struct model *model, int64_t bytes, char *line,
                      size_t size) {
    struct comm node;
    int64_t all = bytes;
    double there = memory_limit_free();
    comm_open_node(&node, comm);
    comm_sum_i64(&node, &all, 1);
    int n = snprintf(line, size, "the fit of %s takes %.2f GB of each of %d ranks of a node",
                     model->ops->name, (double)bytes / 1e9, node.size);
    comm_close(&node);
    bool lacks = there >= 0 && (double)all > there;
    if (lacks)
        snprintf(line + n, size - (size_t)n, ", which has %.2f GB free", there / 1e9);
    else if (memory_limit_finding(bytes, line + n + 2, size - (size_t)n - 2))
        lacks = true, line[n] = ':', line[n + 1] = ' ';
    return lacks;
}

static enum status check(const struct comm *comm, const struct model *model, int64_t bytes) {
    char line[512];
    int first = comm_first(comm, find_lack(comm, model, bytes, line, sizeof line));
    const char *key = model->ops->fit_key;
    if (first < 0)
        return STATUS_OK;
    return comm_error_of(comm, first, STATUS_INPUT,
                         "rank %d on %s: %s; %s%sshare out the items over more nodes "
                         "(train.placement: sharded)",
                         first, comm_host(), line, key ? key : "",
                         key ? ": keep fewer items, or " : "");
}

enum status fit_memory_check(const struct comm *comm, const struct config *config,
                             const struct dataset *dataset, const struct catalogue *catalogue) {
    struct model model;
    if (!model_is_fitted(config))
        return STATUS_OK;
    if (comm->rank) /* faults are the same on all ranks: rank 0 speaks of them */
        log_hold();
    enum status status = model_declare(&model, config, catalogue);
    if (comm->rank)
        (void)log_release();
    TRY(status);
    status = check(comm, &model, bytes_of(&model, dataset, comm->size));
    model_free(&model);
    return status;
}
