#include "jobs/enrich/batch_answers.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/llm/cache_log.h"

enum status batch_answers_write(struct batch_writer *writer, const struct chat *chat,
                                const struct requests *requests) {
    for (int64_t i = 0; i < requests->count; i++) {
        char *body = chat_body(chat, requests->request[i].prompt);
        enum status status = batch_writer_add(writer, requests->request[i].key, body);
        mem_free(body);
        TRY(status);
    }
    return STATUS_OK;
}

struct results {
    const struct chat *chat;
    struct string_map wanted; /* keys of the requests */
    bool *answered;           /* [wanted] */
    char **reason;            /* [wanted] of a failure */
    int64_t count;            /* answers */
    struct cache_log log;
};

static enum status take_result(void *state, enum batch_outcome outcome,
                               struct batch_result *result) {
    struct results *r = state;
    int64_t i = string_map_find(&r->wanted, result->key);
    enum status status = STATUS_OK;
    if (i >= 0 && outcome == BATCH_ANSWER && !r->answered[i]) {
        status = cache_log_append(&r->log, result->key, r->chat->model, &result->answer);
        r->answered[i] = true;
        r->count += status == STATUS_OK;
    } else if (i >= 0 && outcome == BATCH_FAILED) {
        mem_free(r->reason[i]);
        r->reason[i] = mem_string(result->reason);
    }
    answer_free(&result->answer);
    return status;
}

static enum status read_results(struct results *r, const char *folder,
                                const struct requests *requests, struct failures *failures) {
    int64_t damaged;
    TRY(batch_read(folder, take_result, r, &damaged));
    if (damaged > 0)
        log_warn("%s: %lld lines of results are damaged, and left out", folder, (long long)damaged);
    for (int64_t i = 0; i < requests->count; i++)
        if (!r->answered[i])
            failures_add(failures, requests->request[i].item,
                         r->reason[i] ? r->reason[i] : "has no result");
    return cache_log_sync(&r->log);
}

enum status batch_answers_read(const char *folder, const char *cache, const struct chat *chat,
                               const struct requests *requests, struct failures *failures,
                               int64_t *answered) {
    struct results r = {.chat = chat,
                        .answered = mem_zero(requests->count, sizeof *r.answered),
                        .reason = mem_zero(requests->count, sizeof *r.reason)};
    for (int64_t i = 0; i < requests->count; i++)
        string_map_add(&r.wanted, requests->request[i].key, NULL);
    cache_log_open(&r.log, cache, 0);
    enum status status = read_results(&r, folder, requests, failures);
    *answered += r.count;
    cache_log_close(&r.log);
    for (int64_t i = 0; i < requests->count; i++)
        mem_free(r.reason[i]);
    mem_free(r.answered);
    mem_free(r.reason);
    string_map_free(&r.wanted);
    return status;
}
