/* cdsr evaluate: a saved model on the validation and test splits. */
#include "core/log.h"
#include "core/mem.h"
#include "io/checkpoint.h"
#include "io/config.h"
#include "io/file.h"
#include "jobs/args.h"
#include "jobs/evaluation.h"
#include "jobs/job.h"
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct request {
    struct args_config config;
    char *json; /* write the metrics here */
};

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "Write the metrics to FILE as JSON", 0}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *r = state->input;
    if (key == 'o') {
        r->json = arg;
        return 0;
    }
    return args_config_parse(&r->config, key, arg, state, "run directory or checkpoint");
}

/* The file to read: a checkpoint itself, or a run directory's best (else newest) one. */
static enum status find_checkpoint(struct comm *comm, const char *path, char **file) {
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

/* The configuration stored in the file, then the pairs. A file without one (any HDF5 file with
 * /param) takes the defaults, and itself as the data set. */
static enum status load_config(struct comm *comm, const char *file, const struct request *request,
                               struct config *config) {
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
            status = config_override(config, request->config.pairs, request->config.npairs);
    }
    checkpoint_state_free(&state);
    TRY(comm_agree(comm, status));
    comm_bcast(comm, config, sizeof *config);
    return STATUS_OK;
}

static enum status write_json(const char *path, const struct report_results *results) {
    char *text = report_metrics_text(results);
    enum status status = file_write(path, text);
    mem_free(text);
    return status;
}

static enum status evaluate(struct run *run, const char *file, const struct request *request) {
    struct report_results results = {.config = &run->config,
                                     .dataset = &run->dataset,
                                     .provenance = run->provenance,
                                     .ranks = run->comm->size,
                                     .threads = omp_get_max_threads(),
                                     .valid = true};
    double start = phase_clock();
    TRY(checkpoint_read_params(run->comm, file, &run->model.params, false));
    TRY(evaluation_splits(run, &results));
    results.eval_seconds = phase_clock() - start;
    results.peak_rss_mb = report_peak_rss_mb(run->comm);
    enum status status = STATUS_OK;
    if (run->comm->rank == 0) {
        report_print_results(stdout, &results);
        if (request->json)
            status = write_json(request->json, &results);
    }
    return comm_agree(run->comm, status);
}

enum status job_evaluate(struct comm *comm, int argc, char **argv) {
    static const struct argp argp = {
        options,
        parse,
        "RUN_DIR|CHECKPOINT.h5 [KEY=VALUE...]",
        "Rank the targets of the validation and test splits among all items.",
        NULL,
        NULL,
        NULL};
    struct request request = {0};
    struct config config;
    struct run run = {0};
    char *file = NULL;
    enum status status;
    bool done;
    TRY(args_parse(comm, &argp, argc, argv, &request, &done));
    if (done)
        return STATUS_OK;
    TRY(find_checkpoint(comm, request.config.path, &file));
    TRY_GOTO(status, load_config(comm, file, &request, &config), end);
    TRY_GOTO(status, run_open(&run, comm, &config, false), end);
    status = evaluate(&run, file, &request);
    run_close(&run);
end:
    mem_free(file);
    return status;
}
