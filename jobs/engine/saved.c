/* Finding the parameters that evaluate and recommend take: the best checkpoint of a run, as its newest
 * whole one names it, or the file given. A run that is being trained may replace files at any moment,
 * so that what vanished is looked for again (LOOKS times). Several runs are opened one after another,
 * and each is compared with those before it. */
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

static bool is_pair(const char *arg) {
    const char *equals = strchr(arg, '=');
    return equals && !memchr(arg, '/', (size_t)(equals - arg));
}

static error_t add_path(struct saved_request *request, char *path, const struct argp_state *state) {
    if (request->paths == RANKER_RUNS) {
        argp_error(state, "more than %d runs", (int)RANKER_RUNS);
        return EINVAL;
    }
    request->path[request->paths++] = path;
    return 0;
}

error_t saved_parse(struct saved_request *request, int key, char *arg,
                    const struct argp_state *state) {
    if (key == SAVED_BY_KEY) {
        request->by_key = true;
        return 0;
    }
    if (key == ARGP_KEY_ARG && (request->paths == 0 || !is_pair(arg))) {
        error_t refused = add_path(request, arg, state);
        if (refused || request->paths > 1)
            return refused;
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

/* Have the domains other parameters? */
static bool has_two(const struct checkpoint_choice *choice) {
    return strcmp(choice->file[0], choice->file[1]) != 0;
}

static bool is_newest(const struct comm *comm, const char *directory, int64_t step) {
    int64_t *steps;
    int count;
    checkpoint_list(comm, directory, &steps, &count);
    bool newest = count > 0 && steps[count - 1] == step;
    mem_free(steps);
    return newest;
}

/* Of the run at its newest whole checkpoint: has each domain a best epoch of its own? */
static enum status read_selection(const struct comm *comm, const char *file,
                                  const struct checkpoint_state *newest, bool *per_domain) {
    struct config config;
    TRY(COMM_ON_ROOT(comm, config_from_text(newest->config, file, &config)));
    *per_domain = newest->best[0].step >= 0 && options_select_each(&config);
    comm_bcast(comm, per_domain, sizeof *per_domain);
    return STATUS_OK;
}

/* The best checkpoint of each domain as the newest whole one knows it, else that one. */
static enum status choose(const struct comm *comm, const char *run, const char *directory,
                          const struct checkpoint_state *newest, struct checkpoint_choice *choice) {
    for (int d = 0; d < DOMAINS; d++) {
        int64_t best = newest->best[d].step, step = best >= 0 ? best : newest->step;
        choice->step[d] = step;
        choice->file[d] = checkpoint_path(directory, step);
        if (step != newest->step && (d == 0 || step != choice->step[0]))
            TRY(verify_best(comm, run, choice->file[d]));
    }
    if (!is_newest(comm, directory, newest->step))
        for (int d = 0; d < DOMAINS && (d == 0 || has_two(choice)); d++)
            log_warn("the parameters are those of %s", choice->file[d]);
    return STATUS_OK;
}

static enum status find_best(const struct comm *comm, const char *run,
                             struct checkpoint_choice *choice) {
    struct checkpoint_state state = {0};
    char directory[OPTION_PATH], *newest;
    snprintf(directory, sizeof directory, "%s/checkpoints", run);
    TRY(checkpoint_newest_whole(comm, directory, &newest));
    if (!newest)
        return comm_error(comm, STATUS_INPUT, "%s: no checkpoint in %s", run, directory);
    enum status status = checkpoint_read_state(comm, newest, &state);
    if (status == STATUS_OK)
        status = read_selection(comm, newest, &state, &choice->per_domain);
    fault_point("found");
    if (status == STATUS_OK)
        status = choose(comm, run, directory, &state, choice);
    mem_free(newest);
    checkpoint_state_free(&state);
    return status;
}

static enum status find(const struct comm *comm, const char *path,
                        struct checkpoint_choice *choice) {
    struct stat info;
    int is_directory = comm->rank == 0 && !stat(path, &info) && S_ISDIR(info.st_mode);
    comm_bcast(comm, &is_directory, sizeof is_directory);
    if (is_directory)
        return find_best(comm, path, choice);
    for (int d = 0; d < DOMAINS; d++) {
        choice->file[d] = mem_string(path);
        choice->step[d] = -1;
    }
    return checkpoint_verify(comm, path);
}

/* The configuration of a checkpoint with a state, else the defaults for the file itself as the data
 * set; then key=value, and what the first of several runs decides. */
static enum status make_config(const char *file, const char *stored,
                               const struct args_config *request, const struct run *first,
                               struct config *config) {
    options_defaults(config);
    if (stored)
        TRY(config_from_text(stored, file, config));
    else {
        log_warn("%s: no stored configuration; defaults and key=value count", file);
        snprintf(config->data.path, sizeof config->data.path, "%s", file);
        config->model.repeats = REPEATS_FREE; /* nothing is known of a training */
        config->model.time = TIME_NONE;
    }
    if (first) {
        config->train.placement = first->config.train.placement;
        config->train.reproducible = first->config.train.reproducible;
    }
    return config_override(config, request->pairs, request->npairs);
}

static enum status load_config(struct comm *comm, struct checkpoint_choice *choice,
                               const struct args_config *request, const struct run *first,
                               struct config *config, struct repeats *repeats,
                               struct clock *clock) {
    const char *file = choice->file[0];
    struct checkpoint_state state = {.step = -1};
    bool has;
    TRY(checkpoint_has_state(comm, file, &has));
    if (has)
        TRY(checkpoint_read_state(comm, file, &state));
    enum status status =
        COMM_ON_ROOT(comm, make_config(file, state.config, request, first, config));
    for (int d = 0; d < DOMAINS; d++)
        choice->step[d] = choice->step[d] < 0 ? state.step : choice->step[d];
    *repeats = state.repeats;
    *clock = state.clock;
    checkpoint_state_free(&state);
    TRY(status);
    comm_bcast(comm, config, sizeof *config);
    return STATUS_OK;
}

static enum status restore(struct run *run, const struct checkpoint_choice *choice, bool by_key) {
    enum restore_items items = by_key ? RESTORE_BY_KEY : RESTORE_SAME;
    if (has_two(choice)) {
        TRY(restore_params(run, choice->file[1], items));
        run_keep_second(run);
    }
    TRY(restore_params(run, choice->file[0], items));
    const struct item_counts *n = &run->item_counts;
    if (run->by_key)
        log_info("items by key: kept %lld, new %lld, dropped %lld", (long long)n->kept,
                 (long long)n->added, (long long)n->dropped);
    if (run->by_key && n->kept == 0)
        return comm_error(run->comm, STATUS_INPUT,
                          "%s: knows no item of %s: their keys have nothing in common",
                          choice->file[0], run->dataset.path);
    return STATUS_OK;
}

/* Those of the training, or where it has not counted them, of the data set. */
static enum status set_repeats(struct run *run, const struct repeats *counted) {
    if (counted->targets[0] + counted->targets[1] == 0)
        return run_count_repeats(run);
    if (run->config.model.repeats == REPEATS_COUNTED)
        run->repeats = *counted;
    return STATUS_OK;
}

/* The next run of the request. */
static enum status open_once(struct comm *comm, const struct saved_request *request,
                             struct saved *saved) {
    int k = saved->count;
    struct config config;
    struct repeats repeats;
    struct clock clock;
    struct run *run = &saved->run[k];
    struct checkpoint_choice *choice = &saved->choice[k];
    enum status status = find(comm, request->path[k], choice);
    if (status == STATUS_OK)
        status = load_config(comm, choice, &request->config, k > 0 ? saved->run : NULL, &config,
                             &repeats, &clock);
    if (status == STATUS_OK)
        status = run_open(run, comm, &config, &clock, false);
    if (status == STATUS_OK)
        status = restore(run, choice, request->by_key);
    if (status == STATUS_OK)
        status = set_repeats(run, &repeats);
    if (status != STATUS_OK) {
        run_close(run);
        checkpoint_choice_free(choice);
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

static enum status open_next(struct comm *comm, const struct saved_request *request,
                             struct saved *saved) {
    const char *path = request->path[saved->count];
    for (int left = LOOKS - 1;; left--) {
        uint64_t before = listing(comm, path);
        log_hold();
        enum status status = open_once(comm, request, saved);
        const char *why = log_release();
        if (status == STATUS_OK)
            return STATUS_OK;
        if (status != STATUS_IO || left == 0 || listing(comm, path) == before)
            return why[0] ? log_error(status, "%s", why) : status;
        log_info("%s: its training has removed a checkpoint meanwhile; looks again", path);
    }
}

/* ---- several runs ---- */

/* Is it the data set of the first? */
static enum status check_data(const struct saved *saved, int k, char *const *path) {
    const struct dataset *a = &saved->run[0].dataset, *b = &saved->run[k].dataset;
    if (!strcmp(a->content_hash, b->content_hash) && !strcmp(a->items_hash, b->items_hash))
        return STATUS_OK;
    return comm_error(saved->run->comm, STATUS_INPUT,
                      "%s and %s: are of different data sets, %s and %s; runs that rank together "
                      "have the same",
                      path[0], path[k], a->path, b->path);
}

static bool share_parameters(const struct checkpoint_choice *a, const struct checkpoint_choice *b) {
    return a->hash[0] == b->hash[0] || a->hash[1] == b->hash[1];
}

static enum status check_twice(const struct saved *saved, int k, char *const *path) {
    for (int q = 0; q < k; q++)
        if (share_parameters(&saved->choice[q], &saved->choice[k]))
            return comm_error(saved->run->comm, STATUS_INPUT,
                              "%s: has the parameters of %s; give each run once", path[k], path[q]);
    return STATUS_OK;
}

static enum status check_model(const struct saved *saved, int k, char *const *path) {
    const struct config *config = &saved->run[k].config;
    if (!model_is_fitted(config))
        return STATUS_OK;
    return comm_error(saved->run->comm, STATUS_INPUT,
                      "%s: %s is fitted in closed form, and its scores are no logs of "
                      "probabilities, which several runs rank by; leave the run out",
                      path[k], config->model.name);
}

/* The first run's protocol counts. */
static void tell_protocol(const struct saved *saved, int k, char *const *path) {
    static const char *const keys[] = {"eval.candidates", "eval.sampled_negatives",
                                       "eval.exclude_history", "eval.ties", "eval.cutoffs"};
    const struct config *first = &saved->run[0].config, *own = &saved->run[k].config;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char counts[OPTION_PATH], value[OPTION_PATH];
        int option = options_find(keys[i]);
        options_value(first, option, counts, sizeof counts);
        options_value(own, option, value, sizeof value);
        if (!options_equal(first, own, option))
            log_warn("%s is %s in %s and %s in %s: the first counts", keys[i], counts, path[0],
                     value, path[k]);
    }
}

/* Does run k go together with those before it? */
static enum status check_together(struct saved *saved, int k, char *const *path) {
    struct run *run = &saved->run[k];
    TRY(check_data(saved, k, path));
    TRY(check_model(saved, k, path));
    for (int d = DOMAINS - 1; d >= 0; d--) {
        run_turn(run, d);
        saved->choice[k].hash[d] = checkpoint_params_hash(run->comm, &run->model.params);
    }
    TRY(check_twice(saved, k, path));
    tell_protocol(saved, k, path);
    return STATUS_OK;
}

enum status saved_open(struct comm *comm, const struct saved_request *request,
                       struct saved *saved) {
    enum status status = STATUS_OK;
    *saved = (struct saved){.run = mem_zero(request->paths, sizeof *saved->run),
                            .choice = mem_zero(request->paths, sizeof *saved->choice)};
    while (status == STATUS_OK && saved->count < request->paths) {
        status = open_next(comm, request, saved);
        if (status != STATUS_OK)
            break;
        saved->count++;
        if (request->paths > 1)
            status = check_together(saved, saved->count - 1, request->path);
    }
    if (status != STATUS_OK)
        saved_close(saved);
    return status;
}

void saved_close(struct saved *saved) {
    for (int k = 0; k < saved->count; k++) {
        run_close(&saved->run[k]);
        checkpoint_choice_free(&saved->choice[k]);
    }
    mem_free(saved->run);
    mem_free(saved->choice);
    *saved = (struct saved){0};
}

bool saved_is_per_domain(const struct saved *saved) {
    for (int k = 0; k < saved->count; k++)
        if (saved->choice[k].per_domain)
            return true;
    return false;
}

struct report_run *saved_describe(const struct saved *saved) {
    if (saved->count == 1)
        return NULL;
    struct report_run *about = mem_alloc(saved->count, sizeof *about);
    for (int k = 0; k < saved->count; k++) {
        const struct run *run = &saved->run[k];
        about[k] = (struct report_run){.choice = &saved->choice[k],
                                       .config = &run->config,
                                       .provenance = run->provenance,
                                       .by_key = run->by_key ? &run->item_counts : NULL,
                                       .repeats = &run->repeats};
    }
    return about;
}
