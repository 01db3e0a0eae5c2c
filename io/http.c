/* A slot holds a request that runs; one that is to be repeated leaves its slot and waits in a list.
 * New requests are begun only while that list is short, so that a server which refuses everything is
 * not asked everything. */
#include "io/http.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/phase.h"
#include "core/rng.h"
#include <curl/curl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MOST 128.0
#define RETRY_AFTER_MOST 3600 /* a server that asks for a longer wait has refused */
#define CONNECT_SECONDS 30.0
#define POLL_SECONDS 0.2

enum { WAITS = 8 }; /* at most so many requests wait for each slot */

struct attempt {
    int64_t request, number; /* from 0 */
    int64_t successes;       /* of all requests when it was begun for the first time */
};

struct http_slot {
    CURL *easy;
    bool busy;
    struct attempt attempt;
    char *body, *reply;
    size_t bytes, room, most;
    char error[CURL_ERROR_SIZE];
};

struct http_waiting {
    struct attempt attempt;
    double due;
};

const char *http_library(void) {
    return curl_version_info(CURLVERSION_NOW)->version;
}

/* ---- opening ---- */

const char *http_fault(const char *url) {
    size_t scheme = !strncmp(url, "http://", 7) ? 7 : !strncmp(url, "https://", 8) ? 8 : 0;
    size_t host = scheme ? strcspn(url + scheme, "/?#") : 0;
    if (!scheme)
        return "does not begin with http:// or https://";
    if (memchr(url + scheme, '@', host))
        return "holds a name or password, which everybody on the machine can see; give a key in "
               "the environment variable CDSR_API_KEY";
    if (host == 0)
        return "has no host";
    return strpbrk(url + scheme, "?#") ? "has a query (?, #), which is not known what to do with"
                                       : NULL;
}

static size_t receive(char *data, size_t size, size_t n, void *state) {
    struct http_slot *s = state;
    n *= size;
    if (s->bytes + n > s->most)
        return CURL_WRITEFUNC_ERROR;
    if (s->bytes + n + 1 > s->room) {
        s->room = 2 * (s->bytes + n) + 4096;
        s->reply = mem_resize(s->reply, (int64_t)s->room, 1);
    }
    memcpy(s->reply + s->bytes, data, n);
    s->bytes += n;
    s->reply[s->bytes] = '\0';
    return n;
}

/* Options that curl_easy_setopt refuses are of a libcurl that lacks them: each is needed. */
static bool prepare(const struct http *h, struct http_slot *s) {
    const struct http_options *o = &h->options;
    const char *authorities = getenv("CURL_CA_BUNDLE");
    s->most = (size_t)o->most;
    s->easy = curl_easy_init();
    CURL *e = s->easy;
    return e && !curl_easy_setopt(e, CURLOPT_URL, o->url) &&
           !curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") &&
           !curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
           !curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) &&
           !curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L) &&
           !curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L) &&
           (!authorities || !*authorities || !curl_easy_setopt(e, CURLOPT_CAINFO, authorities)) &&
           !curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) &&
           !curl_easy_setopt(e, CURLOPT_USERAGENT, "cdsr/" CDSR_VERSION) &&
           !curl_easy_setopt(e, CURLOPT_HTTPHEADER, (struct curl_slist *)h->headers) &&
           !curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(1000 * o->timeout)) &&
           !curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
                             (long)(1000 * fmin(o->timeout, CONNECT_SECONDS))) &&
           !curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, receive) &&
           !curl_easy_setopt(e, CURLOPT_WRITEDATA, s) &&
           !curl_easy_setopt(e, CURLOPT_ERRORBUFFER, s->error) &&
           !curl_easy_setopt(e, CURLOPT_PRIVATE, s);
}

