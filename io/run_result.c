/* A run is read in three steps: its configuration; the end of its log, which tells whether its
 * figures count; and these figures, from metrics.json. A log may have millions of steps, of which
 * only the last is parsed. The learning curve is a pass of its own. */
#include "io/run_result.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/config.h"
#include "io/file.h"
#include "io/lines.h"
#include "io/protocol.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CONFIG_LIMIT = 1 << 16, RESULT_PATH = OPTION_PATH + 256 };

const char *const result_split_names[RESULT_SPLITS] = {"valid", "test"};
const char *const result_candidate_names[RESULT_CANDIDATES] = {"full", "sampled"};

static void set_path(char path[RESULT_PATH], const char *directory, const char *name) {
    snprintf(path, RESULT_PATH, "%s/%s", directory, name);
}

static enum status read_config(const char *directory, struct config *config) {
    char path[RESULT_PATH], *text;
    set_path(path, directory, "config.yaml");
    if (access(path, R_OK))
        return log_error(STATUS_IO, "%s: cannot be read: %s; give a run directory", path,
                         strerror(errno));
    TRY(file_read(path, CONFIG_LIMIT, &text));
    enum status status = config_from_text(text, path, config);
    mem_free(text);
    return status;
}

/* ---- figures ---- */

/* Domains stand in the data set's order, "all" after them. */
static void read_labels(struct run_result *result, json_t *domains) {
    const char *label;
    json_t *value;
    int n = 0;
    json_object_foreach(domains, label, value) if (n < RESULT_DOMAINS)
        snprintf(result->label[n++], OPTION_NAME, "%s", label);
}

/* Of one domain. */
static void read_values(json_t *metrics, const struct result_request *request, double cutoff,
                        double value[RESULT_METRICS]) {
    char ndcg[32];
    snprintf(ndcg, sizeof ndcg, "ndcg@%.0f", cutoff);
    for (int k = 0; k < request->metrics; k++) {
        const char *name = request->metric[k];
        json_t *x = json_object_get(metrics, strcmp(name, "ndcg") ? name : ndcg);
        value[k] = json_is_number(x) ? json_number_value(x) : NAN;
    }
}

/* Is the user's history left out of these candidates? Results that do not say it are of a program
 * that left it out of sampled candidates only. */
static bool excluded(json_t *protocol, int candidates) {
    const char *history = json_string_value(json_object_get(protocol, "history"));
    return history ? !strcmp(history, protocol_history(true))
                   : json_is_true(json_object_get(protocol, "exclude_history")) &&
                         candidates == RESULT_SAMPLED;
}

/* Has each domain its own best epoch there? */
static bool is_per_domain(json_t *root) {
    return json_object_get(json_object_get(root, "protocol"), "epochs") != NULL;
}

/* Empty where it is not there. */
static void take_text(json_t *object, const char *key, char *out, size_t size) {
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(out, size, "%s", text ? text : "");
}

/* Figures of metrics.json or of an evaluation. */
static void read_figures(struct run_result *result, const struct result_request *request,
                         json_t *root) {
    const struct numbers *cutoffs = &result->config.eval.cutoffs;
    json_t *protocol = json_object_get(root, "protocol");
    for (int s = 0; s < RESULT_SPLITS; s++)
        for (int c = 0; c < RESULT_CANDIDATES; c++) {
            struct result_figures *f = &result->figures[s][c][excluded(protocol, c)];
            json_t *domains = json_object_get(json_object_get(root, result_split_names[s]),
                                              result_candidate_names[c]);
            if (!domains)
                continue;
            read_labels(result, domains);
            f->present = true;
            for (int d = 0; d < RESULT_DOMAINS; d++)
                read_values(json_object_get(domains, result->label[d]), request,
                            cutoffs->value[cutoffs->count - 1], f->value[d]);
        }
}

static void read_verdict(struct run_result *result, json_t *root) {
    const char *verdict = json_string_value(json_object_get(root, "verdict"));
    const char *reason = json_string_value(json_object_get(root, "reason"));
    if (!verdict || strcmp(verdict, "VALID") != 0)
        snprintf(result->fault, RESULT_FAULT, "INVALID: %.256s", reason ? reason : "no verdict");
}

/* A number, or one of each domain under its label. */
static void read_best(struct run_result *result, json_t *epoch) {
    for (int d = 0; d < 2; d++) {
        json_t *own = json_is_object(epoch) ? json_object_get(epoch, result->label[d]) : epoch;
        result->best_epoch[d] = json_integer_value(own);
    }
}

/* Results without a number of timed epochs are of a program that divided by all epochs, also of a
 * run that had been resumed. */
static void read_costs(struct run_result *result, json_t *root) {
    json_t *seconds = json_object_get(root, "seconds");
    double epochs = json_number_value(json_object_get(seconds, "epochs"));
    read_best(result, json_object_get(root, "best_epoch"));
    result->epochs = json_integer_value(json_object_get(root, "epochs"));
    result->epoch_seconds =
        epochs > 0 ? json_number_value(json_object_get(seconds, "train")) / epochs : NAN;
    result->peak_rss_mb = json_number_value(json_object_get(root, "peak_rss_mb"));
}

