#include "io/llm/chat.h"
#include "core/log.h"
#include "core/mem.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DUMP (JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(15))

/* ---- requests ---- */

static json_t *need(json_t *made) {
    if (!made)
        mem_fail(1, sizeof made);
    return made;
}

static char *dump(const json_t *value) {
    char *text = json_dumps(value, DUMP);
    if (!text)
        mem_fail(1, sizeof text);
    char *copy = mem_string(text);
    free(text);
    return copy;
}

static enum status add_parameters(const struct comm *comm, json_t *parameters, const char *more) {
    json_error_t error;
    const char *name;
    json_t *value, *given = json_loads(more, JSON_REJECT_DUPLICATES, &error);
    enum status status = STATUS_OK;
    if (!json_is_object(given))
        status = comm_error(comm, STATUS_INPUT,
                            "--parameters: is no JSON object such as '{\"seed\": 1}'%s%s",
                            given ? "" : ": ", given ? "" : error.text);
    else if (json_object_get(given, "model") || json_object_get(given, "messages") ||
             json_object_get(given, "stream"))
        status = comm_error(comm, STATUS_INPUT,
                            "--parameters: model, messages and stream are no parameters; leave "
                            "them out");
    json_object_foreach(given, name, value) {
        if (json_is_null(value))
            json_object_del(parameters, name);
        else
            json_object_set(parameters, name, value);
    }
    json_decref(given);
    return status;
}

enum status chat_open(const struct comm *comm, struct chat *chat, const char *model,
                      double temperature, int64_t max_tokens, const char *more) {
    *chat = (struct chat){mem_string(model), need(json_pack("{s:f,s:I}", "temperature", temperature,
                                                            "max_tokens", (json_int_t)max_tokens))};
    enum status status = more ? add_parameters(comm, chat->parameters, more) : STATUS_OK;
    if (status != STATUS_OK)
        chat_close(chat);
    return status;
}

void chat_close(struct chat *chat) {
    mem_free(chat->model);
    json_decref(chat->parameters);
    *chat = (struct chat){0};
}

char *chat_parameters(const struct chat *chat) {
    return dump(chat->parameters);
}

char *chat_body(const struct chat *chat, const char *prompt) {
    json_t *body = need(json_pack("{s:s,s:[{s:s,s:s}]}", "model", chat->model, "messages", "role",
                                  "user", "content", prompt));
    json_object_update(body, chat->parameters);
    char *text = dump(body);
    json_decref(body);
    return text;
}

void chat_key(const char *body, char key[SHA256_TEXT]) {
    struct sha256 hash;
    sha256_begin(&hash);
    sha256_add(&hash, body, strlen(body));
    sha256_end(&hash, key);
}

/* ---- replies ---- */

/* Without thoughts; what is left begins in *text and ends where it is cut. */
static void drop_thoughts(char **text) {
    static const char begin[] = "<think>", end[] = "</think>";
    char *from, *to;
    while ((from = strstr(*text, begin)) && (to = strstr(from, end)))
        memmove(from, to + strlen(end), strlen(to + strlen(end)) + 1);
    while ((to = strstr(*text, end)))
        *text = to + strlen(end);
    if ((from = strstr(*text, begin)))
        *from = '\0'; /* they did not come to an end */
}

/* A text of lines, without other control characters and white space around it. */
static void clean(char **text) {
    drop_thoughts(text);
    *text += strspn(*text, " \t\r\n");
    for (char *c = *text; *c; c++)
        if (((unsigned char)*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7F)
            *c = ' ';
    size_t n = strlen(*text);
    while (n > 0 && strchr(" \t\n", (*text)[n - 1]))
        (*text)[--n] = '\0';
}

static enum chat_outcome fault(char reason[CHAT_REASON], const char *what) {
    snprintf(reason, CHAT_REASON, "%s", what);
    return CHAT_MALFORMED;
}

static const json_t *first_choice(const json_t *completion) {
    const json_t *choices = json_object_get(completion, "choices");
    for (size_t i = 0; i < json_array_size(choices); i++) {
        const json_t *choice = json_array_get(choices, i),
                     *index = json_object_get(choice, "index");
        if (index ? json_is_integer(index) && json_integer_value(index) == 0 : i == 0)
            return choice;
    }
    return NULL;
}

enum chat_outcome chat_completion(const json_t *completion, struct answer *answer,
                                  char reason[CHAT_REASON]) {
    const json_t *choice = first_choice(completion);
    const json_t *message = json_object_get(choice, "message");
    const json_t *content = json_object_get(message, "content");
    const char *finish = json_string_value(json_object_get(choice, "finish_reason"));
    if (!json_is_object(message) || !(json_is_string(content) || json_is_null(content)))
        return fault(reason, "the reply is no chat completion");
    if (json_string_length(content) > ANSWER_TEXT)
        return fault(reason, "the answer is longer than 1 MiB");
    bool truncated = finish && !strcmp(finish, "length");
    char *copy = mem_string(json_is_null(content) ? "" : json_string_value(content)), *text = copy;
    clean(&text);
    enum chat_outcome outcome = *text ? CHAT_ANSWER : CHAT_EMPTY;
    if (outcome == CHAT_ANSWER)
        *answer = (struct answer){mem_string(text), truncated};
    else
        snprintf(reason, CHAT_REASON, "the answer is empty%s",
                 truncated ? " when the limit of tokens is reached; raise --max-tokens" : "");
    mem_free(copy);
    return outcome;
}

enum chat_outcome chat_reply(const char *body, size_t n, struct answer *answer,
                             char reason[CHAT_REASON]) {
    json_error_t error;
    json_t *completion = json_loadb(body, n, 0, &error);
    if (!completion) {
        snprintf(reason, CHAT_REASON, "the reply is not JSON: %.150s", error.text);
        return CHAT_MALFORMED;
    }
    enum chat_outcome outcome = chat_completion(completion, answer, reason);
    json_decref(completion);
    return outcome;
}

/* ---- errors ---- */

/* {"error": {"message": ...}} or {"error": ...}, {"message": ...} or {"detail": ...}. */
void chat_error_of(const json_t *reply, char reason[CHAT_REASON]) {
    const json_t *error = json_object_get(reply, "error");
    const json_t *inner = json_is_object(error) ? error : reply;
    const char *text = json_string_value(error);
    if (!text)
        text = json_string_value(json_object_get(inner, "message"));
    if (!text)
        text = json_string_value(json_object_get(inner, "detail"));
    snprintf(reason, CHAT_REASON, "%.200s", text ? text : "no reason is given");
}

void chat_error(const char *body, size_t n, char reason[CHAT_REASON]) {
    json_t *reply = json_loadb(body, n, 0, NULL);
    if (reply || n == 0)
        chat_error_of(reply, reason);
    else
        snprintf(reason, CHAT_REASON, "%.*s", (int)(n < 200 ? n : 200), body);
    json_decref(reply);
}
