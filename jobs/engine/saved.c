/* Finding the parameters that evaluate and recommend take: the best checkpoint of a run, as its newest
 * whole one names it, or the file given. A run that is being trained may replace files at any moment,
 * so that what vanished is looked for again (LOOKS times). */
#include "jobs/engine/saved.h"
#include "core/fault.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/rng.h"
#include "io/checkpoint.h"
#include "io/config.h"
#include "jobs/engine/restore.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { LOOKS = 5 };

error_t saved_parse(struct saved_request *request, int key, char *arg,
                    const struct argp_state *state) {
    if (key == SAVED_BY_KEY) {
        request->by_key = true;
        return 0;
    }
    return args_config_parse(&request->config, key, arg, state, "run directory or checkpoint");
}

static enum status verify_best(const struct comm *comm, const char *run, const char *file) {
    log_hold();
    enum status status = checkpoint_verify(comm, file);
    const char *why = log_release();
    if (status == STATUS_OK)
        return STATUS_OK;
    return comm_error(comm, status,
                      "%s; it holds the best parameters of %s: to take others, name the file of "
                      "another checkpoint",
                      why[0] ? why : "a rank cannot read its file", run);
}

static bool is_newest(const struct comm *comm, const char *directory, int64_t step) {
    int64_t *steps;
    int count;
    checkpoint_list(comm, directory, &steps, &count);
    bool newest = count > 0 && steps[count - 1] == step;
    mem_free(steps);
    return newest;
}

/* The best checkpoint as the newest whole one of `run` knows it, else that one. */
static enum status find_best(const struct comm *comm, const char *run, char **file) {
    struct checkpoint_state state;
    char directory[OPTION_PATH];
    snprintf(directory, sizeof directory, "%s/checkpoints", run);
    TRY(checkpoint_newest_whole(comm, directory, file));
    if (!*file)
        return comm_error(comm, STATUS_INPUT, "%s: no checkpoint in %s", run, directory);
    TRY(checkpoint_read_state(comm, *file, &state));
    int64_t step = state.step, best = state.best_step;
    checkpoint_state_free(&state);
    fault_point("found");
    if (best >= 0 && best != step) {
        mem_free(*file);
        *file = checkpoint_path(directory, best);
        TRY(verify_best(comm, run, *file));
    }
    if (!is_newest(comm, directory, step))
        log_warn("the parameters are those of %s", *file);
    return STATUS_OK;
}

static enum status find(const struct comm *comm, const char *path, char **file) {
    struct stat info;
    int is_directory = comm->rank == 0 && !stat(path, &info) && S_ISDIR(info.st_mode);
    comm_bcast(comm, &is_directory, sizeof is_directory);
    if (is_directory)
        return find_best(comm, path, file);
    *file = mem_string(path);
    return checkpoint_verify(comm, path);
}

/* The configuration of a checkpoint with a state, else the defaults for the file itself as the data
 * set; then key=value. */
static enum status make_config(const char *file, const char *stored,
                               const struct args_config *request, struct config *config) {
    options_defaults(config);
    if (stored)
        TRY(config_from_text(stored, file, config));
    else {
        log_warn("%s: no stored configuration; defaults and key=value count", file);
        snprintf(config->data.path, sizeof config->data.path, "%s", file);
    }
    return config_override(config, request->pairs, request->npairs);
}

static enum status load_config(struct comm *comm, const char *file,
                               const struct args_config *request, struct config *config) {
    struct checkpoint_state state = {0};
    bool has;
    TRY(checkpoint_has_state(comm, file, &has));
    if (has)
        TRY(checkpoint_read_state(comm, file, &state));
    enum status status = COMM_ON_ROOT(comm, make_config(file, state.config, request, config));
    checkpoint_state_free(&state);
    TRY(status);
    comm_bcast(comm, config, sizeof *config);
    return STATUS_OK;
}

static enum status restore(struct run *run, const char *file, bool by_key) {
    TRY(restore_params(run, file, by_key ? RESTORE_BY_KEY : RESTORE_SAME));
    const struct item_counts *n = &run->item_counts;
    if (run->by_key)
        log_info("items by key: kept %lld, new %lld, dropped %lld", (long long)n->kept,
                 (long long)n->added, (long long)n->dropped);
    if (run->by_key && n->kept == 0)
        return comm_error(run->comm, STATUS_INPUT,
                          "%s: knows no item of %s: their keys have nothing in common", file,
                          run->dataset.path);
    return STATUS_OK;
}

static enum status open_once(struct comm *comm, const struct saved_request *request,
                             struct run *run, char **file) {
    struct config config;
    *file = NULL;
    enum status status = find(comm, request->config.path, file);
    if (status == STATUS_OK)
        status = load_config(comm, *file, &request->config, &config);
    if (status == STATUS_OK)
        status = run_open(run, comm, &config, false);
    if (status != STATUS_OK) {
        mem_free(*file);
        return status;
    }
    status = restore(run, *file, request->by_key);
    if (status != STATUS_OK) {
        run_close(run);
        mem_free(*file);
    }
    return status;
}

/* Changes when a training adds or removes checkpoints. */
static uint64_t listing(const struct comm *comm, const char *run) {
    char directory[OPTION_PATH];
    int64_t *steps;
    int count;
    uint64_t hash = 0;
    snprintf(directory, sizeof directory, "%s/checkpoints", run);
    checkpoint_list(comm, directory, &steps, &count);
    for (int i = 0; i < count; i++)
        hash = rng_bits(hash, (uint64_t)steps[i]);
    mem_free(steps);
    return hash;
}

enum status saved_open(struct comm *comm, const struct saved_request *request, struct run *run,
                       char **file) {
    const char *path = request->config.path;
    for (int left = LOOKS - 1;; left--) {
        uint64_t before = listing(comm, path);
        log_hold();
        enum status status = open_once(comm, request, run, file);
        const char *why = log_release();
        if (status == STATUS_OK)
            return STATUS_OK;
        if (status != STATUS_IO || left == 0 || listing(comm, path) == before)
            return why[0] ? log_error(status, "%s", why) : status;
        log_info("%s: its training has removed a checkpoint meanwhile; looks again", path);
    }
}