/* ---- how the run ended ---- */

/* What the log says of the last start. */
struct story {
    bool started, ended;
    int64_t step, status;
    char reason[64];
};

static void follow(struct story *s, struct run_result *result, const char *line) {
    json_t *event = json_loads(line, 0, NULL), *step = json_object_get(event, "step");
    const char *kind = json_string_value(json_object_get(event, "event"));
    if (json_is_integer(step))
        s->step = json_integer_value(step);
    if (kind && !strcmp(kind, "start")) {
        if (!s->started)
            take_text(event, "time", result->started, RESULT_TIME);
        take_text(event, "dataset_hash", result->dataset_hash, RESULT_HASH);
        take_text(event, "items_hash", result->items_hash, RESULT_HASH);
        s->started = true;
        s->ended = false;
    }
    if (kind && !strcmp(kind, "end")) {
        s->ended = true;
        s->status = json_integer_value(json_object_get(event, "status"));
        take_text(event, "reason", s->reason, sizeof s->reason);
    }
    json_decref(event);
}

static bool is_event(const char *line, const char *kind) {
    static const char head[] = "{\"event\": \"";
    size_t n = strlen(kind);
    return !strncmp(line, head, sizeof head - 1) && !strncmp(line + sizeof head - 1, kind, n) &&
           line[sizeof head - 1 + n] == '"';
}

/* Of the steps only the last since the last start is read: there may be millions. */
static enum status read_story(struct lines *lines, struct run_result *result, struct story *s) {
    char *step = NULL;
    bool more = true;
    enum status status = lines_next(lines, &more);
    while (status == STATUS_OK && more) {
        bool is_step = is_event(lines->text, "step");
        if (is_step || is_event(lines->text, "start")) {
            mem_free(step);
            step = is_step ? mem_string(lines->text) : NULL;
        }
        if (!is_step)
            follow(s, result, lines->text);
        status = lines_next(lines, &more);
    }
    if (step && !s->ended)
        follow(s, result, step);
    mem_free(step);
    return status;
}

static void judge(const struct story *s, bool has_metrics, char fault[RESULT_FAULT]) {
    long long step = (long long)s->step;
    if (s->ended && s->status == STATUS_STOPPED)
        snprintf(fault, RESULT_FAULT, "stopped by %s, step %lld", s->reason, step);
    else if (s->ended && s->status != STATUS_OK)
        snprintf(fault, RESULT_FAULT, "failed with exit status %lld, step %lld",
                 (long long)s->status, step);
    else if (!has_metrics || (s->started && !s->ended))
        snprintf(fault, RESULT_FAULT, "unfinished, step %lld", step);
}

static enum status read_end(const char *directory, bool has_metrics, struct run_result *result) {
    char path[RESULT_PATH];
    struct story story = {0};
    struct lines lines;
    set_path(path, directory, "log.jsonl");
    if (file_exists(path)) {
        TRY(lines_open(&lines, path, false));
        enum status status = read_story(&lines, result, &story);
        lines_close(&lines);
        TRY(status);
    }
    judge(&story, has_metrics, result->fault);
    return STATUS_OK;
}

/* NULL, with a line said, if the file is none. */
static json_t *load_metrics(const char *path) {
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (json_is_object(root) && json_integer_value(json_object_get(root, "schema")) == 1)
        return root;
    log_error(STATUS_INPUT, "%s:%d: is not metrics of schema 1", path, root ? 1 : error.line);
    json_decref(root);
    return NULL;
}

static enum status read_metrics(const char *path, const struct result_request *request,
                                struct run_result *result) {
    json_t *root = load_metrics(path);
    if (!root)
        return STATUS_INPUT;
    take_text(root, "dataset_hash", result->dataset_hash, RESULT_HASH);
    take_text(root, "items_hash", result->items_hash, RESULT_HASH);
    read_verdict(result, root);
    for (int c = 0; c < RESULT_CANDIDATES; c++)
        result->history_excluded[c] = excluded(json_object_get(root, "protocol"), c);
    result->per_domain = is_per_domain(root);
    read_figures(result, request, root);
    read_costs(result, root);
    json_decref(root);
    return STATUS_OK;
}

/* Of a data set that the run was not trained on it says nothing about the run. */
static enum status read_evaluation(const char *path, const struct result_request *request,
                                   struct run_result *result) {
    char dataset_hash[RESULT_HASH];
    if (!file_exists(path)) {
        log_warn("%s: is not there: the run's figures are those of its training alone", path);
        return STATUS_OK;
    }
    json_t *root = load_metrics(path);
    if (!root)
        return STATUS_INPUT;
    take_text(root, "dataset_hash", dataset_hash, RESULT_HASH);
    bool same = !strcmp(dataset_hash, result->dataset_hash);
    bool together = json_object_get(root, "runs") != NULL;
    bool alike = is_per_domain(root) == result->per_domain;
    if (same && alike && !together)
        read_figures(result, request, root);
    json_decref(root);
    if (together)
        return log_error(STATUS_INPUT,
                         "%s: has the figures of several runs together, not those of the run",
                         path);
    if (!same)
        return log_error(STATUS_INPUT, "%s: is of another data set than the run", path);
    return alike ? STATUS_OK
                 : log_error(STATUS_INPUT,
                             "%s: is of one checkpoint, where the run's figures are those of %s; "
                             "evaluate the run directory",
                             path, PROTOCOL_PER_DOMAIN);
}

