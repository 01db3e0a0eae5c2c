#include "jobs/engine/restore.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/checkpoint.h"
#include <string.h>

/* Of the items of a checkpoint and of a data set. */
enum likeness { ALIKE, DIFFERENT, UNKNOWN };

static enum likeness compare(const struct run *run, const char *path,
                             const struct checkpoint_state *state) {
    const struct dataset *data = &run->dataset;
    if (!state->config) /* parameters of others; golden files have their data set beside them */
        return strcmp(path, data->path) ? UNKNOWN : ALIKE;
    if (state->items_hash[0] && data->items_hash[0])
        return strcmp(state->items_hash, data->items_hash) ? DIFFERENT : ALIKE;
    return strcmp(state->dataset_hash, data->content_hash) ? UNKNOWN : ALIKE;
}

static enum status refuse_items(const struct run *run, const char *path,
                                const struct checkpoint_state *state) {
    char *difference;
    TRY(item_map_difference(run->comm, path, state->domain_items, &run->dataset, &difference));
    enum status status =
        comm_error(run->comm, STATUS_INPUT,
                   "%s: was trained on other items than those of %s: %s; give the data set of the "
                   "training, or --items-by-key",
                   path, run->dataset.path, difference);
    mem_free(difference);
    return status;
}

static enum status refuse_unknown(const struct run *run, const char *path) {
    return comm_error(run->comm, STATUS_INPUT,
                      "%s: --items-by-key: %s; leave the option out if the items of %s are "
                      "those of the training, in that order",
                      path,
                      run->dataset.items_hash[0] ? "the checkpoint has no item keys"
                                                 : "the data set has no item keys",
                      run->dataset.path);
}

static enum status read_by_key(struct run *run, const char *path,
                               const struct checkpoint_state *state) {
    struct item_map map;
    TRY(item_map_make(run->comm, path, state->domain_items, &run->dataset, &map));
    enum status status = checkpoint_read_params(run->comm, path, &map, &run->model.params, false);
    run->by_key = true;
    run->item_counts = map.counts;
    item_map_free(&map);
    return status;
}

/* Of items, in a file that says what it likes. */
static enum status check_numbers(const struct run *run, const char *path) {
    const char *fault = run->model.ops->check ? run->model.ops->check(&run->model) : NULL;
    int first = comm_first(run->comm, fault != NULL);
    if (first < 0)
        return STATUS_OK;
    return comm_error_of(run->comm, first, STATUS_INPUT, "%s: /param/%s; the file is damaged", path,
                         fault ? fault : "");
}

static enum status refuse_by_key(const struct run *run, const char *path) {
    return comm_error(run->comm, STATUS_INPUT,
                      "%s: --items-by-key: its parameters name items of the training, so that %s "
                      "cannot be moved to other items; fit it to %s",
                      path, run->config.model.name, run->dataset.path);
}

static enum status read_as_they_stand(struct run *run, const char *path,
                                      const struct checkpoint_state *state, bool known) {
    const struct dataset *data = &run->dataset;
    TRY(checkpoint_read_params(run->comm, path, NULL, &run->model.params, false));
    TRY(check_numbers(run, path));
    if (!known)
        log_warn("%s: does not say which items it was trained on; its rows are taken for the "
                 "items of %s in their order",
                 path, data->path);
    else if (state->dataset_hash && strcmp(state->dataset_hash, data->content_hash) != 0)
        log_info("%s has other sequences than the training of %s", data->path, path);
    return STATUS_OK;
}

static enum status restore(struct run *run, const char *path, const struct checkpoint_state *state,
                           enum restore_items items) {
    bool fixed = run->model.ops->names_items;
    enum likeness likeness =
        params_have_items(&run->model.params) || fixed ? compare(run, path, state) : ALIKE;
    if (likeness == DIFFERENT && items == RESTORE_SAME)
        return refuse_items(run, path, state);
    if (likeness == UNKNOWN && items == RESTORE_BY_KEY)
        return refuse_unknown(run, path);
    if (likeness == DIFFERENT && fixed)
        return refuse_by_key(run, path);
    if (likeness != DIFFERENT)
        return read_as_they_stand(run, path, state, likeness == ALIKE);
    if (items == RESTORE_BY_KEY)
        TRY(run_init_items(run));
    return read_by_key(run, path, state);
}

enum status restore_params(struct run *run, const char *path, enum restore_items items) {
    struct checkpoint_state state = {0};
    bool has;
    TRY(checkpoint_has_state(run->comm, path, &has));
    if (has)
        TRY(checkpoint_read_state(run->comm, path, &state));
    enum status status = restore(run, path, &state, items);
    checkpoint_state_free(&state);
    return status;
}

enum status restore_init(struct run *run) {
    const char *path = run->config.train.init;
    const struct item_counts *n = &run->item_counts;
    if (!path[0])
        return STATUS_OK;
    TRY(checkpoint_verify(run->comm, path));
    TRY(restore_params(run, path, RESTORE_CARRY));
    if (run->by_key)
        log_info("train.init: item rows kept %lld, new %lld, dropped %lld", (long long)n->kept,
                 (long long)n->added, (long long)n->dropped);
    return STATUS_OK;
}
