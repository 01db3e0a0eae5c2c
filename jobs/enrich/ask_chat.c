#include "jobs/enrich/ask_chat.h"
#include <stdio.h>

struct asked {
    const struct chat *chat;
    const struct requests *requests;
    struct failures *failures;
};

static char *body_of(void *state, int64_t request) {
    const struct asked *a = state;
    return chat_body(a->chat, a->requests->request[request].prompt);
}

static enum status take(void *state, int64_t request, const char *reply, size_t n,
                        struct cache_log *log, int64_t *answers, char reason[ASK_REASON]) {
    const struct asked *a = state;
    struct answer answer;
    char said[CHAT_REASON];
    if (chat_reply(reply, n, &answer, said) != CHAT_ANSWER) {
        snprintf(reason, ASK_REASON, "%s", said);
        return STATUS_OK;
    }
    enum status status =
        cache_log_append(log, a->requests->request[request].key, a->chat->model, &answer);
    *answers = status == STATUS_OK;
    answer_free(&answer);
    return status;
}

static int64_t fail(void *state, int64_t request, const char *reason) {
    const struct asked *a = state;
    failures_add(a->failures, a->requests->request[request].item, reason);
    return 1;
}

enum status ask_chat(const struct comm *comm, const struct ask_options *options,
                     const struct chat *chat, const struct requests *requests,
                     struct failures *failures, int64_t *answered) {
    struct asked asked = {chat, requests, failures};
    struct asker asker = {.state = &asked,
                          .path = "/chat/completions",
                          .requests = requests->count,
                          .answers = requests->count,
                          .body = body_of,
                          .take = take,
                          .fail = fail};
    return ask(comm, options, &asker, answered);
}
