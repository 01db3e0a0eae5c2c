#include "jobs/engine/resume.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/config.h"
#include "io/protocol.h"
#include "jobs/engine/event_times.h"
#include <string.h>

void resume_close(struct resume *resume) {
    mem_free(resume->path);
    checkpoint_state_free(&resume->state);
    *resume = (struct resume){0};
}

/* ---- settings ---- */

static enum status refuse(const struct resume *r, const struct config *now, int i) {
    char before[OPTION_PATH], after[OPTION_PATH];
    options_value(&r->was, i, before, sizeof before);
    options_value(now, i, after, sizeof after);
    return comm_error(r->comm, STATUS_INPUT,
                      "%s: %s: %s -> %s cannot change in a run that goes on; leave it as it "
                      "was, or start another run (run.dir, or --overwrite)",
                      r->path, options_key(i), before, after);
}

/* Today's settings as the checkpoint's data set makes them; that it is today's, resume_check sees.
 * Files that do not say their items have some of either domain. */
static enum status settle(const struct resume *r, struct config *now) {
    static char label[] = "A";
    const int64_t *items = r->state.domain_items;
    bool known = items[0] > 0;
    struct dataset data = {.path = now->data.path,
                           .labels = {label, label},
                           .domain_items = {known ? items[0] : 1, known ? items[1] : 1},
                           .max_len = (int)r->was.data.max_len};
    return run_settle(r->comm, &data, now);
}

static enum status check_settings(const struct resume *r, const struct config *today) {
    struct config now = *today;
    TRY(settle(r, &now));
    for (int i = 0; i < options_count(); i++)
        if (!options_may_change(i) && !options_equal(&r->was, &now, i))
            return refuse(r, &now, i);
    return STATUS_OK;
}

static enum status read_settings(struct resume *r, struct config *now) {
    TRY(COMM_ON_ROOT(r->comm, config_from_text(r->state.config, r->path, &r->was)));
    comm_bcast(r->comm, &r->was, sizeof r->was);
    if (now->model.time == TIME_AUTO)
        now->model.time = r->was.model.time;
    return check_settings(r, now);
}

enum status resume_open(const struct comm *comm, const char *directory, struct config *now,
                        struct resume *resume) {
    *resume = (struct resume){.comm = comm};
    TRY(checkpoint_newest_whole(comm, directory, &resume->path));
    if (!resume->path)
        return STATUS_OK;
    enum status status = checkpoint_read_state(comm, resume->path, &resume->state);
    if (status == STATUS_OK)
        status = read_settings(resume, now);
    if (status != STATUS_OK)
        resume_close(resume);
    return status;
}

void resume_warn(const struct resume *resume, const struct config *now) {
    char before[OPTION_PATH], after[OPTION_PATH];
    for (int i = 0; i < options_count(); i++) {
        if (!options_decides_result(i) || options_equal(&resume->was, now, i))
            continue;
        options_value(&resume->was, i, before, sizeof before);
        options_value(now, i, after, sizeof after);
        log_warn("%s: %s -> %s", options_key(i), before, after);
    }
}

/* ---- data ---- */

static enum status refuse_data(const struct resume *r, const struct run *run, const char *what) {
    const char *before = r->was.data.path, *after = run->config.data.path;
    bool moved = strcmp(before, after) != 0;
    return comm_error(r->comm, STATUS_INPUT,
                      "%s: data.path: %s%s%s has other %s than the checkpoint; give the old data "
                      "set, or start another run (run.dir, or --overwrite)",
                      r->path, before, moved ? " -> " : "", moved ? after : "", what);
}

/* That of train.init is of other data. */
static enum status check_times(const struct resume *r, const struct run *run) {
    struct clock clock;
    if (r->state.clock.knots == 0 || run->config.train.init[0])
        return STATUS_OK;
    TRY(event_times_clock(r->comm, &run->dataset, &clock));
    return clock_equal(&r->state.clock, &clock) ? STATUS_OK : refuse_data(r, run, "times");
}

static enum status check_data(const struct resume *r, const struct run *run) {
    const struct dataset *data = &run->dataset;
    const char *items = r->state.items_hash;
    if (items[0] && data->items_hash[0] && strcmp(items, data->items_hash))
        return refuse_data(r, run, "items");
    if (strcmp(r->state.dataset_hash, data->content_hash))
        return refuse_data(r, run, "sequences");
    if (r->was.data.max_len != run->config.data.max_len)
        return refuse_data(r, run, "max_len");
    return check_times(r, run);
}

/* The value of eval.select_domain that says it whatever train.target is. */
static const char *selecting_domains(const struct config *config) {
    static const char *const domains[] = {"both", "a", "b"}; /* by enum target */
    return options_select_each(config) ? "each" : domains[options_select_target(config)];
}

/* The best epoch so far has to be the best by what selects now: the parameters of others are gone.
 */
static enum status check_selection(const struct resume *r, const struct run *run) {
    char before[PROTOCOL_NAME], now[PROTOCOL_NAME];
    protocol_select(&r->was, &run->dataset, before);
    protocol_select(&run->config, &run->dataset, now);
    if (r->state.best[0].step < 0 || !strcmp(before, now))
        return STATUS_OK;
    return comm_error(r->comm, STATUS_INPUT,
                      "%s: its best epoch is that of the %s, and those of the %s may be gone; "
                      "go on with eval.select=%s, eval.select_domain=%s and the run's other eval "
                      "keys, or --overwrite the run",
                      r->path, before, now, r->was.eval.select, selecting_domains(&r->was));
}

enum status resume_check(const struct resume *resume, const struct run *run) {
    TRY(check_data(resume, run));
    return check_selection(resume, run);
}

/* ---- where it goes on ---- */

bool resume_scores_anew(const struct resume *resume, const struct config *now) {
    for (int i = 0; i < options_count(); i++) {
        const char *key = options_key(i);
        bool scores = (!strncmp(key, "eval.", 5) && strcmp(key, "eval.every") != 0) ||
                      !strcmp(key, "model.repeats");
        if (scores && !options_equal(&resume->was, now, i))
            return true;
    }
    return false;
}

/* A batch above the number of sequences means all of them. */
static int64_t batch_of(const struct config *config, int64_t sequences) {
    return config->train.batch < sequences ? config->train.batch : sequences;
}

int64_t resume_cursor(const struct resume *resume, const struct config *now, int64_t sequences) {
    int64_t batch = batch_of(now, sequences);
    int64_t seen = resume->state.cursor * batch_of(&resume->was, sequences);
    if (seen % batch > 0)
        log_warn(
            "train.batch: epoch %lld has seen %lld sequences, and goes on after %lld: %lld are "
            "seen again",
            (long long)resume->state.epoch + 1, (long long)seen, (long long)(seen - seen % batch),
            (long long)(seen % batch));
    return seen / batch;
}