/* Without "Expect: 100-continue", which costs a round trip. */
static void make_headers(struct http *h) {
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
    list = curl_slist_append(list, "Expect:");
    if (h->options.key) {
        size_t size = strlen(h->options.key) + 32;
        char *line = mem_alloc((int64_t)size, 1);
        snprintf(line, size, "Authorization: Bearer %s", h->options.key);
        list = curl_slist_append(list, line);
        explicit_bzero(line, size);
        mem_free(line);
    }
    h->headers = list;
}

enum status http_open(struct http *http, const struct http_options *options,
                      const struct http_caller *caller, int64_t requests) {
    *http = (struct http){.options = *options, .caller = *caller, .count = requests};
    bool good = !curl_global_init(CURL_GLOBAL_DEFAULT);
    http->multi = curl_multi_init();
    http->slot = mem_zero(options->concurrency, sizeof *http->slot);
    make_headers(http);
    good = good && http->multi && http->headers &&
           !curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)options->concurrency);
    for (int64_t i = 0; i < options->concurrency && good; i++)
        good = prepare(http, &http->slot[i]);
    if (good)
        return STATUS_OK;
    http_close(http);
    return log_error(STATUS_FAIL, "libcurl %s cannot be started; is there enough memory?",
                     http_library());
}

static void release(struct http *h, struct http_slot *s) {
    curl_multi_remove_handle(h->multi, s->easy);
    mem_free(s->body);
    mem_free(s->reply);
    s->body = s->reply = NULL;
    s->bytes = s->room = 0;
    s->busy = false;
    h->running--;
}

void http_close(struct http *http) {
    for (int64_t i = 0; http->slot && i < http->options.concurrency; i++) {
        if (http->slot[i].busy)
            release(http, &http->slot[i]);
        curl_easy_cleanup(http->slot[i].easy);
    }
    curl_multi_cleanup(http->multi);
    curl_slist_free_all(http->headers);
    if (http->slot)
        curl_global_cleanup();
    mem_free(http->slot);
    mem_free(http->waiting);
    *http = (struct http){0};
}

/* ---- beginning a request ---- */

static void start(struct http *h, struct http_slot *s, const struct attempt *attempt) {
    char *body = h->caller.body(h->caller.state, attempt->request);
    if (!body) {
        h->caller.fail(h->caller.state, attempt->request,
                       "what it is about is not there any more, or has changed");
        return;
    }
    s->attempt = *attempt;
    s->busy = true;
    s->body = body;
    s->error[0] = '\0';
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, s->body);
    curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(s->body));
    curl_multi_add_handle(h->multi, s->easy);
    h->running++;
    h->sent++;
}

/* The request to begin now: the first that has waited enough, or a new one. */
static bool choose(struct http *h, double now, struct attempt *attempt) {
    for (int64_t i = 0; i < h->waits; i++)
        if (h->waiting[i].due <= now) {
            *attempt = h->waiting[i].attempt;
            h->waiting[i] = h->waiting[--h->waits];
            return true;
        }
    if (h->next == h->count || h->waits >= WAITS * h->options.concurrency)
        return false;
    *attempt = (struct attempt){h->next++, 0, h->successes};
    return true;
}

static bool is_closed(const struct http *h) {
    return h->closing || h->silent || h->barren;
}

static void start_all(struct http *h) {
    double now = phase_clock();
    struct attempt attempt;
    for (int64_t i = 0; i < h->options.concurrency && !is_closed(h); i++)
        if (!h->slot[i].busy && choose(h, now, &attempt))
            start(h, &h->slot[i], &attempt);
}

/* ---- the end of a request ---- */

static double pause_of(const struct http *h, const struct attempt *a) {
    double pause = fmin(h->options.pause * exp2((double)a->number), PAUSE_MOST);
    uint64_t key = rng_bits((uint64_t)a->request, (uint64_t)a->number);
    return pause * (1 - rng_uniform(key, 0) / 4);
}

