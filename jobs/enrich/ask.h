/* Requests to a server that speaks OpenAI's interface: every rank makes its own, and appends the
 * answers to its file of the cache. What is asked and what a reply means is the asker's. */
#ifndef JOBS_ENRICH_ASK_H
#define JOBS_ENRICH_ASK_H
#include "core/status.h"
#include "io/llm/cache_log.h"
#include "mpi/comm.h"
#include <stdbool.h>
#include <stddef.h>

struct ask_options {
    const char *model;
    const char *endpoint;         /* NULL: nobody is asked */
    int64_t concurrency, retries; /* requests at a time, of all ranks together; further attempts */
    double timeout, pause;        /* seconds */
    const char *cache;            /* file; NULL: beside the data set */
    const char *failed;           /* file for the list of failures, or NULL */
    bool allow_missing;           /* do with the answers that there are */
};

enum { ASK_REASON = 256 };

/* Requests are numbers from 0. */
struct asker {
    void *state;
    const char *path;          /* behind the endpoint: "/chat/completions" */
    int64_t requests, answers; /* of this rank, and how many answers they are to bring */

    /* Its body, to be given to mem_free; NULL: it cannot be made any more, and the request fails. */
    char *(*body)(void *state, int64_t request);

    /* Append the answers in the `n` bytes of a reply of status 200 to the log and set their number;
     * 0, and the reason, where the reply is none. Fails as the log does. */
    enum status (*take)(void *state, int64_t request, const char *reply, size_t n,
                        struct cache_log *log, int64_t *answers, char reason[ASK_REASON]);

    /* It has failed for good; gives the number of answers that it should have brought. */
    int64_t (*fail)(void *state, int64_t request, const char *reason);

    /* It is too much for the server, or a part of it is wrong: put two new requests, with the next
     * two numbers, in its place; false where that cannot be done. NULL: it never can. */
    bool (*split)(void *state, int64_t request);
};

/* Collective. Ask until every request has its answers or has failed for good. STATUS_STOPPED where a
 * signal or the server's silence ended it before; STATUS_IO where every request fails; STATUS_INPUT
 * where the server refuses whoever asks or does not know the model: then one line says so. What came
 * before is in the cache
 * (io/llm/cache_log.h) in every case. *answered is the number of answers of all ranks.
 *
 * The key comes from the environment variable CDSR_API_KEY, else OPENAI_API_KEY, of rank 0, and
 * stands in no message: what a server says is shown without it. */
CHECKED enum status ask(const struct comm *comm, const struct ask_options *options,
                        const struct asker *asker, int64_t *answered);

/* What is wrong with an endpoint, or NULL. Not collective. */
const char *ask_fault(const char *endpoint);

#endif
