#include "io/run_result.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/config.h"
#include "io/lines.h"
#include "io/protocol.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { CONFIG_LIMIT = 1 << 16 };

const char *const result_split_names[RESULT_SPLITS] = {"valid", "test"};
const char *const result_candidate_names[RESULT_CANDIDATES] = {"full", "sampled"};

static enum status read_config(const char *directory, struct config *config) {
    char path[OPTION_PATH + 16], *text;
    snprintf(path, sizeof path, "%s/config.yaml", directory);
    FILE *file = fopen(path, "r");
    if (!file)
        return log_error(STATUS_IO, "%s: cannot be read: %s; give a run directory", path,
                         strerror(errno));
    text = mem_zero(CONFIG_LIMIT, 1);
    size_t n = fread(text, 1, CONFIG_LIMIT - 1, file);
    bool failed = ferror(file) || n == CONFIG_LIMIT - 1;
    fclose(file);
    enum status status = failed ? log_error(STATUS_INPUT, "%s: is not a saved configuration", path)
                                : config_from_text(text, path, config);
    mem_free(text);
    return status;
}

/* Domains stand in the data set's order, "all" after them. */
static void read_labels(struct run_result *result, json_t *domains) {
    const char *label;
    json_t *value;
    int n = 0;
    json_object_foreach(domains, label, value) if (n < RESULT_DOMAINS)
        snprintf(result->label[n++], OPTION_NAME, "%s", label);
}

static struct result_figures read_figures(json_t *metrics, double cutoff) {
    char ndcg[32];
    snprintf(ndcg, sizeof ndcg, "ndcg@%.0f", cutoff);
    json_t *a = json_object_get(metrics, "mrr"), *b = json_object_get(metrics, ndcg);
    return (struct result_figures){json_is_number(a) && json_is_number(b), json_number_value(a),
                                   json_number_value(b)};
}

/* Results that do not say it are of a program that left the history out of sampled candidates only.
 */
static void read_history(struct run_result *result, json_t *protocol) {
    const char *history = json_string_value(json_object_get(protocol, "history"));
    bool excluded =
        history ? !strcmp(history, protocol_history(true)) : result->config.eval.exclude_history;
    for (int c = 0; c < RESULT_CANDIDATES; c++)
        result->history_excluded[c] = excluded && (history || c == RESULT_SAMPLED);
}

static void read_metrics(struct run_result *result, json_t *root) {
    const struct numbers *cutoffs = &result->config.eval.cutoffs;
    const char *verdict = json_string_value(json_object_get(root, "verdict"));
    result->valid = verdict && !strcmp(verdict, "VALID");
    read_history(result, json_object_get(root, "protocol"));
    for (int s = 0; s < RESULT_SPLITS; s++)
        for (int c = 0; c < RESULT_CANDIDATES; c++) {
            json_t *domains = json_object_get(json_object_get(root, result_split_names[s]),
                                              result_candidate_names[c]);
            if (!domains)
                continue;
            read_labels(result, domains);
            for (int d = 0; d < RESULT_DOMAINS; d++)
                result->figures[s][c][d] = read_figures(json_object_get(domains, result->label[d]),
                                                        cutoffs->value[cutoffs->count - 1]);
        }
}

enum status run_result_read(const char *directory, struct run_result *result) {
    char path[OPTION_PATH + 16];
    json_error_t error;
    memset(result, 0, sizeof *result);
    TRY(read_config(directory, &result->config));
    snprintf(path, sizeof path, "%s/metrics.json", directory);
    json_t *root = json_load_file(path, 0, &error);
    if (!root && json_error_code(&error) == json_error_cannot_open_file)
        return log_error(STATUS_IO, "%s: cannot be read; the run has not ended", path);
    if (!json_is_object(root) || json_integer_value(json_object_get(root, "schema")) != 1) {
        json_decref(root);
        return log_error(STATUS_INPUT, "%s:%d: is not metrics of schema 1", path,
                         root ? 1 : error.line);
    }
    read_metrics(result, root);
    json_decref(root);
    return STATUS_OK;
}

static void read_point(const char *line, struct curve_point **points, int64_t *count) {
    json_t *event = json_loads(line, 0, NULL);
    const char *kind = json_string_value(json_object_get(event, "event"));
    for (int c = RESULT_CANDIDATES - 1; kind && !strcmp(kind, "eval") && c >= 0; c--) {
        json_t *all = json_object_get(json_object_get(event, result_candidate_names[c]), "all");
        json_t *mrr = json_object_get(all, "mrr");
        int64_t epoch = json_integer_value(json_object_get(event, "epoch"));
        if (!json_is_number(mrr))
            continue;
        if (*count == 0 || (*points)[*count - 1].epoch != epoch)
            *points = mem_resize(*points, ++*count, sizeof **points);
        (*points)[*count - 1] = (struct curve_point){epoch, json_number_value(mrr)};
    }
    json_decref(event);
}

enum status run_result_curve(const char *directory, struct curve_point **points, int64_t *count) {
    char path[OPTION_PATH + 16];
    struct lines lines;
    bool more = true;
    snprintf(path, sizeof path, "%s/log.jsonl", directory);
    *points = NULL;
    *count = 0;
    TRY(lines_open(&lines, path, false));
    enum status status = lines_next(&lines, &more);
    while (status == STATUS_OK && more) {
        read_point(lines.text, points, count);
        status = lines_next(&lines, &more);
    }
    lines_close(&lines);
    if (status == STATUS_OK)
        return STATUS_OK;
    mem_free(*points);
    *points = NULL;
    return status;
}
