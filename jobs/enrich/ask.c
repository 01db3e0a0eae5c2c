/* Ranks work for half a second each on its own, then sum up how far they are and whether anything
 * has to end them all: no rank waits in MPI while its replies come in, and all ranks stop alike. */
#include "jobs/enrich/ask.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/phase.h"
#include "io/http.h"
#include "io/llm/chat.h"
#include "jobs/launch/stop.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUND 0.5  /* seconds between two sums */
#define EVERY 30.0 /* between two lines of progress off a terminal */
#define DRAIN 20.0 /* at most, for the replies on their way when the job is to stop */

enum { REPLY_BYTES = 1 << 23 };

/* What all ranks sum up. */
enum { DONE, FAILED, LEFT, STOP, SILENT, BARREN, REFUSED, BROKEN, NOTES };

struct asking {
    const struct comm *comm;
    const struct ask_options *options;
    const struct asker *asker;
    struct cache_log log;
    struct http http;
    char *url, *key;
    int64_t done, failed, all; /* answers; `all`: that all ranks want */
    char refused[HTTP_REASON]; /* what the server has against whoever asks; "": nothing */
    enum status status;        /* of the log */
    bool warned;
    double since, said_at;
};

/* ---- the address and the key ---- */

/* Does the text end in /v1, /v2, ...? */
static bool has_version(const char *url, size_t n) {
    size_t digits = 0;
    while (digits < n && strchr("0123456789", url[n - 1 - digits]))
        digits++;
    return digits > 0 && n >= digits + 2 && !strncmp(url + n - digits - 2, "/v", 2);
}

static size_t without(const char *url, size_t n, const char *ending) {
    size_t length = strlen(ending);
    return n >= length && !strncmp(url + n - length, ending, length) ? n - length : n;
}

/* Of "http://host:8000", with or without a version and the rest. */
static char *url_of(const char *endpoint, const char *rest) {
    size_t n = strlen(endpoint);
    while (n > 0 && endpoint[n - 1] == '/')
        n--;
    n = without(endpoint, n, rest);
    char *url = mem_alloc((int64_t)(n + sizeof "/v1" + strlen(rest)), 1);
    memcpy(url, endpoint, n);
    strcpy(stpcpy(url + n, has_version(endpoint, n) ? "" : "/v1"), rest);
    return url;
}

const char *ask_fault(const char *endpoint) {
    return http_fault(endpoint);
}

static const char *key_of_environment(void) {
    const char *key = getenv("CDSR_API_KEY");
    if (!key || !*key)
        key = getenv("OPENAI_API_KEY");
    return key && *key ? key : NULL;
}

static enum status check_key(const char *key) {
    for (const char *c = key; c && *c; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7F)
            return log_error(STATUS_INPUT, "the API key in the environment has characters that no "
                                           "key has (a line end?); set it again");
    return STATUS_OK;
}

/* Rank 0's, on all ranks: mpirun hands environment variables on to other nodes only when told to. */
static enum status share_key(struct asking *a) {
    const char *key = a->comm->rank == 0 ? key_of_environment() : NULL;
    TRY(COMM_ON_ROOT(a->comm, check_key(key)));
    int64_t bytes = key ? (int64_t)strlen(key) + 1 : 0;
    comm_bcast(a->comm, &bytes, sizeof bytes);
    if (bytes == 0)
        return STATUS_OK;
    a->key = mem_zero(bytes, 1);
    if (key)
        memcpy(a->key, key, (size_t)bytes);
    comm_bcast(a->comm, a->key, bytes);
    if (a->comm->rank == 0 && !strncmp(a->url, "http:", 5) && !strstr(a->url, "//127.") &&
        !strstr(a->url, "//localhost") && !strstr(a->url, "//[::1]"))
        log_warn("%s: the API key goes there unencrypted; use https, or a network that you trust",
                 a->options->endpoint);
    return STATUS_OK;
}

/* A server may repeat the key that it was given. */
static void hide_key(const struct asking *a, char *text, size_t n) {
    size_t length = a->key ? strlen(a->key) : 0;
    char *at = text;
    while (length > 0 && (at = memmem(at, n - (size_t)(at - text), a->key, length)))
        memset(at, '*', length);
}

/* What a reply says of a failure; the key is hidden before the reply is cut to a line, and after, where
 * it was written with escapes. */
