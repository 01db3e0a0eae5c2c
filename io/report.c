/* The directory of a run comes first: what is in it, who may begin, what is removed and what is
 * kept under another name. Then come the events, each a JSON object that is flushed as one line of
 * the log, so that a killed run loses the last line at most; and the results, which end the run. */
#include "io/report.h"
#include "core/fault.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/config.h"
#include "io/file.h"
#include "io/output.h"
#include "io/protocol.h"
#include "io/report_json.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void report_path(const struct report *report, const char *name, char path[OPTION_PATH]) {
    if (snprintf(path, OPTION_PATH, "%s/%s", report->config->run.dir, name) >= OPTION_PATH)
        path[OPTION_PATH - 1] = 0;
}

/* ---- the directory ---- */

static const char *const run_files[] = {"config.yaml", "log.jsonl", "metrics.json", "result.txt",
                                        "ranks.h5"};
enum { CONFIG_LIMIT = 1 << 16, RUN_FILES = sizeof run_files / sizeof *run_files };

static bool holds_run(const struct report *r) {
    char path[OPTION_PATH];
    for (int i = 0; i < RUN_FILES; i++) {
        report_path(r, run_files[i], path);
        if (file_exists(path))
            return true;
    }
    report_path(r, "checkpoints", path);
    return file_exists(path);
}

static enum status remove_run(const struct report *r) {
    char path[OPTION_PATH];
    TRY(file_remove_all(r->config->run.dir, "config.step-"));
    for (int i = 0; i < RUN_FILES; i++) {
        report_path(r, run_files[i], path);
        TRY(file_remove(path));
    }
    report_path(r, "checkpoints", path);
    return file_remove_all(path, "step-");
}

/* A name for the configuration that counted until `step`; the run may have gone on there before. */
static void name_former(const struct report *r, int64_t step, char path[OPTION_PATH]) {
    char name[64];
    snprintf(name, sizeof name, "config.step-%lld.yaml", (long long)step);
    report_path(r, name, path);
    for (int k = 2; file_exists(path); k++) {
        snprintf(name, sizeof name, "config.step-%lld-%d.yaml", (long long)step, k);
        report_path(r, name, path);
    }
}

/* The former configuration is kept before the new one takes its place. */
static enum status write_config(const struct report *r, int64_t step) {
    char path[OPTION_PATH], former[OPTION_PATH];
    char *text = config_to_text(r->config), *old = NULL;
    report_path(r, "config.yaml", path);
    enum status status = file_exists(path) ? file_read(path, CONFIG_LIMIT, &old) : STATUS_OK;
    bool same = old && !strcmp(old, text);
    if (status == STATUS_OK && old && !same) {
        name_former(r, step, former);
        status = output_write(former, old);
    }
    if (status == STATUS_OK && !same)
        status = output_write(path, text);
    mem_free(old);
    mem_free(text);
    return status;
}

/* Drop what follows the last newline: a line that a killed run did not finish. */
static bool cut_last_line(FILE *file) {
    long end = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
    while (end > 0) {
        if (fseek(file, end - 1, SEEK_SET) || fgetc(file) == '\n')
            break;
        end--;
    }
    return end >= 0 && !ftruncate(fileno(file), end) && !fseek(file, 0, SEEK_END);
}

static enum status open_log(struct report *r) {
    char path[OPTION_PATH];
    report_path(r, "log.jsonl", path);
    r->log = fopen(path, "a+e");
    if (r->log && cut_last_line(r->log))
        return STATUS_OK;
    return log_error(STATUS_IO, "%s: cannot be opened: %s", path, strerror(errno));
}

static enum status look(struct report *r) {
    const char *dir = r->config->run.dir;
    if (strlen(dir) + 64 > OPTION_PATH)
        return log_error(STATUS_INPUT, "run.dir: %zu bytes are too long", strlen(dir));
    if (!holds_run(r))
        return STATUS_OK;
    if (r->mode == REPORT_REFUSE)
        return log_error(STATUS_INPUT,
                         "%s: already holds a run; continue it with --resume, replace it with "
                         "--overwrite, or give another run.dir",
                         dir);
    return lock_take(&r->lock, dir);
}

