#include "io/llm/batch_files.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/file.h"
#include "io/llm/jsonl.h"
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS "requests-"
#define ENDING ".jsonl"

static char *join(const char *folder, const char *name) {
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = mem_alloc((int64_t)size, 1);
    snprintf(path, size, "%s/%s", folder, name);
    return path;
}

/* ---- requests ---- */

static int is_request(const struct dirent *entry) {
    return !strncmp(entry->d_name, REQUESTS, strlen(REQUESTS));
}

static void free_names(struct dirent **names, int n) {
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

enum status batch_writer_open(struct batch_writer *writer, const char *folder) {
    struct dirent **names = NULL;
    *writer = (struct batch_writer){
        .folder = folder, .most_lines = BATCH_LINES, .most_bytes = BATCH_BYTES};
    TRY(file_make_directory(folder));
    int n = scandir(folder, &names, is_request, NULL);
    if (n < 0)
        return log_error(STATUS_IO, "%s: cannot be read: %s", folder, strerror(errno));
    free_names(names, n);
    if (n == 0)
        return STATUS_OK;
    return log_error(STATUS_INPUT,
                     "%s: has requests (" REQUESTS "...) already; give --batch-out another folder "
                     "or remove them",
                     folder);
}

static enum status refused(const struct batch_writer *w) {
    return log_error(STATUS_IO, "%s: cannot be written: %s", w->path, strerror(errno));
}

/* Ends the present file, if there is one. */
static enum status end_file(struct batch_writer *w, enum status status) {
    if (!w->path)
        return status;
    if (w->stream && fclose(w->stream) && status == STATUS_OK)
        status = refused(w);
    w->stream = NULL;
    status = output_end(&w->output, status);
    mem_free(w->path);
    w->path = NULL;
    return status;
}

static enum status begin_file(struct batch_writer *w) {
    char name[64];
    snprintf(name, sizeof name, REQUESTS "%04lld" ENDING, (long long)++w->files);
    w->path = join(w->folder, name);
    enum status status = output_begin(&w->output, w->path, OUTPUT_TEXT);
    if (status != STATUS_OK) {
        mem_free(w->path);
        w->path = NULL;
        return status;
    }
    w->lines = w->bytes = 0;
    w->stream = fopen(w->output.file, "we");
    return w->stream ? STATUS_OK : refused(w);
}

enum status batch_writer_add(struct batch_writer *w, const char *key, const char *body) {
    static const char head[] = "{\"custom_id\":\"", middle[] = "\",\"method\":\"POST\",\"url\":"
                                                               "\"/v1/chat/completions\",\"body\":";
    int64_t bytes = (int64_t)(sizeof head + sizeof middle + strlen(key) + strlen(body));
    if (w->path && (w->lines == w->most_lines || w->bytes + bytes > w->most_bytes))
        TRY(end_file(w, STATUS_OK));
    if (!w->path)
        TRY(begin_file(w));
    if (fprintf(w->stream, "%s%s%s%s}\n", head, key, middle, body) < 0)
        return refused(w);
    w->lines++;
    w->bytes += bytes;
    return STATUS_OK;
}

enum status batch_writer_close(struct batch_writer *writer, enum status status) {
    return end_file(writer, status);
}

/* ---- results ---- */

static enum batch_outcome complain(struct batch_result *result, enum batch_outcome outcome,
                                   const char *what) {
    snprintf(result->reason, CHAT_REASON, "%s", what);
    return outcome;
}

static enum batch_outcome take_response(const json_t *response, struct batch_result *result) {
    const json_t *code = json_object_get(response, "status_code");
    const json_t *body = json_object_get(response, "body");
    char reason[CHAT_REASON];
    if (code && json_integer_value(code) != 200) {
        chat_error_of(body, reason);
        snprintf(result->reason, CHAT_REASON, "status %lld: %.200s",
                 (long long)json_integer_value(code), reason);
        return BATCH_FAILED;
    }
    const json_t *completion = json_object_get(response, "choices") ? response : body;
    bool answered = chat_completion(completion, &result->answer, result->reason) == CHAT_ANSWER;
    return answered ? BATCH_ANSWER : BATCH_FAILED;
}

static enum batch_outcome take_object(const json_t *line, struct batch_result *result) {
    const char *id = json_string_value(json_object_get(line, "custom_id"));
    const json_t *response = json_object_get(line, "response");
    const json_t *error = json_object_get(line, "error");
    if (!json_is_object(line) || !id)
        return complain(result, BATCH_DAMAGED, "is no result: it has no custom_id");
    if (!response && !error)
        return json_object_get(line, "body")
                   ? BATCH_OTHER
                   : complain(result, BATCH_DAMAGED, "has neither response nor error");
    if (!answer_is_key(id, strlen(id)))
        return complain(result, BATCH_DAMAGED, "its custom_id is not one of --batch-out");
    memcpy(result->key, id, SHA256_TEXT);
    if (error && !json_is_null(error)) {
        chat_error_of(line, result->reason);
        return BATCH_FAILED;
    }
    if (json_is_object(response))
        return take_response(response, result);
    return complain(result, BATCH_FAILED, "the response is empty");
}

enum batch_outcome batch_parse(const char *line, size_t n, struct batch_result *result) {
    json_error_t error;
    *result = (struct batch_result){0};
    size_t blank = 0;
    while (blank < n && memchr(" \t\r", line[blank], 3))
        blank++;
    if (blank == n)
        return BATCH_OTHER;
    json_t *object = json_loadb(line, n, 0, &error);
    if (!object) {
        snprintf(result->reason, CHAT_REASON, "is not JSON: %.150s", error.text);
        return BATCH_DAMAGED;
    }
    enum batch_outcome outcome = take_object(object, result);
    json_decref(object);
    return outcome;
}

struct reading {
    const char *path;
    batch_fn *take;
    void *state;
    int64_t damaged;
};

enum { WARNINGS = 5 };

static enum status take_line(void *state, const struct jsonl_line *line) {
    struct reading *r = state;
    struct batch_result result;
    enum batch_outcome outcome = BATCH_DAMAGED;
    if (line->long_one)
        complain(&result, BATCH_DAMAGED, "is longer than 16 MiB");
    else
        outcome = batch_parse(line->text, line->bytes, &result);
    if (outcome == BATCH_OTHER)
        return STATUS_OK;
    if (outcome != BATCH_DAMAGED)
        return r->take(r->state, outcome, &result);
    if (r->damaged++ < WARNINGS)
        log_warn("%s:%lld: %s; the line is left out", r->path, (long long)line->number,
                 result.reason);
    return STATUS_OK;
}

static int is_jsonl(const struct dirent *entry) {
    size_t n = strlen(entry->d_name);
    return n > strlen(ENDING) && !strcmp(entry->d_name + n - strlen(ENDING), ENDING);
}

static enum status read_file(struct reading *r, const char *folder, const char *name) {
    char *path = join(folder, name);
    r->path = path;
    enum status status = jsonl_each(path, take_line, r);
    mem_free(path);
    return status;
}

enum status batch_read(const char *folder, batch_fn *take, void *state, int64_t *damaged) {
    struct reading r = {.take = take, .state = state};
    struct dirent **names = NULL;
    enum status status = STATUS_OK;
    int n = scandir(folder, &names, is_jsonl, alphasort);
    if (n < 0)
        return log_error(STATUS_IO, "%s: cannot be read: %s", folder, strerror(errno));
    for (int i = 0; i < n && status == STATUS_OK; i++)
        status = read_file(&r, folder, names[i]->d_name);
    free_names(names, n);
    *damaged = r.damaged;
    if (n == 0)
        return log_error(STATUS_INPUT, "%s: has no files *" ENDING " with results", folder);
    return status;
}