static void put_off(struct http *h, const struct attempt *attempt, double pause) {
    if (h->waits == h->waits_room) {
        h->waits_room = 2 * h->waits_room + 64;
        h->waiting = mem_resize(h->waiting, h->waits_room, sizeof *h->waiting);
    }
    h->waiting[h->waits] = (struct http_waiting){*attempt, phase_clock() + pause};
    h->waiting[h->waits++].attempt.number++;
}

static bool is_silence(long code) {
    return code == 0 || code == 429 || (code >= 502 && code <= 504);
}

/* No request that has failed because the server is silent is to blame for it. */
static void refuse(struct http *h, const struct attempt *a, const struct http_reply *reply) {
    bool silent = is_silence(reply->code) && a->successes == h->successes;
    if (!silent) {
        h->caller.fail(h->caller.state, a->request, reply->reason);
        h->barren = h->barren || ++h->in_vain == HTTP_BARREN;
    }
    if ((silent || h->barren) && !h->why[0])
        snprintf(h->why, sizeof h->why, "%s", reply->reason);
    h->silent = h->silent || silent;
}

static void judge(struct http *h, const struct attempt *a, struct http_reply *reply,
                  curl_off_t retry_after) {
    enum http_verdict verdict = h->caller.take(h->caller.state, a->request, reply);
    bool last = a->number == h->options.retries || retry_after > RETRY_AFTER_MOST;
    if (verdict == HTTP_TAKEN) {
        h->successes++;
        h->in_vain = 0;
    } else if (verdict == HTTP_FAILED || last)
        refuse(h, a, reply);
    else
        put_off(h, a, retry_after > 0 ? (double)retry_after : pause_of(h, a));
}

static void say_fault(const struct http_slot *s, CURLcode outcome, const struct http *h,
                      struct http_reply *reply) {
    if (outcome == CURLE_WRITE_ERROR)
        snprintf(reply->reason, HTTP_REASON, "the reply is longer than %lld bytes",
                 (long long)h->options.most);
    else
        snprintf(reply->reason, HTTP_REASON, "%.200s",
                 s->error[0] ? s->error : curl_easy_strerror(outcome));
}

static void finish(struct http *h, struct http_slot *s, CURLcode outcome) {
    struct http_reply reply = {.body = s->reply && !outcome ? s->reply : ""};
    struct attempt attempt = s->attempt;
    curl_off_t retry_after = 0;
    if (outcome)
        say_fault(s, outcome, h, &reply);
    else {
        reply.bytes = s->bytes;
        curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &reply.code);
        curl_easy_getinfo(s->easy, CURLINFO_RETRY_AFTER, &retry_after);
    }
    judge(h, &attempt, &reply, retry_after);
    release(h, s);
}

static void finish_all(struct http *h) {
    CURLMsg *message;
    int more;
    while ((message = curl_multi_info_read(h->multi, &more))) {
        struct http_slot *s = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &s);
        if (message->msg == CURLMSG_DONE)
            finish(h, s, message->data.result);
    }
}

/* ---- working ---- */

int64_t http_left(const struct http *http) {
    if (is_closed(http))
        return http->running;
    return http->count - http->next + http->waits + http->running;
}

void http_add(struct http *http, int64_t requests) {
    http->count += requests;
}

/* Seconds until a request that waits is due. */
static double next_due(const struct http *h) {
    double due = INFINITY;
    for (int64_t i = 0; i < h->waits && h->running < h->options.concurrency; i++)
        due = fmin(due, h->waiting[i].due);
    return fmax(due - phase_clock(), 0);
}

void http_work(struct http *http, double seconds) {
    double end = phase_clock() + seconds;
    int running;
    while (http_left(http) > 0) {
        start_all(http);
        curl_multi_perform(http->multi, &running);
        finish_all(http);
        double left = end - phase_clock();
        if (left <= 0)
            return;
        start_all(http);
        double wait = fmin(fmin(left, POLL_SECONDS), next_due(http));
        if (http_left(http) > 0)
            curl_multi_poll(http->multi, NULL, 0, (int)(1000 * wait) + (wait > 0), NULL);
    }
}