enum status report_open(const struct comm *comm, const struct config *config, enum report_mode mode,
                        struct report *report) {
    struct report mine = {.comm = comm, .config = config, .mode = mode};
    enum status status = COMM_ON_ROOT(comm, look(&mine));
    if (status == STATUS_OK)
        *report = mine;
    else
        report_close(&mine);
    return status;
}

/* The lock of a directory that held no run when it was looked at. */
static enum status take_new(struct report *r) {
    const char *dir = r->config->run.dir;
    TRY(file_make_directory(dir));
    TRY(lock_take(&r->lock, dir));
    if (holds_run(r))
        return log_error(STATUS_INPUT, "%s: another job began a run there meanwhile", dir);
    return STATUS_OK;
}

static enum status begin(struct report *r, int64_t step) {
    char path[OPTION_PATH];
    const char *dir = r->config->run.dir;
    if (!r->lock.file)
        TRY(take_new(r));
    fault_point("open");
    if (r->mode == REPORT_OVERWRITE)
        TRY(remove_run(r));
    report_path(r, "checkpoints", path);
    TRY(file_make_directory(path));
    TRY(file_remove_temporary(path));
    TRY(file_remove_temporary(dir));
    TRY(write_config(r, step));
    return open_log(r);
}

enum status report_begin(struct report *report, const struct config *config, int64_t step) {
    report->config = config;
    return COMM_ON_ROOT(report->comm, begin(report, step));
}

void report_close(struct report *report) {
    if (report->log)
        fclose(report->log);
    lock_release(&report->lock);
    *report = (struct report){0};
}

/* ---- events ---- */

static json_t *event(const char *name) {
    json_t *object = json_object();
    json_object_set_new(object, "event", json_string(name));
    return object;
}

/* Takes the object. */
static void append(struct report *r, json_t *object) {
    fault_point("log");
    bool bad = json_dumpf(object, r->log, JSON_REAL_PRECISION(15)) || fputc('\n', r->log) == EOF ||
               fflush(r->log);
    json_decref(object);
    if (bad && !r->failed)
        log_warn("%s/log.jsonl: cannot be written: %s", r->config->run.dir, strerror(errno));
    r->failed = r->failed || bad;
}

static json_t *now(void) {
    char text[32];
    time_t t = time(NULL);
    struct tm utc;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &utc));
    return json_string(text);
}

/* Of this rank. */
static double peak_rss_mb(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss * 1024 / 1e6;
}

double report_peak_rss_mb(const struct comm *comm) {
    double peak = peak_rss_mb();
    comm_max_f64(comm, &peak, 1);
    return peak;
}

void report_start(struct report *report, const struct report_start *start) {
    json_t *object, *plan;
    if (!report->log)
        return;
    plan = json_object();
    bool sharded = report->config->train.placement == PLACEMENT_SHARDED;
    json_object_set_new(plan, "placement", report_text(sharded ? "sharded" : "replicated"));
    json_object_set_new(plan, "parameters", json_integer(start->parameters));
    json_object_set_new(plan, "steps_per_epoch", json_integer(start->steps_per_epoch));
    object = event("start");
    json_object_set_new(object, "time", now());
    json_object_set_new(object, "program", report_program(report->config));
    json_object_set_new(object, "config_hash", report_hash(options_hash(report->config)));
    json_object_set_new(object, "dataset_hash", report_text(start->dataset->content_hash));
    json_object_set_new(object, "items_hash", report_text(start->dataset->items_hash));
    json_object_set_new(object, "ranks", json_integer(report->comm->size));
    json_object_set_new(object, "threads", json_integer(start->threads));
    json_object_set_new(object, "step", json_integer(start->step));
    json_object_set_new(object, "plan", plan);
    append(report, object);
}

static json_t *loss_json(const struct report_step *step) {
    json_t *loss = json_object();
    for (int k = 0; k < step->losses; k++)
        json_object_set_new(loss, step->term[k].name, report_number(step->loss[k]));
    json_object_set_new(loss, "total", report_number(step->loss_total));
    return loss;
}