static enum status read_results(const char *directory, const struct result_request *request,
                                struct run_result *result) {
    char path[RESULT_PATH];
    set_path(path, directory, "metrics.json");
    TRY(read_metrics(path, request, result));
    for (int k = 0; k < request->evaluations; k++) {
        set_path(path, directory, request->evaluation[k]);
        TRY(read_evaluation(path, request, result));
    }
    return STATUS_OK;
}

enum status run_result_read(const char *directory, const struct result_request *request,
                            struct run_result *result) {
    char path[RESULT_PATH];
    memset(result, 0, sizeof *result);
    result->epoch_seconds = result->peak_rss_mb = NAN;
    TRY(read_config(directory, &result->config));
    set_path(path, directory, "metrics.json");
    bool has_metrics = file_exists(path);
    TRY(read_end(directory, has_metrics, result));
    return has_metrics && !result->fault[0] ? read_results(directory, request, result) : STATUS_OK;
}

enum status run_result_metrics(const char *directory, json_t **root) {
    char path[RESULT_PATH];
    set_path(path, directory, "metrics.json");
    *root = NULL;
    if (!file_exists(path))
        return STATUS_OK;
    *root = load_metrics(path);
    return *root ? STATUS_OK : STATUS_INPUT;
}

/* ---- learning curve ---- */

struct curve {
    const char *metric;
    double cutoff; /* the last one */
    struct curve_point *point;
    int64_t count;
};

/* The point of the event's epoch, the last one or a new one. */
static struct curve_point *point_of(struct curve *c, json_t *event) {
    int64_t epoch = json_integer_value(json_object_get(event, "epoch"));
    if (c->count == 0 || c->point[c->count - 1].epoch != epoch) {
        c->point = mem_resize(c->point, ++c->count, sizeof *c->point);
        c->point[c->count - 1] = (struct curve_point){epoch, 0, 0, NAN, {NAN, NAN, NAN}};
    }
    struct curve_point *point = &c->point[c->count - 1];
    point->step = json_integer_value(json_object_get(event, "step"));
    return point;
}

/* What a killed run did after the checkpoint that it goes on from is done again. */
static void follow_start(struct curve *c, json_t *event) {
    int64_t step = json_integer_value(json_object_get(event, "step"));
    while (c->count > 0 && c->point[c->count - 1].step > step)
        c->count--;
}

/* The mean so far takes in one more step. */
static void follow_step(struct curve *c, json_t *event) {
    json_t *loss = json_object_get(json_object_get(event, "loss"), "total");
    struct curve_point *point = point_of(c, event);
    double x = json_is_number(loss) ? json_number_value(loss) : NAN;
    double mean = point->steps > 0 ? point->loss : 0;
    point->steps++;
    point->loss = mean + (x - mean) / (double)point->steps;
}

static void follow_eval(struct curve *c, json_t *event) {
    char *metric = mem_string(c->metric);
    struct result_request request = {{metric}, .metrics = 1};
    struct curve_point *point = point_of(c, event);
    for (int k = RESULT_CANDIDATES - 1; k >= 0; k--) {
        json_t *domains = json_object_get(event, result_candidate_names[k]), *own;
        const char *label;
        int d = 0;
        json_object_foreach(domains, label, own) if (d < RESULT_DOMAINS) {
            double value[RESULT_METRICS];
            read_values(own, &request, c->cutoff, value);
            point->value[d++] = value[0];
        }
    }
    mem_free(metric);
}

static void follow_curve(struct curve *c, const char *line) {
    json_t *event = json_loads(line, 0, NULL);
    if (is_event(line, "start"))
        follow_start(c, event);
    else if (is_event(line, "step"))
        follow_step(c, event);
    else if (is_event(line, "eval"))
        follow_eval(c, event);
    json_decref(event);
}

static enum status read_curve(struct lines *lines, struct curve *c) {
    bool more = true;
    enum status status = lines_next(lines, &more);
    while (status == STATUS_OK && more) {
        follow_curve(c, lines->text);
        status = lines_next(lines, &more);
    }
    return status;
}

enum status run_result_curve(const char *directory, const char *metric,
                             const struct numbers *cutoffs, struct curve_point **points,
                             int64_t *count) {
    char path[RESULT_PATH];
    struct lines lines;
    struct curve curve = {.metric = metric, .cutoff = cutoffs->value[cutoffs->count - 1]};
    set_path(path, directory, "log.jsonl");
    *points = NULL;
    *count = 0;
    TRY(lines_open(&lines, path, false));
    enum status status = read_curve(&lines, &curve);
    lines_close(&lines);
    if (status != STATUS_OK) {
        mem_free(curve.point);
        return status;
    }
    *points = curve.point;
    *count = curve.count;
    return STATUS_OK;
}