static void read_error(const struct asking *a, const struct http_reply *reply,
                       char said[CHAT_REASON]) {
    char *body = mem_alloc((int64_t)reply->bytes + 1, 1);
    memcpy(body, reply->body, reply->bytes + 1);
    hide_key(a, body, reply->bytes);
    chat_error(body, reply->bytes, said);
    hide_key(a, said, strlen(said));
    mem_free(body);
}

/* ---- one request ---- */

static char *body_of(void *state, int64_t request) {
    const struct asking *a = state;
    return a->asker->body(a->asker->state, request);
}

/* Every other request would fare the same. */
static bool is_about_the_asker(long code) {
    return code == 401 || code == 403 || code == 404 || code == 405 || (code >= 300 && code < 400);
}

static bool is_about_the_request(long code) {
    return code == 400 || code == 422;
}

/* Once, as all attempts may take minutes: the server may be about to start, or not be there. */
static void warn_of_silence(struct asking *a, const char *reason) {
    if (!a->warned && a->http.successes == 0)
        log_warn("%s: %s; it is tried again", a->url, reason);
    a->warned = true;
}

/* Two requests in the place of one that is too much, or of which a part is wrong. */
static bool split(struct asking *a, int64_t request, long code) {
    const struct asker *asker = a->asker;
    if (!asker->split || (code != 413 && !is_about_the_request(code)) ||
        !asker->split(asker->state, request))
        return false;
    http_add(&a->http, 2);
    return true;
}

static enum http_verdict refuse(struct asking *a, int64_t request, struct http_reply *reply) {
    char said[CHAT_REASON];
    if (reply->code == 0) {
        warn_of_silence(a, reply->reason);
        return HTTP_AGAIN;
    }
    read_error(a, reply, said);
    snprintf(reply->reason, sizeof reply->reason, "status %ld: %.250s", reply->code, said);
    if (is_about_the_asker(reply->code)) {
        snprintf(a->refused, sizeof a->refused, "%s", reply->reason);
        a->http.closing = true;
        return HTTP_FAILED;
    }
    if (split(a, request, reply->code))
        return HTTP_TAKEN;
    return is_about_the_request(reply->code) ? HTTP_FAILED : HTTP_AGAIN;
}

/* An answer that cannot be kept ends the job. */
static enum http_verdict take(void *state, int64_t request, struct http_reply *reply) {
    struct asking *a = state;
    char reason[ASK_REASON] = "";
    int64_t answers = 0;
    if (reply->code != 200)
        return refuse(a, request, reply);
    if (a->status != STATUS_OK)
        return HTTP_TAKEN;
    a->status = a->asker->take(a->asker->state, request, reply->body, reply->bytes, &a->log,
                               &answers, reason);
    a->http.closing = a->http.closing || a->status != STATUS_OK;
    a->done += answers;
    if (a->status != STATUS_OK || answers > 0)
        return HTTP_TAKEN;
    hide_key(a, reason, strlen(reason));
    snprintf(reply->reason, sizeof reply->reason, "%s", reason);
    return HTTP_AGAIN;
}

static void fail(void *state, int64_t request, const char *reason) {
    struct asking *a = state;
    if (!a->refused[0]) /* which is said once for all */
        a->failed += a->asker->fail(a->asker->state, request, reason);
}

/* ---- all of them ---- */

static void sum_up(struct asking *a, int64_t notes[NOTES]) {
    notes[DONE] = a->done;
    notes[FAILED] = a->failed;
    notes[LEFT] = http_left(&a->http);
    notes[STOP] = stop_requested();
    notes[SILENT] = a->http.silent;
    notes[BARREN] = a->http.barren;
    notes[REFUSED] = a->refused[0] != '\0';
    notes[BROKEN] = a->status != STATUS_OK;
    comm_sum_i64(a->comm, notes, NOTES);
    for (int n = STOP; n < NOTES; n++)
        a->http.closing = a->http.closing || notes[n];
}