static json_t *phases_json(const struct phases *phases) {
    json_t *seconds = json_object();
    for (int i = 0; i < PHASES; i++)
        json_object_set_new(seconds, phase_names[i], report_number(phases->seconds[i]));
    return seconds;
}

void report_step(struct report *report, const struct report_step *step) {
    if (!report->log)
        return;
    json_t *object = event("step");
    json_object_set_new(object, "step", json_integer(step->step));
    json_object_set_new(object, "epoch", json_integer(step->epoch));
    json_object_set_new(object, "loss", loss_json(step));
    json_object_set_new(object, "lr", report_number(step->lr));
    json_object_set_new(object, "sequences_per_s", report_number(step->sequences_per_s));
    json_object_set_new(object, "seconds", phases_json(step->phases));
    json_object_set_new(object, "peak_rss_mb", report_number(peak_rss_mb()));
    append(report, object);
}

void report_eval(struct report *report, const struct report_eval *eval) {
    if (!report->log)
        return;
    json_t *object = event("eval");
    json_object_set_new(object, "step", json_integer(eval->step));
    json_object_set_new(object, "epoch", json_integer(eval->epoch));
    json_object_set_new(object, "split", json_string(split_names[eval->split]));
    json_object_update_new(object, report_scores_json(eval->scores, eval->dataset, report->config));
    json_object_set_new(object, "history",
                        json_string(protocol_history(report->config->eval.exclude_history)));
    bool each = options_select_each(report->config);
    json_object_set_new(object, "select",
                        each ? report_numbers(eval->dataset, eval->select)
                             : report_number(eval->select[0]));
    json_object_set_new(object, "select_name", report_text(eval->select_name));
    json_object_set_new(object, "best",
                        each ? report_by_domain(eval->dataset, json_boolean(eval->best[0]),
                                                json_boolean(eval->best[1]))
                             : json_boolean(eval->best[0]));
    json_object_set_new(object, "seconds", report_number(eval->seconds));
    append(report, object);
}

void report_checkpoint(struct report *report, const struct report_checkpoint *checkpoint) {
    if (!report->log)
        return;
    json_t *object = event("checkpoint");
    json_object_set_new(object, "step", json_integer(checkpoint->step));
    json_object_set_new(object, "epoch", json_integer(checkpoint->epoch));
    json_object_set_new(object, "path", report_text(checkpoint->path));
    json_object_set_new(object, "seconds", report_number(checkpoint->seconds));
    append(report, object);
}

void report_end(struct report *report, const struct report_end *end) {
    if (!report->log)
        return;
    json_t *object = event("end");
    json_object_set_new(object, "time", now());
    json_object_set_new(object, "status", json_integer(end->status));
    json_object_set_new(object, "reason", report_text(end->reason));
    json_object_set_new(object, "step", json_integer(end->step));
    json_object_set_new(object, "epoch", json_integer(end->epoch));
    json_object_set_new(object, "seconds", report_number(end->seconds));
    append(report, object);
}

/* ---- results ---- */

static char *results_text(const struct report_results *results) {
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    report_print_results(file, results);
    fclose(file);
    return text;
}

static enum status write_results(const struct report *r, const struct report_results *results) {
    char path[OPTION_PATH], *metrics = report_metrics_text(results), *text = results_text(results);
    report_path(r, "metrics.json", path);
    fault_point("report");
    enum status status = output_write(path, metrics);
    fault_point("result");
    report_path(r, "result.txt", path);
    if (status == STATUS_OK)
        status = output_write(path, text);
    mem_free(metrics);
    free(text);
    return status;
}

static enum status finish(const struct report *r, const struct report_results *results) {
    TRY(write_results(r, results));
    return r->failed ? log_error(STATUS_IO, "%s/log.jsonl: not complete", r->config->run.dir)
                     : STATUS_OK;
}

enum status report_finish(struct report *report, const struct report_results *results) {
    return COMM_ON_ROOT(report->comm, finish(report, results));
}
