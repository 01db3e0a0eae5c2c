#include "jobs/saved.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/checkpoint.h"
#include "io/config.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static enum status find(struct comm *comm, const char *path, char **file) {
    struct checkpoint_state state;
    struct stat info;
    char directory[OPTION_PATH];
    int64_t *steps, best;
    int count, is_directory = comm->rank == 0 && !stat(path, &info) && S_ISDIR(info.st_mode);
    comm_bcast(comm, &is_directory, sizeof is_directory);
    if (!is_directory) {
        *file = mem_string(path);
        return STATUS_OK;
    }
    snprintf(directory, sizeof directory, "%s/checkpoints", path);
    checkpoint_list(comm, directory, &steps, &count);
    int64_t newest = count ? steps[count - 1] : -1;
    mem_free(steps);
    if (newest < 0)
        return comm->rank ? STATUS_INPUT
                          : log_error(STATUS_INPUT, "%s: no checkpoint in %s", path, directory);
    char *newest_path = checkpoint_path(directory, newest);
    enum status status = checkpoint_read_state(comm, newest_path, &state);
    mem_free(newest_path);
    TRY(status);
    best = state.best_step >= 0 ? state.best_step : newest;
    checkpoint_state_free(&state);
    *file = checkpoint_path(directory, best);
    return STATUS_OK;
}

static enum status load_config(struct comm *comm, const char *file,
                               const struct args_config *request, struct config *config) {
    struct checkpoint_state state = {0};
    bool has;
    TRY(checkpoint_has_state(comm, file, &has));
    if (has)
        TRY(checkpoint_read_state(comm, file, &state));
    enum status status = STATUS_OK;
    if (comm->rank == 0) {
        options_defaults(config);
        if (has)
            status = config_from_text(state.config, file, config);
        else {
            log_warn("%s: no stored configuration; defaults and key=value count", file);
            snprintf(config->data.path, sizeof config->data.path, "%s", file);
        }
        if (status == STATUS_OK)
            status = config_override(config, request->pairs, request->npairs);
    }
    checkpoint_state_free(&state);
    TRY(comm_agree(comm, status));
    comm_bcast(comm, config, sizeof *config);
    return STATUS_OK;
}

enum status saved_open(struct comm *comm, const struct args_config *request, struct run *run,
                       char **file) {
    struct config config;
    *file = NULL;
    TRY(find(comm, request->path, file));
    enum status status = checkpoint_verify(comm, *file);
    if (status == STATUS_OK)
        status = load_config(comm, *file, request, &config);
    if (status == STATUS_OK)
        status = run_open(run, comm, &config, false);
    if (status != STATUS_OK) {
        mem_free(*file);
        return status;
    }
    status = checkpoint_read_params(comm, *file, &run->model.params, false);
    if (status != STATUS_OK) {
        run_close(run);
        mem_free(*file);
    }
    return status;
}