static void say_progress(struct asking *a, const int64_t notes[NOTES]) {
    double now = phase_clock(), rate = (double)notes[DONE] / fmax(now - a->since, 1e-9);
    double left = (double)(a->all - notes[DONE] - notes[FAILED]) / fmax(rate, 1e-9);
    char line[160], time[32] = "?";
    if (notes[DONE] > 0)
        snprintf(time, sizeof time, "%.0f s", ceil(left));
    snprintf(line, sizeof line, "done %lld of %lld failed %lld per second %.1f left %s",
             (long long)notes[DONE], (long long)a->all, (long long)notes[FAILED], rate, time);
    log_progress("%s", line);
    if (now - a->said_at >= EVERY) {
        log_info("%s", line);
        a->said_at = now;
    }
}

/* Until nothing is left, or, when something ends the job, the replies on their way have come. */
static void work(struct asking *a, int64_t notes[NOTES]) {
    double closed_at = INFINITY;
    do {
        double now = phase_clock();
        http_work(&a->http, ROUND);
        if (a->status == STATUS_OK)
            a->status = cache_log_sync(&a->log);
        sum_up(a, notes);
        say_progress(a, notes);
        if (a->http.closing && isinf(closed_at))
            closed_at = now;
        double age = a->http.closing ? phase_clock() - closed_at : 0;
        comm_max_f64(a->comm, &age, 1);
        if (age > DRAIN)
            return;
    } while (notes[LEFT] > 0);
}

/* One line for what ended the job, from the first rank that has found it. */
static enum status judge(const struct asking *a, const int64_t notes[NOTES]) {
    if (notes[BROKEN])
        return comm_agree(a->comm, a->status);
    int first = comm_first(a->comm, a->refused[0] != '\0');
    if (first >= 0)
        return comm_error_of(a->comm, first, STATUS_INPUT,
                             "%s: %s; check --endpoint, --model and the key in CDSR_API_KEY or "
                             "OPENAI_API_KEY",
                             a->url, a->refused);
    first = comm_first(a->comm, a->http.silent);
    if (first >= 0)
        return comm_error_of(a->comm, first, STATUS_STOPPED,
                             "%s: does not answer: %s; what was answered is in the cache: run it "
                             "again",
                             a->url, a->http.why);
    first = comm_first(a->comm, a->http.barren);
    if (first >= 0)
        return comm_error_of(a->comm, first, STATUS_IO,
                             "%s: %d requests in a row failed, the last one: %s; what was answered "
                             "is in the cache",
                             a->url, (int)HTTP_BARREN, a->http.why);
    if (notes[STOP] && notes[DONE] + notes[FAILED] < a->all)
        return comm_error(a->comm, STATUS_STOPPED,
                          "stopped by a signal or the time limit after %lld answers, which are in "
                          "the cache: run it again",
                          (long long)notes[DONE]);
    return STATUS_OK;
}

static enum status run(struct asking *a, int64_t *answered) {
    const struct ask_options *o = a->options;
    int64_t notes[NOTES] = {0}, mine = o->concurrency / a->comm->size;
    mine += a->comm->rank < o->concurrency % a->comm->size;
    TRY(share_key(a));
    struct http_options options = {.url = a->url,
                                   .key = a->key,
                                   .concurrency = mine > 0 ? mine : 1,
                                   .retries = o->retries,
                                   .timeout = o->timeout,
                                   .pause = o->pause,
                                   .most = REPLY_BYTES};
    struct http_caller caller = {a, body_of, take, fail};
    TRY(comm_agree(a->comm, http_open(&a->http, &options, &caller, a->asker->requests)));
    a->all = a->asker->answers;
    comm_sum_i64(a->comm, &a->all, 1);
    if (a->all > 0)
        log_info("asks %s for %lld answers, %lld at a time", a->url, (long long)a->all,
                 (long long)o->concurrency);
    stop_watch(0, 60);
    a->since = a->said_at = phase_clock();
    work(a, notes);
    *answered = notes[DONE];
    return judge(a, notes);
}

enum status ask(const struct comm *comm, const struct ask_options *options,
                const struct asker *asker, int64_t *answered) {
    struct asking a = {.comm = comm,
                       .options = options,
                       .asker = asker,
                       .url = url_of(options->endpoint, asker->path)};
    cache_log_open(&a.log, options->cache, comm->rank);
    enum status status = run(&a, answered);
    http_close(&a.http);
    cache_log_close(&a.log);
    if (a.key)
        explicit_bzero(a.key, strlen(a.key));
    mem_free(a.key);
    mem_free(a.url);
    return status;
}
