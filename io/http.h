/* Many POST requests of JSON to one server, several at a time, over HTTP or HTTPS (libcurl). Not
 * collective.
 *
 * Requests are numbers; what is sent and what becomes of a reply is the caller's. A request that is to
 * be tried again waits: as long as the reply's Retry-After says, else pause, 2 pause, 4 pause, ...,
 * PAUSE_MOST at most, of which up to a quarter is left to chance, so that what failed together does
 * not come together again. Where the last attempt of a request has no reply, or one of 429, 502,
 * 503 or 504, and no other request had any success since its first, the server is silent. Where
 * HTTP_BARREN requests fail for good without a success between them, something is wrong with all. In
 * both cases no more are made.
 *
 * Certificates are verified, by those of the system or of the file that CURL_CA_BUNDLE names.
 * Redirections are not followed, as the key would go along. */
#ifndef IO_HTTP_H
#define IO_HTTP_H
#include "core/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_REASON = 320, HTTP_BARREN = 20 };

struct http_reply {
    long code;        /* 0: none came */
    const char *body; /* `bytes` bytes, NUL behind them; "" where there is none */
    size_t bytes;
    char reason[HTTP_REASON]; /* where it failed: why, for a line of text */
};

enum http_verdict {
    HTTP_TAKEN,
    HTTP_AGAIN, /* try again, or fail where there is no attempt left */
    HTTP_FAILED /* for good */
};

/* What the caller does. */
struct http_caller {
    void *state;
    /* To be given to mem_free; NULL: what it is about cannot be had any more, and the request fails. */
    char *(*body)(void *state, int64_t request);
    /* A verdict on a reply; where it is not HTTP_TAKEN, reply->reason says why. */
    enum http_verdict (*take)(void *state, int64_t request, struct http_reply *reply);
    void (*fail)(void *state, int64_t request, const char *reason);
};

struct http_options {
    const char *url;
    const char *key; /* sent as a bearer token; NULL: none */
    int64_t concurrency, retries;
    double timeout, pause; /* seconds */
    int64_t most;          /* bytes of a reply; a longer one has failed */
};

struct http {
    struct http_options options;
    struct http_caller caller;
    int64_t next, count; /* requests that are not begun: next .. count - 1 */
    bool closing;        /* begin no request, and repeat none */
    bool silent, barren; /* no more are made, for the reason `why` */
    char why[HTTP_REASON];
    int64_t in_vain;        /* requests that failed since the last success */
    struct http_slot *slot; /* [concurrency] */
    int64_t running;
    struct http_waiting *waiting; /* to be tried again */
    int64_t waits, waits_room;
    int64_t successes, sent;
    void *multi, *headers;
};

/* What is wrong with the address, or NULL. It begins with http:// or https:// and holds no query, and no
 * name or password, as every user of the machine sees the command line. */
const char *http_fault(const char *url);

/* Texts of the options are the caller's, and outlive the object. STATUS_FAIL where libcurl does not
 * start; then the object is zeroed. */
CHECKED enum status http_open(struct http *http, const struct http_options *options,
                              const struct http_caller *caller, int64_t requests);
void http_close(struct http *http); /* safe on a zeroed object; zeroes it; drops what runs */

/* So many more requests, with the next numbers; also from within the caller's functions. */
void http_add(struct http *http, int64_t requests);

/* Work for at most so many seconds, or until http_left is 0. */
void http_work(struct http *http, double seconds);

/* Requests without an end so far, or, where no more are begun, those that run. */
int64_t http_left(const struct http *http);

/* A version of libcurl, in a static buffer. */
const char *http_library(void);

#endif
